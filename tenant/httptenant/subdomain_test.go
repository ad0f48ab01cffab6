package httptenant_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

func TestSubdomain(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.Subdomain("MyApp.com", "www", "api"), nil).Wrap(http.HandlerFunc(whoami))
	for host, c := range map[string]struct {
		status int
		body   string
	}{
		"acme.myapp.com":           {200, "acme /orders"},
		"globex.myapp.com":         {200, "globex /orders"},
		"ACME.MYAPP.COM:8443":      {200, "acme /orders"},
		"acme.myapp.com.":          {200, "acme /orders"},
		"myapp.com":                {404, ""},
		"www.myapp.com":            {404, ""},
		"nosuch.myapp.com":         {404, ""},
		"acmemyapp.com":            {404, ""}, // the suffix starts with a dot
		"acme.myapp.com.evil.com":  {404, ""},
		"evil.com":                 {404, ""},
		"10.0.0.1:8080":            {404, ""},
		"[::1]":                    {404, ""},
		"a.acme.myapp.com":         {400, ""},
		"www.acme.myapp.com":       {400, ""},
		"acme.api.myapp.com":       {400, ""},
		"ac_me.myapp.com":          {400, ""},
		"acme.myapp.com..":         {400, ""},
		".myapp.com":               {400, ""},
		"":                         {400, ""},
		"xn--cme-5cd.myapp.com":    {400, ""}, // аcme with a Cyrillic а: no slug
		"acme.myapp.com:80@x":      {400, ""},
		"123.myapp.com":            {400, ""}, // no slug either
		"acme.myapp.com,evil.com":  {400, ""},
		"acme.myapp.com evil.com":  {400, ""},
		"acme%2emyapp.com":         {400, ""},
		"acme.myapp.com\u3002evil": {404, ""}, // the ideographic dot separates labels too
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			want(t, get(h, "/orders", func(r *http.Request) { r.Host = host }), c.status, c.body)
		})
	}
}

// A label of the host's own names nobody, so that another source may.
func TestSubdomainOfTheHostItself(t *testing.T) {
	t.Parallel()
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com", "api"), httptenant.Claim(tokenClaim))
	h := newEdge(t, newCatalog(), resolver, nil).Wrap(http.HandlerFunc(whoami))
	want(t, get(h, "http://api.myapp.com/", with("Authorization", "token acme")), 200, "acme /")
	want(t, get(h, "http://www.myapp.com/", with("Authorization", "token acme")), 403, "")
}

// An HTTP/2 request may carry a Host field beside :authority; net/http leaves
// it standing.
func TestHostFieldBesideAuthority(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(http.HandlerFunc(whoami))
	want(t, get(h, "http://acme.myapp.com/", with("Host", "ACME.myapp.com:443")), 200, "acme /")
	want(t, get(h, "http://acme.myapp.com/", with("Host", "globex.myapp.com")), 400, "")
	want(t, get(h, "http://acme.myapp.com/", with("Host", "acme.myapp.com"), with("Host", "globex.myapp.com")), 400, "")
}

func TestCustomDomain(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	resolver := httptenant.CustomDomain(func(_ context.Context, host string) (tenant.ID, error) {
		switch host {
		case "shop.acme.example":
			return tenants.id("acme"), nil
		case "xn--bcher-kva.example":
			return tenants.id("globex"), nil
		case "unproven.example":
			return tenant.ID{}, nil
		case "down.example":
			return tenant.ID{}, tenant.ErrUnavailable
		case "broken.example":
			return tenant.ID{}, errors.New("connection refused")
		}
		return tenant.ID{}, tenant.ErrNotFound
	})
	h := newEdge(t, tenants, resolver, nil).Wrap(http.HandlerFunc(whoami))
	for host, c := range map[string]struct {
		status int
		body   string
	}{
		"shop.acme.example":     {200, "acme /"},
		"SHOP.acme.example.:80": {200, "acme /"},
		"bücher.example":        {200, "globex /"},
		"unproven.example":      {404, ""},
		"unknown.example":       {404, ""},
		"127.0.0.1":             {404, ""},
		"down.example":          {503, ""},
		"broken.example":        {500, ""},
		"ac_me.example":         {400, ""},
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			want(t, get(h, "/", func(r *http.Request) { r.Host = host }), c.status, c.body)
		})
	}
}

func TestSubdomainBesideCustomDomain(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	owner := func(_ context.Context, host string) (tenant.ID, error) {
		switch host {
		case "shop.acme.example":
			return tenants.id("acme"), nil
		case "globex.myapp.com": // stolen, by a claim that nobody should have let through
			return tenants.id("acme"), nil
		}
		return tenant.ID{}, tenant.ErrNotFound
	}
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.CustomDomain(owner))
	h := newEdge(t, tenants, resolver, nil).Wrap(http.HandlerFunc(whoami))
	want(t, get(h, "http://acme.myapp.com/"), 200, "acme /")
	want(t, get(h, "http://shop.acme.example/"), 200, "acme /")
	want(t, get(h, "http://globex.myapp.com/"), 403, "")
}

func TestSubdomainMistakes(t *testing.T) {
	t.Parallel()
	err := httptenant.Check(httptenant.Subdomain("my_app.com:80", "WWW", "a.b"), nil)
	if !errors.Is(err, httptenant.ErrConfig) {
		t.Fatalf("Check = %v, want ErrConfig", err)
	}
	for _, mistake := range []string{`"my_app.com:80"`, `"WWW"`, `"a.b"`} {
		if !strings.Contains(err.Error(), mistake) {
			t.Errorf("error %q does not tell of %s", err, mistake)
		}
	}
}
