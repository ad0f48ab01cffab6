package httptenant_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// The whole of it: a router that knows nothing of tenants, and one line that
// gives every request its own.
func ExampleMiddleware() {
	tenants := newCatalog() // stands for a *tenant.Registry

	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		t, err := tenant.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s, %v\n", t.Slug, err)
	})
	h := httptenant.Middleware(tenants, httptenant.Subdomain("myapp.com"), nil)(mux)

	show(h, "http://acme.myapp.com/orders")
	show(h, "http://nosuch.myapp.com/orders")
	show(h, "http://unpaid.myapp.com/orders")
	// Output:
	// 200 orders of acme, <nil>
	// 404 There is nothing at this address.
	// 402 This account is paused until its bill is paid.
}

// New reports every mistake before anything is served.
func ExampleNew() {
	_, err := httptenant.New(newCatalog(), httptenant.FirstOf(
		httptenant.Subdomain("my app"),
		httptenant.Header("X-Tenant", nil),
	), nil)
	fmt.Println(err)
	// Output:
	// httptenant: not configured correctly: first of: subdomain: base "my app" is not a host name without a port
	// header: trust is missing; anyone can send a header
}

// Handlers answer with the same pages, and the same table, as the middleware.
func ExampleEdge_Error() {
	e, err := httptenant.New(newCatalog(), httptenant.Subdomain("myapp.com"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	h := e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.Error(w, r, fmt.Errorf("rename: %w", tenant.ErrSlugTaken))
	}))
	show(h, "http://acme.myapp.com/")
	// Output: 409 This conflicts with a change made before.
}

// A page in the host's own looks.
func ExampleOptions_error() {
	opts := &httptenant.Options{
		Logger: slog.New(slog.DiscardHandler),
		Error: func(w http.ResponseWriter, _ *http.Request, _ error, status int) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "MyApp says: %s\n", http.StatusText(status))
		},
	}
	show(httptenant.Middleware(newCatalog(), httptenant.Subdomain("myapp.com"), opts)(nothing()), "http://maintenance.myapp.com/")
	// Output: 503 MyApp says: Service Unavailable
}

// A suspended tenant reaches the page where it pays, and nothing else.
func ExampleServe() {
	mux := http.NewServeMux()
	mux.Handle("GET /orders", nothing())
	mux.Handle("GET /billing", httptenant.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, err := tenant.FromContext(r.Context())
		fmt.Fprintf(w, "bills of %s, %v\n", t.Slug, err)
	}), tenant.Suspended))
	h := httptenant.Middleware(newCatalog(), httptenant.Subdomain("myapp.com"), nil)(mux)

	show(h, "http://unpaid.myapp.com/billing")
	show(h, "http://unpaid.myapp.com/orders")
	show(h, "http://unpaid.myapp.com//billing")
	// Output:
	// 200 bills of unpaid, <nil>
	// 402 This account is paused until its bill is paid.
	// 402 This account is paused until its bill is paid.
}

// A landing page on the base domain. No tenant's data can be reached from it.
func ExamplePublic() {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", httptenant.Public(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := tenant.FromContext(r.Context())
		fmt.Fprintln(w, "welcome;", err)
	})))
	h := httptenant.Middleware(newCatalog(), httptenant.Subdomain("myapp.com"), nil)(mux)
	show(h, "http://myapp.com/")
	// Output: 200 welcome; tenant: no tenant in the context
}

func nothing() http.Handler { return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}) }

// show prints what h answers to target.
func show(h http.Handler, target string, change ...func(*http.Request)) {
	w := get(h, target, change...)
	body, _ := io.ReadAll(w.Result().Body)
	fmt.Printf("%d %s", w.Code, body)
}
