package httptenant_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/internal/lookuptest"
)

func TestMiddlewareRefusesToServeMisconfigured(t *testing.T) {
	t.Parallel()
	var out logs
	served := false
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true })
	opts := &httptenant.Options{Logger: out.logger(), TrustForwardedHost: []netip.Prefix{{}}}
	h := httptenant.Middleware(nil, httptenant.PathPrefix("t"), opts)(next)
	for range 3 {
		want(t, get(h, "/"), 500, "")
	}
	if served {
		t.Error("the handler was run")
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("logged %d lines, want 1:\n%s", n, &out)
	}
	for _, mistake := range []string{"look-up of tenants is missing", "path prefix", "TrustForwardedHost"} {
		if !strings.Contains(out.String(), mistake) {
			t.Errorf("log does not tell of %q:\n%s", mistake, &out)
		}
	}
}

func TestMiddlewareServesWithoutOptions(t *testing.T) {
	t.Parallel()
	h := httptenant.Middleware(newCatalog(), httptenant.Subdomain("myapp.com"), nil)(http.HandlerFunc(whoami))
	want(t, get(h, "http://acme.myapp.com/"), 200, "acme /")
}

func TestWrapNothing(t *testing.T) {
	t.Parallel()
	want(t, get(newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(nil), "http://acme.myapp.com/"), 500, "")
}

// The context that a request comes with decides nothing, and must not
// disagree.
func TestIncomingContext(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	h := newEdge(t, tenants, httptenant.Subdomain("myapp.com"), nil).Wrap(http.HandlerFunc(whoami))
	in := func(slug string) func(*http.Request) {
		return func(r *http.Request) {
			found, err := tenants.Lookup(r.Context(), tenant.BySlug(slug))
			if err != nil {
				t.Error(err)
			}
			*r = *r.WithContext(tenant.NewContext(r.Context(), found))
		}
	}
	want(t, get(h, "http://acme.myapp.com/", in("acme")), 200, "acme /")
	want(t, get(h, "http://acme.myapp.com/", in("globex")), 403, "")
	want(t, get(h, "http://acme.myapp.com/", in("unpaid")), 403, "")
	want(t, get(h, "http://myapp.com/", in("acme")), 404, "")

	// Nested: the outer one by token, the inner one by host.
	outer := newEdge(t, tenants, httptenant.Claim(tokenClaim), nil).Wrap(h)
	want(t, get(outer, "http://acme.myapp.com/", with("Authorization", "token acme")), 200, "acme /")
	want(t, get(outer, "http://acme.myapp.com/", with("Authorization", "token globex")), 403, "")
}

// brokenLookup returns a tenant that is none.
type brokenLookup struct{}

func (brokenLookup) Lookup(context.Context, tenant.Key) (tenant.Tenant, error) {
	return tenant.Tenant{Slug: "acme", Status: tenant.Active}, nil
}

func TestLookupThatReturnsNobody(t *testing.T) {
	t.Parallel()
	h := newEdge(t, brokenLookup{}, httptenant.Subdomain("myapp.com"), nil).Wrap(http.HandlerFunc(whoami))
	want(t, get(h, "http://acme.myapp.com/"), 404, "")
}

func TestLookupFails(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		err    error
		ctx    context.Context
		status int
	}{
		"unavailable":              {tenant.ErrUnavailable, t.Context(), 503},
		"timed out":                {context.DeadlineExceeded, t.Context(), 503},
		"client gone":              {context.Canceled, gone, httptenant.StatusClientClosed},
		"somebody else's was gone": {context.Canceled, t.Context(), 503},
		"unknown error":            {errors.New("pq: password=hunter2"), t.Context(), 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out logs
			h := newEdge(t, &catalog{lookuptest.Catalog{Err: c.err}}, httptenant.Subdomain("myapp.com"), &httptenant.Options{Logger: out.logger()}).
				Wrap(http.HandlerFunc(whoami))
			w := get(h, "http://acme.myapp.com/", func(r *http.Request) { *r = *r.WithContext(c.ctx) })
			want(t, w, c.status, "")
			if (w.Header().Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("Retry-After is %q with %d", w.Header().Get("Retry-After"), c.status)
			}
			if strings.Contains(w.Body.String()+out.String(), "hunter2") {
				t.Errorf("the error got out: %s%s", w.Body, &out)
			}
		})
	}
}

