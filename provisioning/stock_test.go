package provisioning_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

const stocked = `SELECT count(*) = $1 FROM partywall_operations.spare WHERE state = 'ready' AND release = $2`

// TestStock gives ready places to tenants that come at the same moment, one to
// each, and has what is missing made.
func TestStock(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.spares = 2
	h.open(t, nil)
	h.await(t, stocked, 4, "1")
	var all sync.WaitGroup
	var ready atomic.Int32
	for _, slug := range []string{"pro-a", "pro-b", "pro-c", "max-a", "max-b", "max-c"} {
		all.Go(func() {
			op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: slug, Plan: tenant.Plan(slug[:3])}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			born, err := op.Wait(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if strings.Contains(born.Placement.Schema+born.Placement.Database, h.prefix+"s_") {
				ready.Add(1)
			}
			if who, err := h.tenants.Refresh(t.Context(), tenant.ByID(born.Tenant)); err != nil || h.orders(t, who) != "welcome" {
				t.Errorf("%s: %v", slug, err)
			}
		})
	}
	all.Wait()
	if n := ready.Load(); n < 4 {
		t.Errorf("%d of 4 ready places were taken", n)
	}
	h.await(t, stocked, 4, "1")
	h.await(t, `SELECT NOT EXISTS (SELECT FROM partywall_operations.operation WHERE ended_at IS NULL)`)
	h.nothingElse(t, false)
}

// TestStockOfAnotherRelease brings places up to date that were made with other
// tables.
func TestStockOfAnotherRelease(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.spares = 1
	var migrated atomic.Int32
	h.reached = func(point string) {
		if point == "migrated" {
			migrated.Add(1)
		}
	}
	h.open(t, nil)
	h.await(t, stocked, 2, "1")
	before := migrated.Load()
	h.open(t, func(o *provisioning.Options) { o.Lifecycle.Stock.Release = "2" })
	h.await(t, stocked, 2, "2")
	if n := migrated.Load() - before; n < 2 {
		t.Errorf("%d places were migrated", n)
	}
}

// TestReservedPlaces asks the isolation for places that cannot be reserved, and
// to end one that a tenant lives in.
func TestReservedPlaces(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.open(t, nil)
	for name, p := range map[string]tenant.Placement{
		"shared":    {Server: "eu-1", Strategy: tenant.Shared},
		"public":    {Server: "eu-1", Strategy: tenant.Schema, Schema: "public"},
		"nameless":  {Server: "eu-1", Strategy: tenant.Schema},
		"elsewhere": {Server: "mars", Strategy: tenant.Schema, Schema: "x"},
	} {
		if err := h.db.Reserve(t.Context(), p); err == nil {
			t.Errorf("%s: it was reserved", name)
		}
	}
	op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme", Plan: "pro"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	born, err := op.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.db.Release(context.Background(), born.Placement); !errors.Is(err, isolation.ErrRefused) {
		t.Errorf("a place that is lived in was released: %v", err)
	}
}
