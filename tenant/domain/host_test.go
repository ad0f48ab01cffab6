package domain_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/partywall/partywall/internal/hostname"
	"github.com/partywall/partywall/tenant/domain"
)

func TestParseHost(t *testing.T) {
	t.Parallel()
	zones := []string{"myapp.com", "edge.myapp.net"}
	for name, want := range map[string]string{
		"Shop.Acme.example.": "shop.acme.example",
		"bücher.example":     "xn--bcher-kva.example",
		"acme.co.uk":         "acme.co.uk",
		"acme.github.io":     "acme.github.io",
		"notmyapp.com":       "notmyapp.com",
	} {
		if got, err := domain.ParseHost(name, zones...); got != want || err != nil {
			t.Errorf("%q: %q %v", name, got, err)
		}
	}
	long := strings.Repeat("a.", 120) + "example"
	for _, name := range []string{
		"", ".", "acme", "localhost", "acme.localhost", "printer.local", "1.0.0.127.in-addr.arpa", "x.onion",
		"10.0.0.1", "[::1]", "[::1]:443", "2130706433", "0x7f.1",
		"co.uk", "com", "github.io", "myapp.com", "a.myapp.com", "MYAPP.com.", "myapp.net", "a.edge.myapp.net",
		"acme.example:443", "acme.example/path", "user@acme.example", "https://acme.example", "*.acme.example", "_dmarc.acme.example",
		"a..example", "-a.example", "acme.example\x00", "acme.exa\r\nmple", "acme。myapp。com", "xn--a.example", long,
	} {
		got, err := domain.ParseHost(name, zones...)
		var refused *domain.HostError
		if got != "" || !errors.Is(err, domain.ErrInvalid) || !errors.As(err, &refused) {
			t.Errorf("%q: %q %v", name, got, err)
		}
	}
}

// FuzzParseHost checks that what is let through is in its one spelling, below a
// registrable domain and outside of the zones.
func FuzzParseHost(f *testing.F) {
	for _, name := range []string{"acme.example", "bücher.example", "a.myapp.com", "myapp.com.", "co.uk", "xn--55qx5d.cn", "acme。myapp。com", "ﬁ.example", "a.b.c.d.e:1"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		host, err := domain.ParseHost(name, "myapp.com")
		if err != nil {
			if host != "" || !errors.Is(err, domain.ErrInvalid) {
				t.Fatalf("%q: %q %v", name, host, err)
			}
			return
		}
		again, err := domain.ParseHost(host, "myapp.com")
		if again != host || err != nil {
			t.Fatalf("%q: %q, and of that %q %v", name, host, again, err)
		}
		if _, err := hostname.Registrable(host); err != nil || hostname.Under(host, "myapp.com") || hostname.Under("myapp.com", host) || len(host) > 253 {
			t.Fatalf("%q: %q is let through", name, host)
		}
		if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			t.Fatalf("%q: %q", name, host)
		}
	})
}
