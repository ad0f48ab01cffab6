package redirect_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/partywall/partywall/tenant/domain/redirect"
)

// tenantSites are the sites of one tenant, as the directory would give them.
type tenantSites map[string]redirect.Site

func (s tenantSites) Site(host string) (redirect.Site, bool) {
	site, ok := s[host]
	return site, ok
}

// list returns the sites in a steady order, for Check.
func (s tenantSites) list() []redirect.Site {
	var all []redirect.Site
	for _, site := range s {
		all = append(all, site)
	}
	slices.SortFunc(all, func(a, b redirect.Site) int {
		if a.Host < b.Host {
			return -1
		}
		return 1
	})
	return all
}

// tenantOf makes the sites of a tenant from the rules of its hosts.
func tenantOf(primary string, rules map[string]redirect.Rules) tenantSites {
	var hosts []string
	for host := range rules {
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	sites := tenantSites{}
	for host, r := range rules {
		sites[host] = redirect.Site{Host: host, Primary: primary, Hosts: hosts, Rules: r}
	}
	return sites
}

// paths makes rules of pairs.
func paths(pairs ...string) redirect.Rules {
	var r redirect.Rules
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Paths = append(r.Paths, redirect.PathRule{From: pairs[i], To: pairs[i+1]})
	}
	return r
}

// get asks a handler for a URL, and returns status and Location.
func get(h http.Handler, address string, change ...func(*http.Request)) (int, string) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Location")
}

// served answers whatever is not redirected.
func served() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
