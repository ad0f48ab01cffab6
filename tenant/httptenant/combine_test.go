package httptenant_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// said is a source that says what it is told to.
type said struct {
	source string
	key    tenant.Key
	err    error
}

func (s said) Resolve(*http.Request) (httptenant.Mention, error) {
	return httptenant.Mention{Source: s.source, Key: s.key}, s.err
}

// orders returns the sources in every order.
func orders(sources []httptenant.Resolver) [][]httptenant.Resolver {
	if len(sources) < 2 {
		return [][]httptenant.Resolver{sources}
	}
	var all [][]httptenant.Resolver
	for i, first := range sources {
		rest := slices.Concat(sources[:i], sources[i+1:])
		for _, tail := range orders(rest) {
			all = append(all, append([]httptenant.Resolver{first}, tail...))
		}
	}
	return all
}

func TestCombined(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	host := func(slug string) said { return said{source: "host", key: tenant.BySlug(slug)} }
	token := func(slug string) said { return said{source: "token", key: tenant.ByID(tenants.id(slug))} }
	broken := said{source: "path", err: httptenant.ErrMalformed}
	silent := said{}
	stranger := said{source: "key", key: tenant.ByID(tenant.NewID(tenants.Tenants[0].CreatedAt))}

	for name, c := range map[string]struct {
		sources    []httptenant.Resolver
		first, all int // the status of FirstOf and of AllAgree, in every order
	}{
		"one":                       {[]httptenant.Resolver{host("acme")}, 200, 200},
		"same kind, agree":          {[]httptenant.Resolver{host("acme"), host("acme")}, 200, 200},
		"other kind, agree":         {[]httptenant.Resolver{host("acme"), token("acme")}, 200, 200},
		"three agree":               {[]httptenant.Resolver{host("acme"), token("acme"), host("acme")}, 200, 200},
		"one is silent":             {[]httptenant.Resolver{host("acme"), silent}, 200, 403},
		"two agree, one is silent":  {[]httptenant.Resolver{host("acme"), token("acme"), silent}, 200, 403},
		"all are silent":            {[]httptenant.Resolver{silent, silent}, 404, 404},
		"same kind, differ":         {[]httptenant.Resolver{host("acme"), host("globex")}, 403, 403},
		"other kind, differ":        {[]httptenant.Resolver{host("acme"), token("globex")}, 403, 403},
		"IDs differ":                {[]httptenant.Resolver{token("acme"), token("globex")}, 403, 403},
		"third differs":             {[]httptenant.Resolver{host("acme"), token("acme"), host("globex")}, 403, 403},
		"third differs by ID":       {[]httptenant.Resolver{host("acme"), host("acme"), token("globex")}, 403, 403},
		"one names nobody":          {[]httptenant.Resolver{host("acme"), stranger}, 403, 403},
		"unknown slugs differ":      {[]httptenant.Resolver{host("acme"), host("nosuch")}, 403, 403},
		"unknown slug, known token": {[]httptenant.Resolver{host("nosuch"), token("acme")}, 403, 403},
		"both are unknown":          {[]httptenant.Resolver{host("nosuch"), host("nosuch")}, 404, 404},
		"one is broken":             {[]httptenant.Resolver{host("acme"), broken}, 400, 400},
		"suspended and disagreeing": {[]httptenant.Resolver{host("unpaid"), token("acme")}, 403, 403},
		"suspended and agreeing":    {[]httptenant.Resolver{host("unpaid"), token("unpaid")}, 402, 402},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, sources := range orders(c.sources) {
				first := newEdge(t, tenants, httptenant.FirstOf(sources...), nil).Wrap(http.HandlerFunc(whoami))
				want(t, get(first, "/"), c.first, "")
				all := newEdge(t, tenants, httptenant.AllAgree(sources...), nil).Wrap(http.HandlerFunc(whoami))
				want(t, get(all, "/"), c.all, "")
				nested := httptenant.FirstOf(append(sources[1:], httptenant.FirstOf(sources[0]))...)
				want(t, get(newEdge(t, tenants, nested, nil).Wrap(http.HandlerFunc(whoami)), "/"), c.first, "")
			}
		})
	}
}

