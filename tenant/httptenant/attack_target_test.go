package httptenant_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant/httptenant"
)

// Requests whose target is no path, and hosts that are no names, sent as bytes:
// none of them is served as a tenant that it does not plainly name.
func TestAttack51OddTargets(t *testing.T) {
	t.Parallel()
	byHost := guard(t, httptenant.Subdomain("myapp.com"), nil)
	byPath := guard(t, httptenant.PathPrefix("/"), nil)
	long := strings.Repeat("a", 1<<16)
	for name, c := range map[string]struct {
		addr   string
		lines  []string
		status int
		body   string
	}{
		"OPTIONS *":                  {byHost, []string{"OPTIONS * HTTP/1.1", "Host: acme.myapp.com"}, 200, ""}, // by net/http itself
		"OPTIONS * by path":          {byPath, []string{"OPTIONS * HTTP/1.1", "Host: x"}, 200, ""},
		"GET *":                      {byHost, []string{"GET * HTTP/1.1", "Host: acme.myapp.com"}, 200, "acme *"}, // ServeMux refuses it
		"CONNECT":                    {byHost, []string{"CONNECT acme.myapp.com:443 HTTP/1.1", "Host: acme.myapp.com:443"}, 200, "acme "},
		"CONNECT elsewhere":          {byHost, []string{"CONNECT globex.myapp.com:443 HTTP/1.1", "Host: acme.myapp.com"}, 200, "globex "}, // the target counts
		"CONNECT by path":            {byPath, []string{"CONNECT acme:443 HTTP/1.1", "Host: acme"}, 404, ""},
		"absolute by path":           {byPath, []string{"GET http://x/acme/orders HTTP/1.1", "Host: x"}, 200, "acme /orders"},
		"absolute, encoded":          {byPath, []string{"GET http://x/%61cme/orders HTTP/1.1", "Host: x"}, 400, ""},
		"absolute, two slashes":      {byPath, []string{"GET http://x//acme HTTP/1.1", "Host: x"}, 400, ""},
		"two slashes":                {byPath, []string{"GET //acme/orders HTTP/1.1", "Host: x"}, 400, ""},
		"NUL in the host":            {byHost, []string{"GET / HTTP/1.1", "Host: acme\x00.myapp.com"}, 400, ""},
		"space in the host":          {byHost, []string{"GET / HTTP/1.1", "Host: acme.myapp.com x"}, 400, ""},
		"user info":                  {byHost, []string{"GET / HTTP/1.1", "Host: acme@globex.myapp.com"}, 400, ""},
		"long host":                  {byHost, []string{"GET / HTTP/1.1", "Host: " + long + ".myapp.com"}, 400, ""},
		"IPv6":                       {byHost, []string{"GET / HTTP/1.1", "Host: [::1]:80"}, 404, ""},
		"IPv6 with zone":             {byHost, []string{"GET / HTTP/1.1", "Host: [fe80::1%25eth0]"}, 404, ""},
		"folded header":              {byHost, []string{"GET / HTTP/1.1", "Host: acme.myapp.com", " .globex"}, 400, ""},
		"space before the colon":     {byHost, []string{"GET / HTTP/1.1", "Host : acme.myapp.com"}, 400, ""},
		"HTTP/1.0 with absolute":     {byHost, []string{"GET http://globex.myapp.com/ HTTP/1.0", "Host: acme.myapp.com"}, 200, "globex /"},
		"fragment in the target":     {byPath, []string{"GET /acme#/../globex HTTP/1.1", "Host: x"}, 400, ""},
		"backslash":                  {byPath, []string{`GET /acme\..\globex HTTP/1.1`, "Host: x"}, 400, ""},
		"semicolon":                  {byPath, []string{"GET /acme;x=y/orders HTTP/1.1", "Host: x"}, 400, ""},
		"encoded percent is no dots": {byPath, []string{"GET /acme/%252e%252e/globex HTTP/1.1", "Host: x"}, 200, "acme /%2e%2e/globex"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if status, body := send(t, c.addr, c.lines...); status != c.status || c.body != "" && body != c.body {
				t.Errorf("got %d %.100q, want %d %q", status, body, c.status, c.body)
			}
		})
	}
}

// HEAD is answered as GET is, without the body, and as alike for all names that
// have nothing to show.
func TestHeadTellsNothing(t *testing.T) {
	t.Parallel()
	addr := guard(t, httptenant.Subdomain("myapp.com"), nil)
	answer := func(method, slug string) string {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = slug + ".myapp.com"
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		resp.Header.Del("Date")
		return fmt.Sprint(resp.StatusCode, resp.ContentLength, resp.Header)
	}
	want := answer(http.MethodGet, "nosuch")
	for _, slug := range []string{"nosuch", "pending"} {
		if got := answer(http.MethodHead, slug); got != want {
			t.Errorf("HEAD of %s: %s, want %s", slug, got, want)
		}
	}
}

// A part of the host's that panics serves nobody: the panic goes on to
// net/http, past the handler.
func TestPanics(t *testing.T) {
	t.Parallel()
	served := false
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true })
	claim := httptenant.Claim(func(*http.Request) (string, error) { panic("no good") })
	for name, h := range map[string]http.Handler{
		"resolver": newEdge(t, newCatalog(), httptenant.FirstOf(httptenant.Subdomain("myapp.com"), claim), nil).Wrap(next),
		"look-up":  newEdge(t, (*catalog)(nil), httptenant.Subdomain("myapp.com"), nil).Wrap(next),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the panic was swallowed", name)
				}
			}()
			get(h, "http://acme.myapp.com/")
		}()
	}
	if served {
		t.Error("the handler was run")
	}
}
