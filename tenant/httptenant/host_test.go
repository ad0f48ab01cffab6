package httptenant_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/partywall/partywall/tenant/httptenant"
)

func TestNormalizeHost(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(strings.Repeat("a", 49)+".", 5) // 250 bytes
	for host, want := range map[string]string{
		"acme.myapp.com":              "acme.myapp.com",
		"ACME.MyApp.com":              "acme.myapp.com",
		"acme.myapp.com:8080":         "acme.myapp.com",
		"acme.myapp.com.":             "acme.myapp.com",
		"acme.myapp.com.:443":         "acme.myapp.com",
		"localhost":                   "localhost",
		"bücher.example":              "xn--bcher-kva.example",
		"BÜCHER.example":              "xn--bcher-kva.example",
		"XN--BCHER-KVA.example":       "xn--bcher-kva.example",
		"аcme.myapp.com":              "xn--cme-5cd.myapp.com", // a Cyrillic а is another name
		"ａｃｍｅ.myapp.com":              "acme.myapp.com",        // full width is the same one (UTS 46)
		"a--b.example":                "a--b.example",
		"123.example":                 "123.example",
		long + "abc":                  long + "abc",
		strings.ToUpper(long) + "ABC": long + "abc",
	} {
		if got, err := httptenant.NormalizeHost(host); got != want || err != nil {
			t.Errorf("NormalizeHost(%q) = %q, %v; want %q", host, got, err, want)
		}
	}
}

// Case folds in one way, whatever other letters the name has: a capital of
// ASCII beside one that maps to more than its small letter changes nothing.
func TestNormalizeHostFoldsOnce(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"aẞ.example", "aİ.example", "aΣ.example", "a\u212a.example", "xn--bcher-kva.ẞa"} {
		lower, err := httptenant.NormalizeHost(host)
		upper, err2 := httptenant.NormalizeHost(strings.ReplaceAll(host, "a", "A"))
		if lower != upper || (err == nil) != (err2 == nil) {
			t.Errorf("%s is %q, %v, and with capitals %q, %v", host, lower, err, upper, err2)
		}
	}
}

func TestNormalizeHostRefuses(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{
		"empty":             "",
		"only a dot":        ".",
		"only a port":       ":80",
		"two root dots":     "acme.myapp.com..",
		"empty label":       "acme..myapp.com",
		"leading dot":       ".myapp.com",
		"empty port":        "acme.myapp.com:",
		"port of letters":   "acme.myapp.com:http",
		"port that hides":   "acme.myapp.com:80.evil.com",
		"signed port":       "acme.myapp.com:+80",
		"two ports":         "acme.myapp.com:80:80",
		"port of 6 digits":  "acme.myapp.com:123456",
		"user info":         "acme@globex.myapp.com",
		"user and password": "acme:x@globex.myapp.com",
		"percent":           "%61cme.myapp.com",
		"zone":              "fe80::1%25eth0",
		"space":             "acme .myapp.com",
		"tab":               "acme\t.myapp.com",
		"newline":           "acme.myapp.com\r\nX-Tenant: globex",
		"NUL":               "acme\x00.myapp.com",
		"DEL":               "acme\x7f.myapp.com",
		"underscore":        "ac_me.myapp.com",
		"slash":             "acme/.myapp.com",
		"backslash":         "acme\\.myapp.com",
		"comma":             "acme.myapp.com,globex.myapp.com",
		"hash":              "acme#.myapp.com",
		"query":             "acme?.myapp.com",
		"hyphen first":      "-acme.myapp.com",
		"hyphen last":       "acme-.myapp.com",
		"long label":        strings.Repeat("a", 64) + ".myapp.com",
		"long name":         strings.Repeat("a.", 127) + "aa",
		"long, not ASCII":   strings.Repeat("ü", 1<<20),
		"not UTF-8":         "acm\xff.myapp.com",
		"broken A-label":    "xn--a.myapp.com",
		"A-label of ASCII":  "xn--acme-.myapp.com",
		"hidden joiner":     "ac\u200dme.myapp.com",
		"ideographic dots":  "acme。。myapp.com",
		"IPv4":              "10.0.0.1",
		"IPv4 and port":     "10.0.0.1:80",
		"short IPv4":        "127.1",
		"hexadecimal IPv4":  "0x7f.0.0.0x1",
		"one number":        "2130706433",
		"IPv6":              "[::1]",
		"IPv6 and port":     "[::1]:80",
		"bare IPv6":         "::1",
		"IPv4 in IPv6":      "[::ffff:10.0.0.1]",
		"full-width IPv4":   "１０.０.０.１",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := httptenant.NormalizeHost(host)
			if !errors.Is(err, httptenant.ErrMalformed) || got != "" {
				t.Fatalf("NormalizeHost(%q) = %q, %v; want ErrMalformed", host, got, err)
			}
			// The error may be logged, so it must not hold what a client sent.
			if len(host) > 8 && strings.Contains(err.Error(), host) {
				t.Errorf("error %q quotes the input", err)
			}
		})
	}
}

// FuzzNormalizeHost checks what all resolvers of hosts rely on: one spelling,
// of few characters, that stays what it is.
func FuzzNormalizeHost(f *testing.F) {
	for _, host := range []string{
		"acme.myapp.com:8080", "ACME.myapp.com.", "bücher.example", "xn--bcher-kva.example", "ａｃｍｅ.example",
		"faß.example", "ς.example", "a\u200db.example", "[::1]:80", "10.0.0.1", "acme。myapp。com", "İ.example", "ﷺ.example",
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		once, err := httptenant.NormalizeHost(host)
		if err != nil {
			if once != "" || !errors.Is(err, httptenant.ErrMalformed) {
				t.Fatalf("NormalizeHost(%q) = %q, %v", host, once, err)
			}
			return
		}
		if strings.Trim(once, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || once == "" || len(once) > 253 {
			t.Fatalf("NormalizeHost(%q) = %q", host, once)
		}
		upper := strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' {
				r -= 'a' - 'A'
			}
			return r
		}, host)
		if capital, err := httptenant.NormalizeHost(upper); utf8.ValidString(host) && (capital != once || err != nil) {
			t.Fatalf("NormalizeHost(%q) = %q, of %q = %q, %v", host, once, upper, capital, err)
		}
		for _, spelling := range []string{once, once + ".", once + ":80", once + ".:65535", strings.ToUpper(once)} {
			if again, err := httptenant.NormalizeHost(spelling); again != once || err != nil {
				t.Fatalf("NormalizeHost(%q) = %q, then of %q = %q, %v", host, once, spelling, again, err)
			}
		}
	})
}
