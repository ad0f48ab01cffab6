package isolation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

func TestOnce(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range slugs() {
		ctx := h.as(t, slug)
		if ran, err := h.Once(ctx, "first", func(pgx.Tx) error { return errors.New("no") }); err == nil || ran {
			t.Errorf("%s: %v, %v", slug, ran, err)
		}
		var ran atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				did, err := h.Once(ctx, "first", func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, `INSERT INTO orders (id, item) VALUES (70, 'first')`)
					return err
				})
				if err != nil {
					t.Errorf("%s: %v", slug, err)
				}
				if did {
					ran.Add(1)
				}
			})
		}
		all.Wait()
		if ran.Load() != 1 {
			t.Errorf("%s: ran %d times", slug, ran.Load())
		}
	}
}

// TestPendingTenantIsPrepared fills a tenant that is not active, which nobody
// can do who does not say so, and goes on not being possible once it is active.
func TestPendingTenantIsPrepared(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	place := tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: "fresh"}
	who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: "fresh", Placement: place})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	for name, ctx := range map[string]context.Context{"plain": tenant.NewContext(t.Context(), who), "admitted": tenant.Admit(t.Context(), who)} {
		if _, err := h.Exec(ctx, `SELECT item FROM orders`); !errors.Is(err, tenant.ErrPending) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx := tenant.Prepare(t.Context(), who)
	if _, err := h.Exec(ctx, `INSERT INTO orders (id, item) VALUES (1, 'first')`); err != nil {
		t.Error(err)
	}
	if err := h.Verify(ctx); err != nil {
		t.Error(err)
	}
	if _, err := h.tenants.Activate(t.Context(), who.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.tenants.Suspend(t.Context(), who.ID, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Exec(ctx, `INSERT INTO orders (id, item) VALUES (2, 'late')`); !errors.Is(err, tenant.ErrSuspended) {
		t.Errorf("after it was suspended: %v", err)
	}
}

// TestVerifyFinds takes the wall down in ways that only looking shows.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range slugs() {
		if err := h.Verify(h.as(t, slug)); err != nil {
			t.Errorf("%s: %v", slug, err)
		}
	}
	admin := h.data.Conn(t)
	for sql, want := range map[string]string{
		`CREATE POLICY open ON orders TO partywall_app USING (true)`:                         "sees rows of others in orders",
		`CREATE POLICY open ON partywall.once FOR INSERT TO partywall_app WITH CHECK (true)`: "can write a row of",
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		var unsafe *isolation.UnsafeError
		if err := h.Verify(h.as(t, "acme")); !errors.As(err, &unsafe) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var left int
	if err := admin.QueryRow(t.Context(), `SELECT count(*) FROM partywall.once`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows left, %v", left, err)
	}
}
