package httptenant_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// one is a look-up that costs nothing, so that what is measured is ours.
type one struct{ t *tenant.Tenant }

func (o one) Lookup(_ context.Context, key tenant.Key) (tenant.Tenant, error) {
	if !key.Matches(*o.t) {
		return tenant.Tenant{}, tenant.ErrNotFound
	}
	return *o.t, nil
}

// TestAllocations holds the middleware to the two allocations it needs: the
// tenant's context, and the request that carries it.
func TestAllocations(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts everybody's
	h, r := happyPath(t)
	w := httptest.NewRecorder()
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("%v allocations per request, want at most 2", n)
	}
	host := "acme.myapp.com:443"
	if n := testing.AllocsPerRun(100, func() { _, _ = httptenant.NormalizeHost(host) }); n > 0 {
		t.Errorf("NormalizeHost: %v allocations, want none", n)
	}
}

func BenchmarkSubdomain(b *testing.B) {
	h, r := happyPath(b)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func happyPath(tb testing.TB) (http.Handler, *http.Request) {
	tb.Helper()
	acme, err := newCatalog().Lookup(tb.Context(), tenant.BySlug("acme"))
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/orders", nil)
	r.Host = "acme.myapp.com:8443"
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return httptenant.Middleware(one{&acme}, httptenant.Subdomain("myapp.com", "www", "api"), nil)(nothing), r
}

// BenchmarkFirstOf is a host name and a token that agree, one by slug and one
// by ID.
func BenchmarkFirstOf(b *testing.B) {
	tenants := newCatalog()
	acme := tenants.Tenants[0]
	id := acme.ID.String()
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com"),
		httptenant.Claim(func(*http.Request) (string, error) { return id, nil }))
	_, r := happyPath(b)
	benchmark(b, httptenant.Middleware(one{&acme}, resolver, nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), r)
}

// BenchmarkSigned is a header that a gateway has signed.
func BenchmarkSigned(b *testing.B) {
	acme := newCatalog().Tenants[0]
	token, err := httptenant.Sign(testKey, "acme", time.Now().Add(time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	_, r := happyPath(b)
	r.Header.Set("X-Tenant", token)
	resolver := httptenant.Header("X-Tenant", httptenant.Signed(testKey))
	benchmark(b, httptenant.Middleware(one{&acme}, resolver, nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), r)
}

// BenchmarkRefused is the page for a host that nobody has.
func BenchmarkRefused(b *testing.B) {
	h, r := happyPath(b)
	r.Host = "nosuch.myapp.com"
	r.Header.Set("Accept", "text/html")
	benchmark(b, h, r)
}

func benchmark(b *testing.B, h http.Handler, r *http.Request) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(discard{http.Header{}}, r)
	}
}

// discard is a response writer that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
