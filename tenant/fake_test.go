package tenant_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

var errDown = errors.New("connection refused")

// catalog is a store in memory that fails on command.
type catalog struct {
	now atomic.Pointer[memtenant.Store]

	down  atomic.Bool // every call fails
	hangs atomic.Bool // every call waits for its ctx
	deaf  atomic.Bool // Watch never wakes
	mute  atomic.Bool // EnvelopeKeys waits for its ctx

	finds, rounds, keys atomic.Int64
	found               func(tenant.Tenant)                   // called between Find's reading and returning
	caughtUp            func()                                // called between Changes' reading and returning
	spoil               atomic.Pointer[func(*tenant.Keyring)] // called on the keys that EnvelopeKeys returns
}

func newCatalog() *catalog {
	c := &catalog{}
	c.now.Store(memtenant.New())
	return c
}

func (c *catalog) fault(ctx context.Context) error {
	if c.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if c.down.Load() {
		return errDown
	}
	return nil
}

func (c *catalog) Create(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	if err := c.fault(ctx); err != nil {
		return tenant.Tenant{}, err
	}
	return c.now.Load().Create(ctx, t)
}

func (c *catalog) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	if err := c.fault(ctx); err != nil {
		return tenant.Tenant{}, err
	}
	return c.now.Load().Update(ctx, t)
}

func (c *catalog) Find(ctx context.Context, key tenant.Key) (tenant.Tenant, error) {
	c.finds.Add(1)
	if err := c.fault(ctx); err != nil {
		return tenant.Tenant{}, err
	}
	t, err := c.now.Load().Find(ctx, key)
	if c.found != nil {
		c.found(t)
	}
	return t, err
}

func (c *catalog) List(ctx context.Context, q tenant.Query) (tenant.Page, error) {
	if err := c.fault(ctx); err != nil {
		return tenant.Page{}, err
	}
	return c.now.Load().List(ctx, q)
}

func (c *catalog) Changes(
	ctx context.Context, since tenant.Mark, each func(tenant.Tenant) error,
) (tenant.Mark, error) {
	c.rounds.Add(1)
	if err := c.fault(ctx); err != nil {
		return "", err
	}
	mark, err := c.now.Load().Changes(ctx, since, each)
	if c.caughtUp != nil {
		c.caughtUp()
	}
	return mark, err
}

func (c *catalog) Watch(ctx context.Context, wake func()) error {
	if err := c.fault(ctx); err != nil {
		return err
	}
	if c.deaf.Load() {
		wake()
		<-ctx.Done()
		return ctx.Err()
	}
	return c.now.Load().Watch(ctx, wake)
}

func (c *catalog) EnvelopeKeys(ctx context.Context) (tenant.Keyring, error) {
	c.keys.Add(1)
	if err := c.fault(ctx); err != nil {
		return tenant.Keyring{}, err
	}
	if c.mute.Load() {
		<-ctx.Done()
		return tenant.Keyring{}, ctx.Err()
	}
	ring, err := c.now.Load().EnvelopeKeys(ctx)
	if spoil := c.spoil.Load(); spoil != nil {
		(*spoil)(&ring)
	}
	return ring, err
}

// quiet is options for tests that provoke warnings.
func quiet() *tenant.Options { return &tenant.Options{Logger: slog.New(slog.DiscardHandler)} }

func newRegistry(t *testing.T, s tenant.Store, opts *tenant.Options) *tenant.Registry {
	t.Helper()
	r, err := tenant.NewRegistry(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func started(t *testing.T, s tenant.Store, opts *tenant.Options) *tenant.Registry {
	t.Helper()
	r := newRegistry(t, s, opts)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func mustCreate(t *testing.T, s tenant.Records, slug string) tenant.Tenant {
	t.Helper()
	given := active(slug, 0)
	given.Name, given.Placement.Epoch = slug, 1
	made, err := s.Create(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	return made
}
