package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// tables are a small shop's.
const tables = `
	CREATE TABLE IF NOT EXISTS orders (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		id        bigint NOT NULL,
		item      text   NOT NULL,
		PRIMARY KEY (tenant_id, id));
	SELECT partywall.protect('orders')`

// house is a catalog and a data server, on which tenants are made and ended.
type house struct {
	catalog, data string // URLs
	prefix        string // of names on the server, which all tests share

	pool    *pgxpool.Pool
	tenants *pgtenant.Catalog
	db      *isolation.DB
	engine  *provisioning.Engine
	reached func(point string) // nil in most tests
	spares  int                // places of each kind that are kept ready
}

// site is where a house is built: it outlives the processes that work there.
func site(t *testing.T) *house {
	t.Helper()
	data := pgtest.New(t, nil)
	h := &house{catalog: pgtest.New(t, nil).URL, data: data.URL, prefix: data.Name[len(data.Name)-8:] + "_"}
	t.Cleanup(func() { h.sweep(t) })
	return h
}

// open opens the house in this process. change may alter the options.
func (h *house) open(t testing.TB, change func(*provisioning.Options)) {
	t.Helper()
	o := quick()
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	stop, err := h.start(t.Context(), o, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// start opens the house, and starts a worker in it.
func (h *house) start(ctx context.Context, o *provisioning.Options, change func(*provisioning.Options)) (stop func(context.Context) error, err error) {
	catalog, err := pgxpool.ParseConfig(h.catalog)
	if err != nil {
		return nil, err
	}
	catalog.ConnConfig.Tracer = watcher{h}
	if h.pool, err = pgxpool.NewWithConfig(ctx, catalog); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	if h.tenants, err = pgtenant.Open(ctx, h.pool, &pgtenant.Options{Registry: &tenant.Options{Logger: quiet}}); err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(h.data)
	if err != nil {
		return nil, err
	}
	h.db, err = isolation.Open(ctx, h.tenants, isolation.Servers{"eu-1": {
		App:      fmt.Sprintf("host=%s port=%d user=provisioning_app dbname=%s sslmode=disable", config.Host, config.Port, config.Database),
		Migrator: h.data, MaxConns: 8,
	}}, &isolation.Options{
		Logger: quiet, AcquireTimeout: time.Minute,
		Migrate: func(ctx context.Context, conn *pgx.Conn, to isolation.Target) error {
			if to.Strategy != tenant.Shared {
				h.at("migrating")
			}
			// As a tool for migrations does, which touches nothing that is there: a
			// worker may be asleep with locks on it.
			var there bool
			err := conn.QueryRow(ctx, `SELECT to_regclass(quote_ident(current_schema) || '.orders') IS NOT NULL`).Scan(&there)
			if err == nil && !there {
				_, err = conn.Exec(ctx, tables)
			}
			if to.Strategy != tenant.Shared {
				h.at("migrated")
			}
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	o.Lifecycle = h.lifecycle()
	if change != nil {
		change(o)
	}
	if h.engine, err = provisioning.New(h.pool, h.tenants, o); err != nil {
		return nil, err
	}
	if err := h.engine.Start(ctx); err != nil {
		return nil, err
	}
	opened := *h // a house may be opened again
	return func(ctx context.Context) error {
		err := opened.engine.Stop(ctx)
		opened.db.Close()
		opened.tenants.Close()
		opened.pool.Close()
		return err
	}, nil
}

// at is called at points within steps.
func (h *house) at(point string) {
	if h.reached != nil {
		h.reached(point)
	}
}

// watcher tells when a worker has locked its operation.
type watcher struct{ *house }

type lockingKey struct{}

// TraceQueryStart implements [pgx.QueryTracer].
func (watcher) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	locking := strings.Contains(q.SQL, "partywall_operations.operation o") && strings.Contains(q.SQL, "FOR NO KEY UPDATE")
	return context.WithValue(ctx, lockingKey{}, locking)
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (w watcher) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	if locking, _ := ctx.Value(lockingKey{}).(bool); locking && q.Err == nil {
		w.at("locked")
	}
}

// lifecycle places tenants by plan and gives each its first order.
func (h *house) lifecycle() *provisioning.Lifecycle {
	policy := &provisioning.Policy{
		Servers: map[string]provisioning.Capacity{"eu-1": {Region: "eu"}}, Prefix: h.prefix,
		Strategies: map[tenant.Plan]tenant.Strategy{"pro": tenant.Schema, "max": tenant.Database}, Loads: h.tenants.Loads,
	}
	return &provisioning.Lifecycle{
		Database: h.db, Place: policy.Place, Stock: h.stock(),
		Seed: func(ctx context.Context, _ tenant.Tenant, _ func(float64, string)) error {
			_, err := h.db.Once(ctx, "first order", func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO orders (id, item) SELECT 1 + count(*), 'welcome' FROM orders`)
				h.at("seeding")
				return err
			})
			h.at("seeded")
			return err
		},
		Verify: func(_ context.Context, who tenant.Tenant) error {
			h.at("verified")
			if _, doomed := who.Labels.Get("doomed"); doomed {
				return provisioning.Fail(errors.New("doomed"))
			}
			return nil
		},
	}
}

// stock is nil where nothing is kept ready.
func (h *house) stock() *provisioning.Stock {
	if h.spares == 0 {
		return nil
	}
	return &provisioning.Stock{
		Reserve: h.db, Prefix: h.prefix + "s_", Release: "1",
		Ready: map[string]map[tenant.Strategy]int{"eu-1": {tenant.Schema: h.spares, tenant.Database: h.spares}},
	}
}

// plans are the strategies in the order of their plans.
func plans() map[tenant.Plan]tenant.Strategy {
	return map[tenant.Plan]tenant.Strategy{"free": tenant.Shared, "pro": tenant.Schema, "max": tenant.Database}
}

// places counts what there is on the server: schemas and databases, and rows of
// tenants that share.
func (h *house) places(t testing.TB) (own, shared int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }() // it has only read
	err = conn.QueryRow(t.Context(), `SELECT
		(SELECT count(*) FROM pg_namespace WHERE starts_with(nspname, $1)) + (SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)),
		(SELECT count(*) FROM orders) + (SELECT count(*) FROM partywall.once)`, h.prefix).Scan(&own, &shared)
	if err != nil {
		t.Fatal(err)
	}
	return own, shared
}

// sweep drops the databases that the test has left behind.
func (h *house) sweep(t testing.TB) {
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, h.data)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close(ctx) }() // it has done its work
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, h.prefix)
	if err != nil {
		t.Error(err)
		return
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Error(err)
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, `DROP DATABASE `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	}
}

// orders are what a tenant sees of its orders.
func (h *house) orders(t testing.TB, who tenant.Tenant) string {
	t.Helper()
	ctx := tenant.NewContext(t.Context(), who)
	rows, err := h.db.Query(ctx, `SELECT item FROM orders ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	items, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(items, ", ")
}