// A disagreement must not get lost in a combination inside another, where the
// names that are compared first are the same.
func TestDisagreementInsideAgreement(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	host := said{source: "host", key: tenant.BySlug("acme")}
	token := said{source: "token", key: tenant.ByID(tenants.id("globex"))}
	inner := httptenant.FirstOf(host, token)
	for _, resolver := range []httptenant.Resolver{
		httptenant.FirstOf(host, inner), httptenant.FirstOf(inner, host), httptenant.AllAgree(host, inner, host),
		httptenant.FirstOf(inner, inner), httptenant.FirstOf(httptenant.FirstOf(host, inner), said{}),
	} {
		want(t, get(newEdge(t, tenants, resolver, nil).Wrap(http.HandlerFunc(whoami)), "/"), 403, "")
	}
}

func TestAllAgreeInsideFirstOf(t *testing.T) {
	t.Parallel()
	// A request comes either with host and path together, or with a token.
	resolver := httptenant.FirstOf(
		httptenant.AllAgree(httptenant.Subdomain("myapp.com"), httptenant.PathPrefix("/t/")),
		httptenant.Claim(tokenClaim),
	)
	h := newEdge(t, newCatalog(), resolver, nil).Wrap(http.HandlerFunc(whoami))
	want(t, get(h, "http://acme.myapp.com/t/acme/x"), 200, "acme /x")
	want(t, get(h, "http://api.example/x", with("Authorization", "token acme")), 200, "acme /x")
	want(t, get(h, "http://acme.myapp.com/x", with("Authorization", "token acme")), 403, "")
	want(t, get(h, "http://acme.myapp.com/t/acme/x", with("Authorization", "token globex")), 403, "")
	want(t, get(h, "http://acme.myapp.com/t/globex/x"), 403, "")
}

func TestMismatchText(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	sources := []httptenant.Resolver{
		said{source: "host", key: tenant.BySlug("acme")}, said{source: "token", key: tenant.BySlug("globex")},
	}
	_, err := httptenant.FirstOf(sources...).Resolve(&http.Request{})
	const want = `httptenant: host says "acme", token says "globex": refused`
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	var m *httptenant.MismatchError
	if !errors.As(err, &m) || m.Says != tenant.BySlug("acme") || m.OtherSays != tenant.BySlug("globex") {
		t.Errorf("error is %#v", err)
	}

	mention, err := httptenant.FirstOf(sources[0], said{source: "key", key: tenant.ByID(tenants.id("globex"))}).Resolve(&http.Request{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = mention.Find(t.Context(), tenants)
	if wantID := `host says "acme", key says ` + tenants.id("globex").String(); err == nil || !strings.Contains(err.Error(), wantID) {
		t.Errorf("error is %v, want %s", err, wantID)
	}
}

func TestCombinedMistakes(t *testing.T) {
	t.Parallel()
	for name, resolver := range map[string]httptenant.Resolver{
		"none":   httptenant.FirstOf(),
		"nil":    httptenant.AllAgree(httptenant.Subdomain("myapp.com"), nil),
		"nested": httptenant.FirstOf(httptenant.AllAgree(httptenant.Claim(nil))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := httptenant.Check(resolver, nil); !errors.Is(err, httptenant.ErrConfig) {
				t.Errorf("Check = %v, want ErrConfig", err)
			}
			if _, err := resolver.Resolve(&http.Request{}); !errors.Is(err, httptenant.ErrConfig) {
				t.Errorf("Resolve = %v, want ErrConfig", err)
			}
		})
	}
	// All mistakes are told at once.
	err := httptenant.Check(httptenant.FirstOf(httptenant.Claim(nil), httptenant.PathPrefix("t"), nil), nil)
	for _, mistake := range []string{"claim", `"t"`, "resolver is missing"} {
		if err == nil || !strings.Contains(err.Error(), mistake) {
			t.Errorf("error %v does not tell of %s", err, mistake)
		}
	}
}
