package httptenant_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/internal/lookuptest"
)

// routes is a host's router: one plain route, one that serves tenants that are
// not active, one public.
func routes() *http.ServeMux {
	who := http.HandlerFunc(whoami)
	mux := http.NewServeMux()
	mux.Handle("/", who)
	mux.Handle("GET /orders", who)
	mux.Handle("GET /pay", httptenant.Serve(who, tenant.Suspended, tenant.Maintenance, tenant.Archived,
		tenant.Deleting, tenant.Pending, tenant.Deleted))
	mux.Handle("GET /pay/{bill}", httptenant.Serve(who, tenant.Suspended))
	mux.Handle("GET /healthz", httptenant.Public(who))
	mux.Handle("GET myapp.com/{$}", httptenant.Public(who))
	return mux
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(routes())
	for slug, c := range map[string]struct {
		plain, serve int
		retry        string
	}{
		"acme":        {200, 200, ""},
		"nosuch":      {404, 404, ""},
		"pending":     {404, 404, ""}, // whatever the route says
		"unpaid":      {402, 200, ""},
		"suspended":   {403, 200, ""},
		"maintenance": {503, 200, "5"},
		"archived":    {403, 200, ""},
		"deleting":    {410, 200, ""},
		"deleted":     {410, 410, ""},
	} {
		t.Run(slug, func(t *testing.T) {
			t.Parallel()
			w := get(h, "http://"+slug+".myapp.com/orders")
			want(t, w, c.plain, "")
			if got := w.Header().Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After is %q, want %q", got, c.retry)
			}
			if w.Code != 200 && w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control is %q", w.Header().Get("Cache-Control"))
			}
			w = get(h, "http://"+slug+".myapp.com/pay")
			want(t, w, c.serve, "")
			if w.Code == 200 && w.Body.String() != slug+" /pay" {
				t.Errorf("the handler sees %q", w.Body)
			}
			want(t, get(h, "http://"+slug+".myapp.com/healthz"), 200, "nobody /healthz")
		})
	}
}

func TestServeOnlyWhatIsListed(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(routes())
	want(t, get(h, "http://unpaid.myapp.com/pay/7"), 200, "unpaid /pay/7")
	want(t, get(h, "http://archived.myapp.com/pay/7"), 403, "")
	want(t, get(h, "http://unpaid.myapp.com/pay/7/x"), 402, "")
	want(t, get(h, "http://unpaid.myapp.com/pay", func(r *http.Request) { r.Method = http.MethodPost }), 402, "")
}

func TestPublicRoutes(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.Claim(tokenClaim))
	h := newEdge(t, tenants, resolver, nil).Wrap(routes())
	for _, target := range []string{
		"http://myapp.com/healthz", "http://acme.myapp.com/healthz", "http://nosuch.myapp.com/healthz",
		"http://10.0.0.1:8080/healthz", "http://a.b.myapp.com/healthz", "http://other.example/healthz",
	} {
		want(t, get(h, target), 200, "nobody /healthz")
		want(t, get(h, target, with("Authorization", "token globex")), 200, "nobody /healthz")
	}
	want(t, get(h, "http://myapp.com/"), 200, "nobody /")
	want(t, get(h, "http://myapp.com/orders"), 404, "")

	// A catalog that is down does not take the health check down.
	down := newEdge(t, &catalog{lookuptest.Catalog{Err: tenant.ErrUnavailable}}, resolver, nil).Wrap(routes())
	want(t, get(down, "http://acme.myapp.com/healthz"), 200, "nobody /healthz")
	want(t, get(down, "http://acme.myapp.com/orders"), 503, "")
}

// Paths that a prefix comparison takes for the opted-in route, or a router for
// another one.
func uncleanPaths(route string) []string {
	return []string{
		"/" + route, route + "/../orders", "/x/.." + route, "/." + route, route + "//", route + "/.", route + "/%2e%2e/orders",
		route + "%2F..%2Forders", route + "%2f", "/orders/.." + route, strings.Replace(route, "p", "%70", 1) + "/../orders",
	}
}

