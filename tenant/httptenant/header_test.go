package httptenant_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

func TestHeaderFromTrustedProxies(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	proxies := httptenant.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"))
	h := newEdge(t, tenants, httptenant.Header("x-tenant", proxies), nil).Wrap(http.HandlerFunc(whoami))
	const proxy, stranger = "10.1.2.3:4444", "192.0.2.1:4444"
	for name, c := range map[string]struct {
		peer   string
		values []string
		more   func(*http.Request)
		status int
		body   string
	}{
		"slug":                     {proxy, []string{"acme"}, nil, 200, "acme /"},
		"ID":                       {proxy, []string{tenants.id("acme").String()}, nil, 200, "acme /"},
		"IPv6 proxy":               {"[2001:db8::1]:1", []string{"acme"}, nil, 200, "acme /"},
		"dual-stack proxy":         {"[::ffff:10.0.0.1]:1", []string{"acme"}, nil, 200, "acme /"},
		"unknown":                  {proxy, []string{"nosuch"}, nil, 404, ""},
		"absent":                   {proxy, nil, nil, 404, ""},
		"empty":                    {proxy, []string{""}, nil, 404, ""},
		"empty, stranger":          {stranger, []string{""}, nil, 404, ""},
		"stranger":                 {stranger, []string{"acme"}, nil, 403, ""},
		"stranger, unknown tenant": {stranger, []string{"nosuch"}, nil, 403, ""},
		"stranger as proxy":        {stranger, []string{"acme"}, with("X-Forwarded-For", "10.1.2.3"), 403, ""},
		"stranger by X-Real-IP":    {stranger, []string{"acme"}, with("X-Real-Ip", "10.1.2.3"), 403, ""},
		"Unix socket":              {"@", []string{"acme"}, nil, 403, ""},
		"no address":               {"", []string{"acme"}, nil, 403, ""},
		"twice":                    {proxy, []string{"acme", "globex"}, nil, 400, ""},
		"twice the same":           {proxy, []string{"acme", "acme"}, nil, 400, ""},
		"empty, then one":          {proxy, []string{"", "globex"}, nil, 400, ""},
		"list":                     {proxy, []string{"acme, globex"}, nil, 400, ""},
		"no slug":                  {proxy, []string{"../acme"}, nil, 400, ""},
		"other spelling":           {proxy, []string{"ACME"}, nil, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := get(h, "/", from(c.peer), func(r *http.Request) {
				r.Header["X-Tenant"] = c.values
				if c.more != nil {
					c.more(r)
				}
			})
			want(t, w, c.status, c.body)
			if !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "X-Tenant") {
				t.Errorf("Vary is %q, want X-Tenant in it", w.Header().Values("Vary"))
			}
		})
	}
}

func TestSignedHeader(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	older := bytes.Repeat([]byte("o"), 32)
	h := newEdge(t, tenants, httptenant.Header("X-Tenant", httptenant.Signed(testKey, older)), nil).Wrap(http.HandlerFunc(whoami))
	sign := func(key []byte, name string, until time.Duration) string {
		token, err := httptenant.Sign(key, name, time.Now().Add(until))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	acme := sign(testKey, "acme", time.Hour)
	for name, c := range map[string]struct {
		value  string
		status int
		body   string
	}{
		"valid":        {acme, 200, "acme /"},
		"older key":    {sign(older, "globex", time.Hour), 200, "globex /"},
		"ID":           {sign(testKey, tenants.id("acme").String(), time.Hour), 200, "acme /"},
		"unknown":      {sign(testKey, "nosuch", time.Hour), 404, ""},
		"expired":      {sign(testKey, "acme", -time.Hour), 403, ""},
		"other key":    {sign(bytes.Repeat([]byte("x"), 32), "acme", time.Hour), 403, ""},
		"other tenant": {strings.Replace(acme, "acme", "globex", 1), 403, ""},
		"bare slug":    {"acme", 403, ""},
		"list":         {acme + "," + acme, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A forged proxy address changes nothing either way.
			want(t, get(h, "/", with("X-Tenant", c.value), from("10.0.0.1:1")), c.status, c.body)
		})
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	if _, err := httptenant.Sign(testKey, "Not A Slug", time.Now()); !errors.Is(err, httptenant.ErrMalformed) {
		t.Errorf("Sign = %v, want ErrMalformed", err)
	}
	if _, err := httptenant.Sign(testKey[1:], "acme", time.Now()); !errors.Is(err, httptenant.ErrConfig) {
		t.Errorf("Sign = %v, want ErrConfig", err)
	}
}

// certificate is a Trust of the host's own.
type certificate struct{ err error }

func (c certificate) Verify(_ *http.Request, value string) (string, error) { return value, c.err }

func TestOwnTrust(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"believes":    {nil, 200},
		"does not":    {errors.New("no client certificate"), 403},
		"cannot tell": {tenant.ErrUnavailable, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newEdge(t, newCatalog(), httptenant.Header("X-Tenant", certificate{c.err}), nil).Wrap(http.HandlerFunc(whoami))
			want(t, get(h, "/", with("X-Tenant", "acme")), c.status, "")
		})
	}
}

