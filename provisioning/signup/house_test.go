package signup_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/signup"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// house is an engine that makes tenants, and a sign-up before it.
type house struct {
	engine  *provisioning.Engine
	tenants *pgtenant.Catalog
	handler *signup.Handler
	url     string // of the sign-up

	hold chan struct{} // that the making of databases waits for
}

// places is a database whose tenants need no place. What isolation makes of
// them is tested there.
type places struct{ hold chan struct{} }

func (p places) Provision(ctx context.Context, _ tenant.Tenant) error {
	select {
	case <-p.hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (places) Deprovision(context.Context, tenant.Tenant) error { return nil }
func (places) Verify(context.Context) error                     { return nil }
func (places) Evict(context.Context, tenant.Tenant) error       { return nil }

// build builds a house. change may alter what it is built of.
func build(t *testing.T, change func(*signup.Options, *provisioning.Lifecycle)) *house {
	t.Helper()
	h := &house{hold: make(chan struct{})}
	quiet := slog.New(slog.DiscardHandler)
	pool := pgtest.New(t, nil).Pool(t)
	var err error
	if h.tenants, err = pgtenant.Open(t.Context(), pool, &pgtenant.Options{Registry: &tenant.Options{Logger: quiet}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.tenants.Close)
	lifecycle := &provisioning.Lifecycle{
		Database: places{h.hold},
		Place: func(context.Context, tenant.Tenant) (tenant.Placement, error) {
			return tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}, nil
		},
	}
	options := &signup.Options{Burst: 1000, TotalBurst: 1000, Logger: quiet}
	if change != nil {
		change(options, lifecycle)
	}
	h.engine, err = provisioning.New(pool, h.tenants, &provisioning.Options{
		Lifecycle: lifecycle, Logger: quiet, Name: "worker-in-the-cellar",
		Backoff: func(int) time.Duration { return time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.engine.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	h.handler, h.url = serve(t, h.engine, options)
	return h
}

// serve puts a sign-up before an engine, on a server of its own.
func serve(t testing.TB, engine signup.Engine, o *signup.Options) (h *signup.Handler, url string) {
	t.Helper()
	h, err := signup.New(engine, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		h.Close()
		server.Close()
	})
	return h, server.URL + "/signup"
}

// reply is an answer that was read.
type reply struct {
	*http.Response

	text string
}

// problem is what is told as wrong.
func (r reply) problem(t testing.TB) (p signup.Problem) {
	t.Helper()
	if kind := r.Header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("%s: %s", kind, r.text)
	}
	if err := json.Unmarshal([]byte(r.text), &p); err != nil || p.Status != r.StatusCode {
		t.Errorf("%d: %s: %v", r.StatusCode, r.text, err)
	}
	return p
}

// ask sends a request, and follows no redirect. headers are names and values.
func ask(t testing.TB, method, url, body string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it is read to its end
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer, string(text)}
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// post asks for a tenant by JSON.
func (h *house) post(t testing.TB, body string, headers ...string) reply {
	t.Helper()
	return ask(t, http.MethodPost, h.url, body, append([]string{"Content-Type", asJSON}, headers...)...)
}

// begin starts a sign-up, and returns the URL of its status.
func (h *house) begin(t testing.TB, slug string) (url string) {
	t.Helper()
	r := h.post(t, `{"slug": "`+slug+`"}`)
	if r.StatusCode != http.StatusAccepted {
		t.Fatalf("%d: %s", r.StatusCode, r.text)
	}
	return h.at(r.Header.Get("Location"))
}

// at is the URL of a path.
func (h *house) at(path string) string { return strings.TrimSuffix(h.url, "/signup") + path }

// statusOf is how far a sign-up is.
func statusOf(t testing.TB, url string) (s signup.Status) {
	t.Helper()
	r := ask(t, http.MethodGet, url, "")
	if err := json.Unmarshal([]byte(r.text), &s); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s: %v", r.StatusCode, r.text, err)
	}
	return s
}
