package hostname_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/partywall/partywall/internal/hostname"
)

// The table of spellings is httptenant's, whose NormalizeHost is a face of this.
func TestNormalize(t *testing.T) {
	t.Parallel()
	if got, err := hostname.Normalize("BÜCHER.Example.:443"); got != "xn--bcher-kva.example" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for host, want := range map[string]error{"10.0.0.1": hostname.ErrAddress, "[::1]:80": hostname.ErrAddress, "a..b": hostname.ErrMalformed} {
		if got, err := hostname.Normalize(host); got != "" || !errors.Is(err, want) || !errors.Is(err, hostname.ErrMalformed) {
			t.Errorf("Normalize(%q) = %q, %v", host, got, err)
		}
	}
}

func TestNormalizeIsFree(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = hostname.Normalize("acme.myapp.com:8080") }); n != 0 {
		t.Errorf("a name in its one spelling costs %v allocations", n)
	}
}

func TestRegistrable(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"example.com":                   "example.com",
		"shop.eu.example.com":           "example.com",
		"www.example.co.uk":             "example.co.uk",
		"acme.github.io":                "acme.github.io", // the private part of the list
		"a.acme.github.io":              "acme.github.io",
		"www.xn--85x722f.xn--55qx5d.cn": "xn--85x722f.xn--55qx5d.cn",
		"www.ck":                        "www.ck", // an exception of *.ck
		"a.b.unlisted":                  "b.unlisted",
	} {
		if got, err := hostname.Registrable(host); got != want || err != nil {
			t.Errorf("Registrable(%q) = %q, %v; want %q", host, got, err, want)
		}
	}
	for _, host := range []string{"com", "co.uk", "github.io", "other.ck", "xn--55qx5d.cn", "localhost", "CO.UK."} {
		if got, err := hostname.Registrable(host); got != "" || !errors.Is(err, hostname.ErrPublicSuffix) {
			t.Errorf("Registrable(%q) = %q, %v", host, got, err)
		}
	}
	if got, err := hostname.Registrable("a..com"); got != "" || !errors.Is(err, hostname.ErrMalformed) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestUnder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, zone string
		want       bool
	}{
		{"example.com", "example.com", true},
		{"a.b.example.com", "example.com", true},
		{"notexample.com", "example.com", false},
		{"example.com", "a.example.com", false},
		{"example.com.evil.net", "example.com", false},
		{"example.com", "", false},
		{"", "", false},
	} {
		if got := hostname.Under(c.host, c.zone); got != c.want {
			t.Errorf("Under(%q, %q) = %v", c.host, c.zone, got)
		}
	}
}

func TestUnicode(t *testing.T) {
	t.Parallel()
	for name, shown := range map[string]bool{
		"bücher.example": true,
		"пример.example": true, // и and п-р-и-м-е-р: и has no Latin twin
		"名がドメイン.example": true,
		"서울.example":     true,
		"اختبار.example": true,
		"аррӏе.example":  false, // Cyrillic that looks like apple
		"ρνο.example":    false, // Greek that looks like pvo
		"pаypal.example": false, // one Cyrillic а
		"аcme.example":   false,
		"ᏚᏞ.example":     false, // a script in no wide use
	} {
		ascii, err := hostname.Normalize(name)
		if err != nil {
			t.Fatal(name, err)
		}
		want := ascii
		if shown {
			want = name
		}
		if got := hostname.Unicode(ascii); got != want {
			t.Errorf("Unicode(%q) = %q, want %q", ascii, got, want)
		}
	}
	for _, host := range []string{"acme.example", "xn--a.example", "xn--.example", ""} {
		if got := hostname.Unicode(host); got != host {
			t.Errorf("Unicode(%q) = %q", host, got)
		}
	}
}

// FuzzNames checks that what is shown to people is the same host to us, and that
// a registrable part is above the host and has one of its own.
func FuzzNames(f *testing.F) {
	for _, host := range []string{"www.example.co.uk", "bücher.example", "аррӏе.com", "xn--55qx5d.cn", "a.ck", "github.io", "ﷺ.example", "ß.de"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, input string) {
		host, err := hostname.Normalize(input)
		if err != nil {
			if host != "" || !errors.Is(err, hostname.ErrMalformed) {
				t.Fatalf("Normalize(%q) = %q, %v", input, host, err)
			}
			return
		}
		shown := hostname.Unicode(host)
		if back, err := hostname.Normalize(shown); back != host || err != nil || !utf8.ValidString(shown) || strings.ContainsAny(shown, " \t\r\n<>&\"'/") {
			t.Fatalf("Unicode(%q) = %q, which is %q, %v", host, shown, back, err)
		}
		own, err := hostname.Registrable(host)
		if err != nil {
			if !errors.Is(err, hostname.ErrPublicSuffix) {
				t.Fatalf("Registrable(%q): %v", host, err)
			}
			return
		}
		if again, err := hostname.Registrable(own); again != own || err != nil || !hostname.Under(host, own) {
			t.Fatalf("Registrable(%q) = %q, and of that %q, %v", host, own, again, err)
		}
	})
}
