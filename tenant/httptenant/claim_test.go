package httptenant_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

func TestClaim(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	for name, c := range map[string]struct {
		name   string
		err    error
		status int
		body   string
	}{
		"slug":               {"acme", nil, 200, "acme /"},
		"ID":                 {tenants.id("acme").String(), nil, 200, "acme /"},
		"absent":             {"", nil, 404, ""},
		"unknown":            {"nosuch", nil, 404, ""},
		"no slug":            {"acme'--", nil, 400, ""},
		"not verified":       {"acme", errors.New("bad signature"), 401, ""},
		"not found":          {"", tenant.ErrNotFound, 401, ""},
		"no tenant in token": {"", tenant.ErrNoTenant, 401, ""},
		"forged session":     {"", httptenant.ErrForged, 403, ""},
		"verifier is down":   {"", fmt.Errorf("keys: %w", tenant.ErrUnavailable), 503, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resolver := httptenant.Claim(func(*http.Request) (string, error) { return c.name, c.err })
			w := get(newEdge(t, tenants, resolver, nil).Wrap(http.HandlerFunc(whoami)), "/")
			want(t, w, c.status, c.body)
			if got := w.Header().Get("WWW-Authenticate"); (got != "") != (c.status == 401) {
				t.Errorf("WWW-Authenticate is %q with %d", got, c.status)
			}
			if got := w.Header().Values("Vary"); got[0] != "Authorization, Cookie" {
				t.Errorf("Vary is %q", got)
			}
		})
	}
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	resolver := httptenant.APIKey(func(_ context.Context, key string) (tenant.ID, error) {
		switch key {
		case "pk_acme":
			return tenants.id("acme"), nil
		case "ey.jwt.token":
			return tenant.ID{}, nil
		case "pk_down":
			return tenant.ID{}, tenant.ErrUnavailable
		}
		return tenant.ID{}, tenant.ErrNotFound
	})
	h := newEdge(t, tenants, resolver, nil).Wrap(http.HandlerFunc(whoami))
	for name, c := range map[string]struct {
		auth, own []string
		status    int
	}{
		"bearer":                 {[]string{"Bearer pk_acme"}, nil, 200},
		"scheme in lower case":   {[]string{"bearer  pk_acme"}, nil, 200},
		"own header":             {nil, []string{"pk_acme"}, 200},
		"both the same":          {[]string{"Bearer pk_acme"}, []string{"pk_acme"}, 200},
		"basic beside own":       {[]string{"Basic dTpw"}, []string{"pk_acme"}, 200},
		"none":                   {nil, nil, 404},
		"empty":                  {[]string{"Bearer "}, []string{""}, 404},
		"other kind of token":    {[]string{"Bearer ey.jwt.token"}, nil, 404},
		"basic":                  {[]string{"Basic pk_acme"}, nil, 404},
		"unknown":                {[]string{"Bearer pk_globex"}, nil, 401},
		"catalog is down":        {[]string{"Bearer pk_down"}, nil, 503},
		"two that differ":        {[]string{"Bearer pk_acme"}, []string{"pk_globex"}, 400},
		"two bearers":            {[]string{"Bearer pk_acme", "Bearer pk_acme"}, nil, 400},
		"two of our own":         {nil, []string{"pk_acme", "pk_globex"}, 400},
		"list":                   {[]string{"Bearer pk_acme, Bearer pk_globex"}, nil, 400},
		"too long":               {nil, []string{strings.Repeat("k", 513)}, 400},
		"not ASCII":              {nil, []string{"pk_äcme"}, 400},
		"space at the end":       {nil, []string{"pk_acme "}, 400},
		"control character":      {nil, []string{"pk_acme\x00"}, 400},
		"bearer with two spaces": {[]string{"Bearer pk acme"}, nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := get(h, "/", func(r *http.Request) {
				r.Header["Authorization"], r.Header["X-Api-Key"] = c.auth, c.own
			})
			want(t, w, c.status, "")
		})
	}
}

func TestMissingFunctions(t *testing.T) {
	t.Parallel()
	for name, resolver := range map[string]httptenant.Resolver{
		"claim": httptenant.Claim(nil), "key": httptenant.APIKey(nil), "domain": httptenant.CustomDomain(nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := httptenant.Check(resolver, nil); !errors.Is(err, httptenant.ErrConfig) {
				t.Errorf("Check = %v, want ErrConfig", err)
			}
			// A wrapper of the host's own may hide Check: then requests fail.
			if _, err := resolver.Resolve(&http.Request{}); !errors.Is(err, httptenant.ErrConfig) {
				t.Errorf("Resolve = %v, want ErrConfig", err)
			}
		})
	}
}