func TestHeaderMistakes(t *testing.T) {
	t.Parallel()
	one := netip.MustParsePrefix("10.0.0.0/8")
	for name, c := range map[string]struct {
		resolver httptenant.Resolver
		want     string
	}{
		"no name":       {httptenant.Header("", httptenant.TrustedProxies(one)), "name is missing"},
		"bad name":      {httptenant.Header("X Tenant", httptenant.TrustedProxies(one)), "not the name of a header"},
		"underscore":    {httptenant.Header("X_Tenant", httptenant.TrustedProxies(one)), "not the name of a header"},
		"taken name":    {httptenant.Header("x-forwarded-host", httptenant.TrustedProxies(one)), "meaning of its own"},
		"no trust":      {httptenant.Header("X-Tenant", nil), "trust is missing"},
		"no proxies":    {httptenant.Header("X-Tenant", httptenant.TrustedProxies()), "no trusted networks"},
		"everybody":     {httptenant.Header("X-Tenant", httptenant.TrustedProxies(netip.MustParsePrefix("0.0.0.0/0"))), "every address"},
		"invalid":       {httptenant.Header("X-Tenant", httptenant.TrustedProxies(netip.Prefix{})), "not valid"},
		"no key":        {httptenant.Header("X-Tenant", httptenant.Signed()), "no key"},
		"short key":     {httptenant.Header("X-Tenant", httptenant.Signed(testKey, []byte("secret"))), "6 bytes"},
		"short and bad": {httptenant.Header("X Tenant", httptenant.Signed([]byte("secret"))), "6 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := httptenant.Check(c.resolver, nil)
			if !errors.Is(err, httptenant.ErrConfig) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Check = %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q holds the key", err)
			}
		})
	}
}

// FuzzHeaderToken checks that a signed header names a tenant only as Sign made
// it, whatever else is sent.
func FuzzHeaderToken(f *testing.F) {
	token, err := httptenant.Sign(testKey, "acme", time.Unix(1<<40, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("v1.acme.1099511627776.")
	f.Add(strings.Replace(token, "acme", "globex", 1))
	f.Add(token + "=")
	resolver := httptenant.Header("X-Tenant", httptenant.Signed(testKey))
	f.Fuzz(func(t *testing.T, value string) {
		m, err := resolver.Resolve(&http.Request{Header: http.Header{"X-Tenant": {value}}})
		switch {
		case value == "":
			if m.Present() || err != nil {
				t.Fatalf("an empty header names %v, %v", m, err)
			}
		case value == token:
			if m.Key != tenant.BySlug("acme") || err != nil {
				t.Fatalf("the token names %v, %v", m, err)
			}
		case m.Present() || httptenant.StatusOf(err) != http.StatusForbidden:
			t.Fatalf("%q names %v, %v", value, m, err)
		}
	})
}
