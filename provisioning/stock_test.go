package provisioning_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

// TestStockTakenInVain has the transaction fail in which a tenant takes a ready
// place, and another take the place before it is tried again: it is the other's.
func TestStockTakenInVain(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.spares = 1
	var others []string
	var once sync.Once
	h.open(t, func(o *provisioning.Options) {
		o.Backoff = func(int) time.Duration {
			once.Do(func() {
				rows, err := h.pool.Query(t.Context(), `DELETE FROM partywall_operations.spare WHERE strategy = 'schema' AND state = 'ready' RETURNING name`)
				if err == nil {
					others, err = pgx.CollectRows(rows, pgx.RowTo[string])
				}
				if err != nil {
					t.Error(err)
				}
			})
			return time.Millisecond
		}
	})
	h.await(t, stocked, 2, "1")
	_, err := h.pool.Exec(t.Context(), `CREATE SEQUENCE tries;
		CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('tries') = 1 THEN RAISE EXCEPTION 'stumbled' USING ERRCODE = 'serialization_failure'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER stumble BEFORE INSERT OR UPDATE ON partywall_operations.step FOR EACH ROW
			WHEN (NEW.name = 'tenant' AND NEW.state = 'done') EXECUTE FUNCTION stumble()`)
	if err != nil {
		t.Fatal(err)
	}
	op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme", Plan: "pro"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	born, err := op.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(others) != 1 || born.Placement.Schema == others[0] {
		t.Errorf("the tenant is in %q, and another has taken %q", born.Placement.Schema, others)
	}
}

// busy are places that cannot be made now.
type busy struct{ *isolation.DB }

// Reserve implements provisioning.Reserve.
func (busy) Reserve(context.Context, tenant.Placement) error { return errors.New("busy") }

// TestStockOfAnotherNode leaves the making of places to the nodes that keep a
// stock.
func TestStockOfAnotherNode(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.spares = 1
	h.open(t, func(o *provisioning.Options) { o.Lifecycle.Stock.Reserve = busy{h.db} })
	h.await(t, `SELECT count(*) = 2 FROM partywall_operations.operation WHERE kind = 'stock' AND error <> ''`)
	if err := h.engine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	const tokens = `SELECT sum(token)::bigint FROM partywall_operations.operation WHERE kind = 'stock'`
	var before, after int64
	// They are due before all that comes.
	_, err := h.pool.Exec(t.Context(), `UPDATE partywall_operations.operation SET due_at = now() - interval '1 hour', lease_until = NULL WHERE kind = 'stock'`)
	if err == nil {
		err = h.pool.QueryRow(t.Context(), tokens).Scan(&before)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.spares = 0
	h.open(t, nil)
	op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme", Plan: "free"}, nil)
	if err == nil {
		_, err = op.Wait(t.Context())
	}
	if err == nil {
		err = h.pool.QueryRow(t.Context(), tokens).Scan(&after)
	}
	if err != nil || before != after {
		t.Errorf("a node that keeps no stock has taken its operations: tokens were %d and are %d, %v", before, after, err)
	}
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