func TestOptInCannotBeFooledByThePath(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	subdomain := httptenant.Subdomain("myapp.com")
	t.Run("routes", func(t *testing.T) {
		t.Parallel()
		h := newEdge(t, tenants, subdomain, nil).Wrap(routes())
		for _, target := range uncleanPaths("/pay") {
			if w := get(h, target, func(r *http.Request) { r.Host = "unpaid.myapp.com" }); w.Code != 402 &&
				(w.Code != 200 || !strings.HasPrefix(w.Body.String(), "unpaid /pay/")) { // one segment to the router: /pay/{bill}
				t.Errorf("%s: %d %q", target, w.Code, w.Body)
			}
		}
	})
	naive := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/pay") }
	fooled := 0
	for _, target := range uncleanPaths("/pay") {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err == nil && naive(r) {
			fooled++ // the control: the prefix alone would have let it in
		}
		opts := &httptenant.Options{
			Admit:  func(r *http.Request, _ tenant.Tenant) bool { return naive(r) },
			Public: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/pub") },
		}
		h := newEdge(t, tenants, subdomain, opts).Wrap(http.HandlerFunc(whoami))
		want(t, get(h, target, func(r *http.Request) { r.Host = "unpaid.myapp.com" }), 402, "")
	}
	if fooled < 5 {
		t.Errorf("only %d paths would have fooled a prefix comparison", fooled)
	}
	opts := &httptenant.Options{Public: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/pub") }}
	h := newEdge(t, tenants, subdomain, opts).Wrap(http.HandlerFunc(whoami))
	for _, target := range uncleanPaths("/pub") {
		want(t, get(h, target, func(r *http.Request) { r.Host = "myapp.com" }), 404, "")
	}
	want(t, get(h, "http://myapp.com/pub"), 200, "nobody /pub")
	want(t, get(h, "http://acme.myapp.com/pub"), 200, "nobody /pub")
}

func TestAdmitOption(t *testing.T) {
	t.Parallel()
	asked := map[tenant.Status]bool{}
	opts := &httptenant.Options{Admit: func(r *http.Request, of tenant.Tenant) bool {
		asked[of.Status] = true
		return r.URL.Path == "/pay"
	}}
	h := newEdge(t, newCatalog(), httptenant.PathPrefix("/t/"), opts).Wrap(http.HandlerFunc(whoami))
	want(t, get(h, "/t/unpaid/pay"), 200, "unpaid /pay")
	want(t, get(h, "/t/unpaid/orders"), 402, "")
	want(t, get(h, "/t/acme/pay"), 200, "acme /pay")
	want(t, get(h, "/t/pending/pay"), 404, "")
	want(t, get(h, "/t/deleted/pay"), 410, "")
	if len(asked) != 1 || !asked[tenant.Suspended] {
		t.Errorf("Admit was asked about %v", asked)
	}
}

// What the router says and what runs may differ where the host puts something
// between; then no data may be reached.
func TestServeWhenAnotherRouteRuns(t *testing.T) {
	t.Parallel()
	mux := routes()
	between := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/orders"
		mux.ServeHTTP(w, r)
	})
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), &httptenant.Options{Routes: mux}).Wrap(between)
	want(t, get(h, "http://unpaid.myapp.com/pay"), 200, "nobody /orders")
	want(t, get(h, "http://acme.myapp.com/pay"), 200, "acme /orders")
}

func TestRoutesThatAreHidden(t *testing.T) {
	t.Parallel()
	who := http.HandlerFunc(whoami)
	wrapped := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
	}
	inner := http.NewServeMux()
	inner.Handle("GET /in/pay", httptenant.Serve(who, tenant.Suspended))
	mux := http.NewServeMux()
	mux.Handle("/in/", inner)
	mux.Handle("GET /pay", wrapped(httptenant.Serve(who, tenant.Suspended)))
	mux.Handle("GET /healthz", wrapped(httptenant.Public(who)))
	tenants := newCatalog()
	h := newEdge(t, tenants, httptenant.Subdomain("myapp.com"), nil).Wrap(mux)
	want(t, get(h, "http://unpaid.myapp.com/in/pay"), 200, "unpaid /in/pay") // a router in a router is found
	want(t, get(h, "http://unpaid.myapp.com/pay"), 402, "")                  // a mark under a wrapper is not
	want(t, get(h, "http://myapp.com/healthz"), 404, "")
	behind := newEdge(t, tenants, httptenant.Subdomain("myapp.com"), nil).Wrap(wrapped(mux))
	want(t, get(behind, "http://unpaid.myapp.com/in/pay"), 402, "")

	// Without an Edge in front, the marks open nothing.
	want(t, get(httptenant.Serve(who, tenant.Suspended), "/pay"), 200, "nobody /pay")
}

// selfish is a router that never comes to an end.
type selfish struct{}

func (selfish) ServeHTTP(w http.ResponseWriter, r *http.Request) { whoami(w, r) }

func (s selfish) Handler(*http.Request) (http.Handler, string) { return s, "" }

func TestRouterThatReturnsItself(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(selfish{})
	want(t, get(h, "http://unpaid.myapp.com/"), 402, "")
}

// A public route under a prefix answers alike whatever stands there, so that
// it does not tell which names are taken; with the catalog down too.
func TestPublicUnderPrefixTellsNothing(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	h := newEdge(t, tenants, httptenant.PathPrefix("/t/"), nil).Wrap(routes())
	down := newEdge(t, &catalog{lookuptest.Catalog{Err: tenant.ErrUnavailable}}, httptenant.PathPrefix("/t/"), nil).Wrap(routes())
	for _, of := range append(tenants.Tenants, tenant.Tenant{Slug: "nosuch"}) {
		want(t, get(h, "/t/"+of.Slug+"/healthz"), 200, "nobody /healthz")
		want(t, get(down, "/t/"+of.Slug+"/healthz"), 200, "nobody /healthz")
	}
	want(t, get(h, "/healthz"), 200, "nobody /healthz")
	want(t, get(h, "/t/No%20Slug/healthz"), 400, "")
}
