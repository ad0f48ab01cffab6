package httptenant_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

func TestPathPrefix(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.PathPrefix("/t/"), nil).Wrap(http.HandlerFunc(whoami))
	for target, c := range map[string]struct {
		status int
		body   string
	}{
		"/t/acme/orders":                {200, "acme /orders"},
		"/t/acme/":                      {200, "acme /"},
		"/t/acme":                       {200, "acme /"},
		"/t/acme/a%20b":                 {200, "acme /a b"},
		"/t/acme/t/globex":              {200, "acme /t/globex"},
		"/t/acme?to=/t/globex":          {200, "acme /"},
		"/t/":                           {404, ""},
		"/t":                            {404, ""},
		"/":                             {404, ""},
		"/T/acme/":                      {404, ""},
		"/tt/acme/":                     {404, ""},
		"/t/nosuch/":                    {404, ""},
		"/other//x":                     {404, ""},
		"/t/ACME/":                      {400, ""}, // one spelling
		"/t/acme%2Forders":              {400, ""},
		"/t/acme%2forders":              {400, ""},
		"/t/acme%5Corders":              {400, ""},
		"/t/acme%00/":                   {400, ""},
		"/t%2Facme/orders":              {400, ""},
		"/%74/acme/":                    {400, ""},
		"/t/%61cme/":                    {400, ""},
		"/t/acme%2F..%2Fglobex/":        {400, ""},
		"/t/acme/../globex/":            {400, ""},
		"/t/acme/%2e%2e/globex/":        {400, ""},
		"/t/acme/x/..%2f..%2fglobex/":   {400, ""},
		"/t/acme//globex":               {400, ""},
		"/t//acme/":                     {400, ""},
		"//t/acme/":                     {400, ""},
		"/./t/acme/":                    {400, ""},
		"/x/../t/acme/":                 {400, ""},
		"/t/acme/.":                     {400, ""},
		"/t/acme/..":                    {400, ""},
		"/t/../t/acme/":                 {400, ""},
		"/t/.":                          {400, ""},
		"/t/01976a3e-5f00-7000-8000-00": {404, ""}, // a slug, if an odd one
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			want(t, get(h, target), c.status, c.body)
		})
	}
}

// The resolver refuses by itself what the Edge would refuse again when it
// strips the prefix: a host may combine resolvers in its own way.
func TestPathPrefixRefusesEncodingByItself(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"/t/acme%2Forders", "/t%2Facme/orders", "/t/%61cme/", `/t/acme%2Forders"`, "/t/acme%2F "} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		m, err := httptenant.PathPrefix("/t/").Resolve(&http.Request{URL: u})
		if m.Present() || !errors.Is(err, httptenant.ErrMalformed) {
			t.Errorf("%s names %v, %v", raw, m, err)
		}
	}
}

// The handler must find the path as it was sent, less the prefix: a router
// matches on the escaped form.
func TestPathPrefixKeepsEscapes(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.PathValue("name"), " ", r.URL.EscapedPath())
	})
	h := newEdge(t, newCatalog(), httptenant.PathPrefix("/t/"), nil).Wrap(mux)
	want(t, get(h, "/t/acme/files/a%2Fb"), 200, "a/b /files/a%2Fb")
	want(t, get(h, "/t/acme/files/a%20b"), 200, "a b /files/a%20b")
}

func TestPathPrefixLeavesTheRequestAlone(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.PathPrefix("/t/"), nil).Wrap(http.HandlerFunc(whoami))
	var sent *http.Request
	want(t, get(h, "/t/acme/orders", func(r *http.Request) { sent = r }), 200, "acme /orders")
	if sent.URL.Path != "/t/acme/orders" {
		t.Errorf("the caller's request has the path %q now", sent.URL.Path)
	}
}

func TestPathPrefixMistakes(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "t", "/t", "t/", "/t//", "/../", "//", "/a b/", "/ü/", "/%74/"} {
		if err := httptenant.Check(httptenant.PathPrefix(prefix), nil); err == nil {
			t.Errorf("PathPrefix(%q) was taken", prefix)
		}
	}
	for _, prefix := range []string{"/", "/t/", "/api/v1/tenants/"} {
		if err := httptenant.Check(httptenant.PathPrefix(prefix), nil); err != nil {
			t.Errorf("PathPrefix(%q): %v", prefix, err)
		}
	}
}

// FuzzPathPrefix checks that a path names a tenant only where every reader
// finds the same one, and that the handler gets what is left of it.
func FuzzPathPrefix(f *testing.F) {
	for _, target := range []string{
		"/t/acme/orders?x=/t/globex", "/t/acme", "/t/acme/", "/t/acme/a%2Fb", "/t/acme%2Forders", "/t/%61cme/", "/t/acme/../globex",
		"/t/acme/%2e%2e/globex", "//t/acme", "/t/acme/x//y", "/t%2facme", "*", "http://x/t/acme/", "/t/acme/%zz", "/t/acme/\\..",
	} {
		f.Add(target)
	}
	resolver := httptenant.PathPrefix("/t/")
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return // net/http refuses it before us
		}
		m, err := resolver.Resolve(&http.Request{URL: u})
		if err != nil {
			if m.Present() || !errors.Is(err, httptenant.ErrMalformed) {
				t.Fatalf("%q: %v, %v", target, m, err)
			}
			return
		}
		slug, ok := m.Key.Slug()
		if !m.Present() {
			if again := path.Clean(u.Path); strings.HasPrefix(again, "/t/") {
				t.Fatalf("%q names nobody, and %q to who cleans it", target, again)
			}
			return
		}
		rest, plain := strings.CutPrefix(u.EscapedPath(), "/t/"+slug)
		if !ok || tenant.ValidateSlug(slug) != nil || m.Prefix != "/t/"+slug || !plain || path.Clean(u.Path)+"/" != u.Path &&
			path.Clean(u.Path) != u.Path {
			t.Fatalf("%q names %v with the prefix %q", target, m.Key, m.Prefix)
		}
		e, err := httptenant.New(someone{slug}, resolver, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{URL: u, Method: http.MethodGet}
		e.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := r.URL.EscapedPath(); got != rest && (rest != "" || got != "/") || r.URL.RawQuery != u.RawQuery {
				t.Fatalf("of %q the handler sees %q, want %q", target, got, rest)
			}
			u = nil
		})).ServeHTTP(httptest.NewRecorder(), r)
		if u != nil {
			t.Fatalf("%q was not served", target)
		}
	})
}

// someone is the look-up of a catalog with one tenant.
type someone struct{ slug string }

func (s someone) Lookup(_ context.Context, key tenant.Key) (tenant.Tenant, error) {
	t := tenant.Tenant{ID: tenant.NewID(time.UnixMilli(1)), Number: 1, Slug: s.slug, Status: tenant.Active}
	if !key.Matches(t) {
		return tenant.Tenant{}, tenant.ErrNotFound
	}
	return t, nil
}
