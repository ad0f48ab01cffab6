package redirect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/partywall/partywall/tenant/domain/redirect"
)

// Rules come from the tenant as JSON. They are checked together with those of all
// its hosts before they are saved.
func ExampleCheck() {
	rules, err := redirect.Parse([]byte(`{"https": true, "www": "add", "paths": [{"from": "/shop/*", "to": "/store/*"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts := []string{"example.com", "www.example.com"}
	sites := []redirect.Site{{Host: "example.com", Hosts: hosts, Rules: rules}, {Host: "www.example.com", Hosts: hosts}}
	fmt.Println(redirect.Check(sites))

	sites[1].Rules = redirect.Rules{WWW: redirect.WWWDrop}
	var loop *redirect.LoopError
	fmt.Println(errors.As(redirect.Check(sites), &loop))
	// Output:
	// <nil>
	// true
}

// The handler stands in front of the one that resolves tenants.
func ExampleHandler() {
	sites := tenantOf("new.example", map[string]redirect.Rules{
		"old.example": {ToPrimary: true, HTTPS: true},
		"new.example": {HTTPS: true},
	})
	app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "hello") })
	w := httptest.NewRecorder()
	redirect.Handler(sites, app).ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://old.example/pricing?plan=pro", nil))
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 308 https://new.example/pricing?plan=pro
}
