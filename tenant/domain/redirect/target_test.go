package redirect_test

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant/domain/redirect"
)

// shop is a tenant with an old host, a new one, and a blog.
func shop() tenantSites {
	shop := paths("/old", "/new", "/blog/*", "blog.example/*", "/gone/*", "/", "/über", "/about")
	shop.HTTPS, shop.WWW = true, redirect.WWWAdd
	www := paths("/temp", "/sale")
	www.Paths[0].Status = http.StatusFound
	return tenantOf("www.shop.example", map[string]redirect.Rules{
		"shop.example":     shop,
		"www.shop.example": www,
		"old.example":      {ToPrimary: true},
		"blog.example":     {},
		"www.blog.example": {WWW: redirect.WWWDrop},
		"solo.example":     {HTTPS: true},
	})
}

func TestTargets(t *testing.T) {
	t.Parallel()
	if err := redirect.Check(shop().list()); err != nil {
		t.Fatal(err)
	}
	h := redirect.Handler(shop(), served())
	for from, want := range map[string]string{
		"http://shop.example/":                                 "https://www.shop.example/",
		"https://shop.example/a?b=c&d":                         "https://www.shop.example/a?b=c&d",
		"http://shop.example/old?x=1":                          "https://www.shop.example/new?x=1",
		"http://shop.example/old/":                             "https://www.shop.example/old/",
		"http://SHOP.example.:8080/old":                        "https://www.shop.example/new",
		"https://shop.example:8443/old":                        "https://www.shop.example:8443/new",
		"http://shop.example/blog/2026/a%20b?q=%2F":            "https://blog.example/2026/a%20b?q=%2F",
		"http://shop.example/blog/":                            "https://blog.example/",
		"http://shop.example/blog":                             "https://www.shop.example/blog",
		"http://shop.example/gone/for/good":                    "https://www.shop.example/",
		"http://shop.example/%C3%BCber":                        "https://www.shop.example/about",
		"http://old.example/x":                                 "http://www.shop.example/x",
		"http://old.example/a%2Fb":                             "http://www.shop.example/a%2Fb",
		"https://old.example/?":                                "https://www.shop.example/?",
		"https://www.blog.example/x":                           "https://blog.example/x",
		"https://www.shop.example/temp":                        "https://www.shop.example/sale",
		"https://www.shop.example/x":                           "",
		"http://www.shop.example/x":                            "",
		"https://blog.example/":                                "",
		"https://other.example/":                               "", // nobody's
		"http://10.0.0.1/":                                     "",
		"http://solo.example/.well-known/acme-challenge/token": "",
		"http://solo.example/.well-known/partywall-challenge":  "",
		"http://solo.example/.well-known/security.txt":         "https://solo.example/.well-known/security.txt",
		"http://solo.example/.well-known/acme-challenge":       "https://solo.example/.well-known/acme-challenge",
		"http://solo.example//evil.example/":                   "https://solo.example//evil.example/",
		"http://shop.example/blog//evil.example":               "https://www.shop.example/blog//evil.example",
		"http://shop.example/blog/%2e%2e/%2e%2e/evil":          "https://www.shop.example/blog/%2e%2e/%2e%2e/evil",
		"http://shop.example/blog/%5Cevil.example":             "https://blog.example/%5Cevil.example",
		"http://shop.example/blog/a%0D%0ASet-Cookie:%20x=y":    "https://blog.example/a%0D%0ASet-Cookie:%20x=y",
	} {
		status, got := get(h, from)
		if got != want || (want == "") != (status == http.StatusTeapot) {
			t.Errorf("%s leads to %q (%d), want %q", from, got, status, want)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	h := redirect.Handler(shop(), served())
	for address, want := range map[string]int{
		"https://www.shop.example/temp": http.StatusFound,
		"https://shop.example/old":      http.StatusPermanentRedirect,
		"http://solo.example/":          http.StatusPermanentRedirect,
	} {
		if got, _ := get(h, address); got != want {
			t.Errorf("%s: status %d, want %d", address, got, want)
		}
	}
	// What is no path is not led anywhere.
	star := func(r *http.Request) { r.Method, r.URL.Path = http.MethodOptions, "*" }
	if got, _ := get(h, "http://solo.example/", star); got != http.StatusTeapot {
		t.Errorf("OPTIONS * gives %d", got)
	}
	// Nor is a request with two hosts, which HTTP/2 can carry.
	two := func(r *http.Request) { r.Header["Host"] = []string{"old.example"} }
	if got, _ := get(h, "http://solo.example/", two); got != http.StatusTeapot {
		t.Errorf("two hosts give %d", got)
	}
}

// A query may hold bytes that are no part of a URL. None reaches the header.
func TestQueryIsEscaped(t *testing.T) {
	t.Parallel()
	raw := func(r *http.Request) { r.URL.RawQuery = "a=b#c\\\"<>`\x80ü\r\n" }
	_, got := get(redirect.Handler(shop(), served()), "http://solo.example/x", raw)
	if want := "https://solo.example/x?a=b%23c%5C%22%3C%3E%60%80%C3%BC%0D%0A"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A host that the tenant has lost is led to no more, whatever its rules say.
func TestLostHost(t *testing.T) {
	t.Parallel()
	sites := shop()
	for host, site := range sites {
		site.Hosts = []string{"shop.example", "old.example", "www.blog.example"}
		sites[host] = site
	}
	h := redirect.Handler(sites, served())
	for from, want := range map[string]string{
		"https://shop.example/blog/x":  "",
		"https://shop.example/":        "",
		"https://old.example/":         "",
		"https://www.blog.example/":    "",
		"https://shop.example/old":     "https://shop.example/new",
		"http://shop.example/blog/x":   "https://shop.example/blog/x",
		"https://shop.example/gone/of": "https://shop.example/",
	} {
		if _, got := get(h, from); got != want {
			t.Errorf("%s leads to %q, want %q", from, got, want)
		}
	}
}

func TestForwardedProto(t *testing.T) {
	t.Parallel()
	opts := &redirect.Options{TrustForwardedProto: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, HTTPSPort: 8443}
	trusting, err := redirect.New(shop(), served(), opts)
	if err != nil {
		t.Fatal(err)
	}
	from := func(peer string, protos ...string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr, r.Header["X-Forwarded-Proto"] = peer, protos }
	}
	const to = "https://solo.example:8443/"
	for name, c := range map[string]struct {
		h      http.Handler
		change func(*http.Request)
		want   string
	}{
		"a proxy that ends TLS":      {trusting, from("10.1.2.3:4", "https"), ""},
		"a mapped address of it":     {trusting, from("[::ffff:10.1.2.3]:4", "https"), ""},
		"a proxy's plain client":     {trusting, from("10.1.2.3:4", "http"), to},
		"a proxy that says it twice": {trusting, from("10.1.2.3:4", "https", "https"), to},
		"somebody else":              {trusting, from("192.0.2.1:4", "https"), to},
		"no option":                  {redirect.Handler(shop(), served()), from("10.1.2.3:4", "https"), "https://solo.example/"},
	} {
		if _, got := get(c.h, "http://solo.example/", c.change); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	// A proxy that says http of a client's connection is believed over its own TLS.
	both := func(r *http.Request) { from("10.1.2.3:4", "http")(r); r.TLS = &tls.ConnectionState{} }
	if _, got := get(trusting, "http://solo.example/", both); got != to {
		t.Errorf("got %q", got)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := redirect.New(nil, nil, &redirect.Options{TrustForwardedProto: make([]netip.Prefix, 1), HTTPSPort: 70000})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three mistakes", err)
	}
}
