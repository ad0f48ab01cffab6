package redirect_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant/domain/redirect"
)

// FuzzRedirect reads rules for two hosts of a tenant and a request, and follows
// it: it never leaves the tenant's hosts, and comes to an end if Check has passed.
func FuzzRedirect(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"https":true,"www":"add"}`, `{"www":"drop"}`, "/"},
		{`{"to_primary":true}`, `{"paths":[{"from":"/x/*","to":"a.example/*"}]}`, "/x/y?z"},
		{`{"paths":[{"from":"/*","to":"www.a.example/*"}]}`, `{"paths":[{"from":"/x/*","to":"/*"}]}`, "/x/x//x/%2e%2e/"},
		{`{"paths":[{"from":"/x/*","to":"/y/x/*"},{"from":"/y/*","to":"/*"}]}`, `{}`, "/x/x"},
		{`{"paths":[{"from":"/a","to":"/b"},{"from":"/b/*","to":"/a"}]}`, `{}`, "//evil.example/"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, first, second, target string) {
		one, err := redirect.Parse([]byte(first))
		two, err2 := redirect.Parse([]byte(second))
		u, err3 := url.ParseRequestURI(target)
		if err != nil || err2 != nil || err3 != nil || !strings.HasPrefix(target, "/") {
			return
		}
		u.Host, u.Scheme = "", ""
		sites := tenantOf("www.a.example", map[string]redirect.Rules{"a.example": one, "www.a.example": two})
		ends := redirect.Check(sites.list()) == nil
		handler := redirect.Handler(sites, served())
		host, secure, seen := "a.example", false, []string{}
		for hops := range 50 + len(u.Path) {
			if hops == 30 && !ends {
				return // it may well grow
			}
			r := &http.Request{Method: http.MethodGet, Host: host, URL: u, Header: http.Header{}}
			location, status, ok := sites[host].Target(r)
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); ends && !secure && w.Header().Get("Location") != location {
				t.Fatalf("the handler leads %s%s to %q, the site to %q", host, u, w.Header().Get("Location"), location)
			}
			if !ok {
				return
			}
			next := parsed(t, location)
			if !slices.Contains([]string{"a.example", "www.a.example"}, next.Host) || next.User != nil || next.RawQuery == "" && u.RawQuery != "" ||
				status < 301 || status > 308 || strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
				t.Fatalf("%s%s leads to %q, %d", host, u, location, status)
			}
			if ends && slices.Contains(seen, location) && next.Scheme == "https" && secure {
				t.Fatalf("%s%s comes to %q again", host, u, location)
			}
			seen = append(seen, location)
			host, secure = next.Host, next.Scheme == "https"
			if secure { // what a request for it would be
				for h, s := range sites {
					s.Rules.HTTPS = false
					sites[h] = s
				}
			}
			u = &url.URL{Path: next.Path, RawPath: next.RawPath, RawQuery: next.RawQuery}
		}
		if ends {
			t.Fatalf("does not end: %q", seen)
		}
	})
}
