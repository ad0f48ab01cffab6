package httptenant_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/internal/lookuptest"
)

// A registry is what tests stand in for.
var _ httptenant.Lookup = (*tenant.Registry)(nil)

// catalog is a look-up in memory.
type catalog struct{ lookuptest.Catalog }

func newCatalog() *catalog { return &catalog{*lookuptest.New()} }

// id returns the ID of a tenant that is there.
func (c *catalog) id(slug string) tenant.ID { return c.Of(slug).ID }

// whoami answers with the tenant and the path that it sees.
func whoami(w http.ResponseWriter, r *http.Request) {
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		fmt.Fprintf(w, "nobody %s", r.URL.Path)
		return
	}
	fmt.Fprintf(w, "%s %s", t.Slug, r.URL.Path)
}

// tokenClaim reads a claim as if "token <name>" had been verified.
func tokenClaim(r *http.Request) (string, error) {
	var name string
	if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "token %s", &name); err != nil {
		return "", nil //nolint:nilerr // no token, which is no error
	}
	if name == "forged" {
		return "", errors.New("signature is invalid")
	}
	return name, nil
}

// newEdge returns an Edge, or fails the test.
func newEdge(t *testing.T, tenants httptenant.Lookup, resolver httptenant.Resolver, opts *httptenant.Options) *httptenant.Edge {
	t.Helper()
	var own httptenant.Options // a copy: parallel tests share theirs
	if opts != nil {
		own = *opts
	}
	if own.Logger == nil {
		own.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := httptenant.New(tenants, resolver, &own)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// get sends a request for target through h, changed by each of change.
func get(h http.Handler, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func from(peer string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = peer }
}

// want fails the test unless w has the status and the body.
func want(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || body != "" && w.Body.String() != body {
		t.Errorf("got %d %q, want %d %q", w.Code, w.Body, status, body)
	}
}

// logs is a buffer that goroutines may share.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

var testKey = bytes.Repeat([]byte("k"), 32) //nolint:gochecknoglobals // a constant, if Go had them
