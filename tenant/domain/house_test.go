package domain_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/memtenant"
)

// house is a catalog of domains with everything around it.
type house struct {
	*domain.Catalog

	data    *pgtest.Database
	pool    *pgxpool.Pool
	tenants *tenant.Registry
	who     map[string]tenant.Tenant
	dns     *dns
	ca      *ca
	clock   *clock
	opts    domain.Options

	mu     sync.Mutex
	events []domain.Event
}

// build returns an open house whose domains are looked at when the test says so.
func build(t testing.TB, change func(*domain.Options)) *house {
	t.Helper()
	h := &house{
		data: pgtest.New(t, domain.Template(t)), who: map[string]tenant.Tenant{},
		dns: &dns{txt: map[string][]string{}, points: map[string]string{}}, clock: &clock{now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)},
	}
	h.ca = &ca{clock: h.clock, until: map[string]time.Time{}}
	var err error
	if h.pool, err = pgxpool.New(t.Context(), h.data.URL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.pool.Close)
	if h.tenants, err = tenant.NewRegistry(memtenant.New(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.tenants.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.tenants.Close)
	for _, slug := range []string{"acme", "globex", "initech"} {
		who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: slug, Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}, Status: tenant.Active})
		if err != nil {
			t.Fatal(err)
		}
		h.who[slug] = who
	}
	h.opts = domain.Options{
		Edge: "edge.myapp.com", Base: "myapp.com", Own: []string{"www"}, Zones: []string{"myapp.io"},
		Prover: h.dns, Publish: h.note, Workers: -1, Clock: h.clock.time, Sweep: time.Hour,
		Lease: time.Minute, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&h.opts)
	}
	h.Catalog = h.open(t, h.opts)
	return h
}

// open opens the house's catalog once more, as another node.
func (h *house) open(t testing.TB, o domain.Options) *domain.Catalog {
	t.Helper()
	c, err := domain.New(h.pool, h.tenants, &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context(), h.ca); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (h *house) note(_ context.Context, e domain.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	return nil
}

// told returns the topics that were told of a host.
func (h *house) told(t *testing.T, host string) (topics []string) {
	t.Helper()
	if _, err := h.Tell(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Host == host {
			topics = append(topics, e.Topic)
		}
	}
	return topics
}

// claim claims a host.
func (h *house) claim(t testing.TB, slug, host string, method domain.Method) domain.Domain {
	t.Helper()
	d, err := h.Claim(t.Context(), h.who[slug].ID, host, method)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// settle lets the house's node look at what is due until nothing is, and hear of
// it.
func (h *house) settle(t testing.TB) {
	t.Helper()
	for range 20 {
		n, err := h.LookOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if err := h.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("it does not come to an end")
}

// pass lets time pass and looks at what is due then.
func (h *house) pass(t testing.TB, d time.Duration) {
	t.Helper()
	h.clock.pass(d)
	h.settle(t)
}

// serve makes a host a tenant's that is served.
func (h *house) serve(t testing.TB, slug, host string) domain.Domain {
	t.Helper()
	d := h.claim(t, slug, host, domain.MethodTXT)
	h.dns.prove(d)
	h.dns.point(d)
	h.settle(t)
	h.is(t, slug, host, domain.Active, "")
	return h.get(t, slug, host)
}

func (h *house) get(t testing.TB, slug, host string) domain.Domain {
	t.Helper()
	d, err := h.Get(t.Context(), h.who[slug].ID, host)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// is holds a tenant's domain against a state and a reason.
func (h *house) is(t testing.TB, slug, host string, state domain.State, reason domain.Reason) {
	t.Helper()
	if d := h.get(t, slug, host); d.State != state || d.Reason != reason {
		t.Fatalf("%s of %s is %s %q, want %s %q", host, slug, d.State, d.Reason, state, reason)
	}
}

// owner is the slug of who is served under a host.
func (h *house) owner(t testing.TB, host string) string {
	t.Helper()
	id, err := h.Owner(t.Context(), host)
	if errors.Is(err, tenant.ErrNotFound) {
		return ""
	}
	for slug, who := range h.who {
		if who.ID == id {
			return slug
		}
	}
	return fmt.Sprint(id, err)
}

// clock is a time that tests let pass.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// dns is a Prover that looks into records that tests set: package proof asks real
// servers.
type dns struct {
	mu     sync.Mutex
	txt    map[string][]string // by name
	points map[string]string   // host to target
	fail   domain.Reason       // of every look, if set
	looks  int
	blind  bool // nobody answers where a host leads
	hook   func(domain.Challenge)
}

func (d *dns) Prove(_ context.Context, c domain.Challenge) (domain.Evidence, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.looks++; d.hook != nil {
		d.hook(c)
	}
	if d.fail != "" {
		return domain.Evidence{}, &domain.ProofError{Reason: d.fail}
	}
	seen := d.txt[c.Record()]
	if c.Method == domain.MethodHTTP {
		seen = d.txt["http://"+c.Host]
	}
	e := domain.Evidence{Seen: seen, Pointed: d.points[c.Host] == c.Target && !d.blind, Unsure: d.blind}
	switch {
	case len(seen) == 0:
		return e, &domain.ProofError{Reason: domain.ReasonNoRecord}
	case !slices.Contains(seen, c.Token):
		return e, &domain.ProofError{Reason: domain.ReasonWrongRecord, Seen: seen}
	}
	return e, nil
}

func (d *dns) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// prove adds the record that a claim asks for.
func (d *dns) prove(of domain.Domain) {
	name := of.Challenge().Record()
	d.set(func() { d.txt[name] = append(d.txt[name], of.Token) })
}

// unprove removes it.
func (d *dns) unprove(of domain.Domain) {
	name := of.Challenge().Record()
	d.set(func() { d.txt[name] = slices.DeleteFunc(d.txt[name], func(s string) bool { return s == of.Token }) })
}

func (d *dns) point(of domain.Domain)   { d.set(func() { d.points[of.Host] = of.Target }) }
func (d *dns) unpoint(of domain.Domain) { d.set(func() { delete(d.points, of.Host) }) }

// ca is an Issuer whose certificates are good for 45 days.
type ca struct {
	clock *clock

	mu      sync.Mutex
	until   map[string]time.Time
	orders  int
	revoked []string
	fail    error
}

func (c *ca) Issue(_ context.Context, host string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders++
	if c.fail == nil {
		c.until[host] = c.clock.time().Add(45 * 24 * time.Hour)
	}
	return c.fail
}

func (c *ca) Forget(_ context.Context, host string, revoke bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil && revoke {
		return c.fail
	}
	delete(c.until, host)
	if revoke {
		c.revoked = append(c.revoked, host)
	}
	return nil
}

func (c *ca) Validity(_ context.Context, host string) (from, until time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, ok := c.until[host]
	if !ok {
		err = fs.ErrNotExist
	}
	return from, until, err
}

func (c *ca) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}
