package domain_test

import (
	"context"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/childtest"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
)

// orders of what a node's process is to do.
type orders struct {
	URL string `json:"url"`
	// Die names the point at which the process kills itself.
	Die string `json:"die"`
}

// TestMain is a node, where it was told to be one, until it is killed.
func TestMain(m *testing.M) {
	childtest.Main(m, func(ctx context.Context, o orders) error {
		pool, err := pgxpool.New(ctx, o.URL)
		if err != nil {
			return err
		}
		n := &node{reached: func(point string) {
			if point == o.Die {
				childtest.Die()
			}
		}}
		if _, err := n.open(ctx, pool, n.options()); err != nil {
			return err
		}
		childtest.Work()
		return nil
	})
}

// everybody finds every tenant.
type everybody struct{}

func (everybody) Lookup(_ context.Context, key tenant.Key) (tenant.Tenant, error) {
	id, _ := key.ID()
	return tenant.Tenant{ID: id, Slug: "acme", Status: tenant.Active}, nil
}

// node is a Prover and an Issuer with whom all goes well, unless they are killed.
type node struct {
	reached func(point string)
	issued  atomic.Bool
	told    atomic.Int64
}

func (n *node) options() *domain.Options {
	return &domain.Options{
		Edge: "edge.myapp.com", Prover: n, Lease: 900 * time.Millisecond, Sweep: 20 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
		Publish: func(context.Context, domain.Event) error {
			n.reached("tell")
			n.told.Add(1)
			return nil
		},
	}
}

func (n *node) open(ctx context.Context, pool *pgxpool.Pool, o *domain.Options) (*domain.Catalog, error) {
	c, err := domain.New(pool, everybody{}, o)
	if err != nil {
		return nil, err
	}
	return c, c.Open(ctx, n)
}

func (n *node) Prove(context.Context, domain.Challenge) (domain.Evidence, error) {
	n.reached("prove")
	return domain.Evidence{Pointed: true}, nil
}

func (n *node) Issue(context.Context, string) error {
	n.reached("issue")
	n.issued.Store(true)
	return nil
}

func (n *node) Forget(context.Context, string, bool) error {
	n.reached("forget")
	return nil
}

func (n *node) Validity(context.Context, string) (from, until time.Time, err error) {
	n.reached("validity")
	if !n.issued.Load() {
		return from, until, fs.ErrNotExist
	}
	return from, time.Now().Add(time.Hour), nil
}

// TestKilled kills a node at each point of a domain's life, with kill -9, and
// lets another one go on.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"prove", "issue", "validity", "forget", "tell"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			data := pgtest.New(t, domain.Template(t))
			pool, err := pgxpool.New(t.Context(), data.URL)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			n := &node{reached: func(string) {}}
			quiet := n.options()
			quiet.Workers, quiet.Prover, quiet.Publish = -1, nil, nil
			registrar, err := n.open(t.Context(), pool, quiet)
			if err != nil {
				t.Fatal(err)
			}
			acme := tenant.NewID(time.Now())
			died := childtest.StartWorking(t, orders{URL: data.URL, Die: point})
			if _, err := registrar.Claim(t.Context(), acme, "acme.example", domain.MethodTXT); err != nil {
				t.Fatal(err)
			}
			if point == "forget" {
				await(t, registrar, acme, domain.Active)
				if _, err := registrar.Release(t.Context(), acme, "acme.example"); err != nil {
					t.Fatal(err)
				}
			}
			childtest.Killed(t, died)
			registrar.Close()
			heir, err := n.open(t.Context(), pool, n.options())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(heir.Close)
			want := domain.Active
			if point == "forget" {
				want = domain.Tombstoned
			}
			await(t, heir, acme, want)
		})
	}
}

// await waits until a tenant's domain has come to a state.
func await(t *testing.T, c *domain.Catalog, id tenant.ID, want domain.State) {
	t.Helper()
	look, late := time.NewTicker(10*time.Millisecond), time.After(time.Minute)
	defer look.Stop()
	for {
		d, err := c.Get(t.Context(), id, "acme.example")
		if err != nil {
			t.Fatal(err)
		}
		if d.State == want {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it stays %s %s", d.State, d.Reason)
		}
	}
}

// TestNodesHearOfEachOther makes a domain on one node and waits until another one
// serves it.
func TestNodesHearOfEachOther(t *testing.T) {
	t.Parallel()
	data := pgtest.New(t, domain.Template(t))
	pool, err := pgxpool.New(t.Context(), data.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	open := func(change func(*domain.Options)) *domain.Catalog {
		n := &node{reached: func(string) {}}
		o := n.options()
		change(o)
		c, err := n.open(t.Context(), pool, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	worker := open(func(*domain.Options) {})
	edge := open(func(o *domain.Options) { o.Workers, o.Sweep = -1, time.Hour }) // which has to be told
	acme := tenant.NewID(time.Now())
	if _, err := worker.Claim(t.Context(), acme, "acme.example", domain.MethodTXT); err != nil {
		t.Fatal(err)
	}
	look, late := time.NewTicker(time.Millisecond), time.After(time.Minute)
	defer look.Stop()
	for !edge.MayServe("acme.example") {
		select {
		case <-look.C:
		case <-late:
			t.Fatal("not told")
		}
	}
	if owner, err := edge.Owner(t.Context(), "acme.example"); owner != acme || err != nil {
		t.Errorf("served for %s, %v", owner, err)
	}
}