func TestForwardedHost(t *testing.T) {
	t.Parallel()
	opts := &httptenant.Options{TrustForwardedHost: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), opts).Wrap(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { whoami(w, r); fmt.Fprint(w, " on ", r.Host) }))
	const proxy, stranger = "10.0.0.1:1", "192.0.2.1:1"
	for name, c := range map[string]struct {
		peer   string
		values []string
		status int
		body   string
	}{
		"proxy":           {proxy, []string{"Globex.myapp.com:443"}, 200, "globex / on globex.myapp.com"},
		"proxy, silent":   {proxy, nil, 200, "acme / on acme.myapp.com"},
		"proxy, empty":    {proxy, []string{""}, 400, ""},
		"proxy, twice":    {proxy, []string{"globex.myapp.com", "acme.myapp.com"}, 400, ""},
		"proxy, list":     {proxy, []string{"globex.myapp.com, acme.myapp.com"}, 400, ""},
		"proxy, broken":   {proxy, []string{"globex.myapp.com@evil.com"}, 400, ""},
		"stranger":        {stranger, []string{"globex.myapp.com"}, 200, "acme / on acme.myapp.com"},
		"stranger, twice": {stranger, []string{"globex.myapp.com", "x"}, 200, "acme / on acme.myapp.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := get(h, "http://acme.myapp.com/", from(c.peer), func(r *http.Request) { r.Header["X-Forwarded-Host"] = c.values })
			want(t, w, c.status, c.body)
			if got := w.Header().Get("Vary"); got != "X-Forwarded-Host" {
				t.Errorf("Vary is %q", got)
			}
		})
	}
	// A Host field that the proxy left standing belongs to its own hop.
	w := get(h, "http://acme.myapp.com/", from(proxy), with("X-Forwarded-Host", "globex.myapp.com"), with("Host", "acme.myapp.com"))
	want(t, w, 200, "globex / on globex.myapp.com")
	// Without the option nobody is believed.
	plain := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(http.HandlerFunc(whoami))
	want(t, get(plain, "http://acme.myapp.com/", from(proxy), with("X-Forwarded-Host", "globex.myapp.com")), 200, "acme /")
}

func TestLogsNothingThatClientsSent(t *testing.T) {
	t.Parallel()
	var out logs
	tenants := newCatalog()
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.Claim(tokenClaim),
		httptenant.Header("X-Tenant", httptenant.Signed(testKey)))
	h := newEdge(t, tenants, resolver, &httptenant.Options{Logger: out.logger()}).Wrap(http.HandlerFunc(whoami))
	get(h, "http://acme.myapp.com/secret-path?secret-query", with("Authorization", "token secret-claim"))
	get(h, "http://acme.myapp.com/", with("X-Tenant", "v1.secret-tenant.1.x"))
	get(h, "http://acme.myapp.com/", with("Authorization", "token forged"), with("Cookie", "secret-cookie"))
	get(h, "http://secret-host.myapp.com/")
	get(h, "http://secret..host/")
	get(h, "http://unpaid.myapp.com/")
	if strings.Contains(out.String(), "secret") || strings.Contains(out.String(), "myapp") {
		t.Errorf("the log holds what was sent:\n%s", &out)
	}
	if n := strings.Count(out.String(), "\n"); n != 6 {
		t.Errorf("%d lines for 6 refusals:\n%s", n, &out)
	}
	for _, line := range []string{
		"level=WARN msg=\"httptenant: request refused\" status=403 reason=\"httptenant: sources name different tenants\"",
		"level=WARN msg=\"httptenant: request refused\" status=403 reason=\"httptenant: forged or expired signature\"",
		"level=DEBUG msg=\"httptenant: request refused\" status=402 reason=\"tenant: suspended for payment\" tenant=" + tenants.id("unpaid").String(),
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("log lacks %s:\n%s", line, &out)
		}
	}
}
