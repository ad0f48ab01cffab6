package isolationtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/partywall/partywall/isolation/prove"
)

// Tenant is one of the two that are played against each other.
type Tenant struct {
	// Name is what findings call the tenant. Defaults to "A" and "B".
	Name string
	// As makes a request the tenant's own, as a client of the tenant's would:
	// by its host, token, cookie or path. Host.Handler needs it.
	As func(r *http.Request)
	// In makes a context the tenant's own. Host.Functions need it.
	In func(ctx context.Context) context.Context
	// Aliases are names that others know the tenant by: slug, number, UUID,
	// host names. They are what an attacker writes into headers and queries.
	// Defaults to Name.
	Aliases []string
	// Canary is a text that the kit makes up, another one at each seeding. It
	// is lower-case letters and digits.
	Canary string
	// IDs are what the tenant's things are called, by the names that routes
	// have for them: IDs["order"] is what {order} stands for.
	IDs map[string]string
}

// Function is something to call that is not behind a handler: a job, a gRPC
// method, a query.
type Function struct {
	Name string
	// Parameters are the IDs that Call asks for.
	Parameters []string
	// Writes is for a function that changes something.
	Writes bool
	// Call calls it. Whatever can be reached from the result, exported or not,
	// is looked at, and the error's text.
	Call func(ctx context.Context, ids map[string]string) (any, error)
}

// Host is what is tested.
type Host struct {
	// Handler is the host's, with all its middleware around it. A server that
	// runs elsewhere can be tested by an httputil.ReverseProxy. May be nil
	// where there are Functions.
	Handler   http.Handler
	Routes    []Route
	Functions []Function
	// Tenants are the two, both active.
	Tenants [2]Tenant
	// Seed gives a tenant something with t.Canary in it, wherever the tenant
	// keeps things, and says in t.IDs how it is called. It is called for each
	// tenant at first, and again before whatever may change things: it adds,
	// and leaves what there is. Without it the tenants come with a Canary and
	// IDs of their own, and less is found.
	Seed func(ctx context.Context, t *Tenant) error
	// Sinks are where the host writes besides its answers.
	Sinks []*Sink
	// Allow are findings that are meant. One that is not there is an error.
	Allow []prove.Allow
	// Timeout is how long one request may take. Defaults to 10 s.
	Timeout time.Duration
}

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// Result is what came of it.
type Result struct {
	prove.Report

	// Deeds is how many routes and functions were tried, and Attempts in how
	// many ways.
	Deeds, Attempts int
}

// Run tests the host and fails the test with every finding, one by one.
func Run(t TB, h Host) {
	t.Helper()
	r, err := Drive(t.Context(), h)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	for _, f := range r.Findings {
		t.Errorf("%s: %s: %s", f.Severity, f.Code, f)
	}
	t.Logf("%d routes and functions, %d attempts, %d findings", r.Deeds, r.Attempts, len(r.Findings))
}

// Drive tests the host and returns what it finds. It fails when something is
// missing without which nothing would be tested, when seeding fails, and when
// a handler does not return.
func Drive(ctx context.Context, h Host) (*Result, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	h.Timeout = cmp.Or(h.Timeout, 10*time.Second)
	d := newDriver(&h)
	if err := d.run(ctx); err != nil {
		return nil, fmt.Errorf("isolationtest: %w", err)
	}
	left, unused := d.found.Without(h.Allow)
	if err := prove.UnusedError(unused); err != nil {
		return nil, fmt.Errorf("isolationtest: Host.Allow: %w", err)
	}
	return &Result{Report: *left, Deeds: len(d.deeds), Attempts: d.attempts}, nil
}

// check returns everything that is missing.
func (h *Host) check() error {
	var errs []error
	missing := func(is bool, what string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf("isolationtest: "+what, args...))
		}
	}
	missing(len(h.Routes)+len(h.Functions) == 0, "nothing to test: Host has neither Routes nor Functions")
	missing(len(h.Routes) > 0 && h.Handler == nil, "Host.Routes without Host.Handler")
	for i := range h.Tenants {
		t := &h.Tenants[i]
		t.Name = cmp.Or(t.Name, string(rune('A'+i)))
		missing(len(h.Routes) > 0 && t.As == nil, "tenant %s has no As, which its requests need", t.Name)
		missing(len(h.Functions) > 0 && t.In == nil, "tenant %s has no In, which its calls need", t.Name)
		missing(h.Seed == nil && len(t.Canary) < shortest, "without Host.Seed tenant %s needs a Canary of %d characters or more", t.Name, shortest)
	}
	missing(h.Tenants[0].Name == h.Tenants[1].Name, "both tenants are called %s", h.Tenants[0].Name)
	missing(h.Seed == nil && h.Tenants[0].Canary == h.Tenants[1].Canary, "both tenants have the same Canary")
	for _, r := range h.Routes {
		errs = append(errs, r.check())
	}
	for _, f := range h.Functions {
		missing(f.Call == nil, "function %q has no Call", f.Name)
	}
	return errors.Join(append(errs, prove.ValidateAllow(h.Allow))...)
}
