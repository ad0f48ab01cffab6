package httptenant_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// serve is httptenant.Middleware around a handler that says what it sees.
func serve(resolver httptenant.Resolver) http.Handler {
	return httptenant.Middleware(newCatalog(), resolver, nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whoami(w, r)
		fmt.Fprintln(w)
	}))
}

func ExampleSubdomain() {
	h := serve(httptenant.Subdomain("myapp.com", "www"))
	show(h, "http://acme.myapp.com/orders")
	show(h, "http://ACME.myapp.com.:8080/orders")
	show(h, "http://www.myapp.com/orders")
	show(h, "http://x.acme.myapp.com/orders")
	// Output:
	// 200 acme /orders
	// 200 acme /orders
	// 404 There is nothing at this address.
	// 400 This request could not be understood.
}

func ExampleCustomDomain() {
	tenants := newCatalog()
	proven := map[string]tenant.ID{"shop.acme.example": tenants.id("acme")}
	owner := func(_ context.Context, host string) (tenant.ID, error) { return proven[host], nil }

	m, err := httptenant.CustomDomain(owner).Resolve(&http.Request{Host: "Shop.Acme.Example:443"})
	fmt.Println(m.Source, m.Key == tenant.ByID(tenants.id("acme")), err)
	// Output: host true <nil>
}

func ExamplePathPrefix() {
	h := serve(httptenant.PathPrefix("/t/"))
	show(h, "/t/acme/orders")
	show(h, "/t/acme/../globex/orders")
	show(h, "/t/acme%2Forders")
	// Output:
	// 200 acme /orders
	// 400 This request could not be understood.
	// 400 This request could not be understood.
}

func ExampleHeader() {
	proxies := httptenant.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8"))
	h := serve(httptenant.Header("X-Tenant", proxies))
	show(h, "/orders", with("X-Tenant", "acme"), from("10.0.0.7:51234"))
	show(h, "/orders", with("X-Tenant", "acme"), from("192.0.2.9:51234"))
	// Output:
	// 200 acme /orders
	// 403 This request was refused.
}

// The gateway signs, the service behind it verifies; who could reach the
// service otherwise gains nothing by that.
func ExampleSign() {
	key := []byte("0123456789abcdef0123456789abcdef") // from a secret store, 32 bytes at least
	token, err := httptenant.Sign(key, "acme", time.Now().Add(time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	h := serve(httptenant.Header("X-Tenant", httptenant.Signed(key)))
	show(h, "/orders", with("X-Tenant", token))
	show(h, "/orders", with("X-Tenant", "acme"))
	// Output:
	// 200 acme /orders
	// 403 This request was refused.
}

// A session is bound to its tenant: the cookie of one tenant does not work on
// the host of another.
func ExampleClaim_session() {
	sessions := map[string]string{"s1": "acme"} // made at sign-in, with the tenant in it
	session := httptenant.Claim(func(r *http.Request) (string, error) {
		c, err := r.Cookie("session")
		if err != nil {
			return "", nil //nolint:nilerr // no cookie, which is no error
		}
		return sessions[c.Value], nil
	})
	h := serve(httptenant.FirstOf(httptenant.Subdomain("myapp.com"), session))
	show(h, "http://acme.myapp.com/", with("Cookie", "session=s1"))
	show(h, "http://globex.myapp.com/", with("Cookie", "session=s1"))
	// Output:
	// 200 acme /
	// 403 This request was refused.
}

func ExampleAPIKey() {
	tenants := newCatalog()
	keys := map[string]tenant.ID{"pk_acme": tenants.id("acme")}
	byKey := httptenant.APIKey(func(_ context.Context, key string) (tenant.ID, error) {
		id, ok := keys[key]
		if !ok {
			return tenant.ID{}, tenant.ErrNotFound
		}
		return id, nil
	})
	h := httptenant.Middleware(tenants, byKey, nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whoami(w, r)
		fmt.Fprintln(w)
	}))
	show(h, "/orders", with("Authorization", "Bearer pk_acme"))
	show(h, "/orders", with("Authorization", "Bearer pk_guess"))
	// Output:
	// 200 acme /orders
	// 401 These credentials were not accepted.
}

func ExampleFirstOf() {
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.Claim(tokenClaim))
	h := serve(resolver)
	show(h, "http://acme.myapp.com/")
	show(h, "http://myapp.com/", with("Authorization", "token acme"))
	show(h, "http://acme.myapp.com/", with("Authorization", "token globex"))

	_, err := resolver.Resolve(&http.Request{Host: "acme.myapp.com", Header: http.Header{"Authorization": {"token globex"}}})
	fmt.Println(err)
	// Output:
	// 200 acme /
	// 200 acme /
	// 403 This request was refused.
	// httptenant: host says "acme", token says "globex": refused
}

func ExampleAllAgree() {
	h := serve(httptenant.AllAgree(httptenant.Subdomain("myapp.com"), httptenant.Claim(tokenClaim)))
	show(h, "http://acme.myapp.com/", with("Authorization", "token acme"))
	show(h, "http://acme.myapp.com/")
	// Output:
	// 200 acme /
	// 403 This request was refused.
}

func ExampleNormalizeHost() {
	for _, host := range []string{"Acme.MyApp.com.:8080", "bücher.example", "acme@globex.myapp.com"} {
		fmt.Println(httptenant.NormalizeHost(host))
	}
	// Output:
	// acme.myapp.com <nil>
	// xn--bcher-kva.example <nil>
	//  httptenant: malformed request: host has a character that host names do not have
}
