package provisioning_test

import (
	"context"
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
	var err error
	if h.pool, err = pgxpool.New(t.Context(), h.catalog); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.pool.Close)
	if h.tenants, err = pgtenant.Open(t.Context(), h.pool, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.tenants.Close)
	config, err := pgx.ParseConfig(h.data)
	if err != nil {
		t.Fatal(err)
	}
	h.db, err = isolation.Open(t.Context(), h.tenants, isolation.Servers{"eu-1": {
		App:      fmt.Sprintf("host=%s port=%d user=provisioning_app dbname=%s sslmode=disable", config.Host, config.Port, config.Database),
		Migrator: h.data, MaxConns: 8,
	}}, &isolation.Options{
		Logger: slog.New(slog.DiscardHandler), AcquireTimeout: time.Minute,
		Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
			_, err := conn.Exec(ctx, tables)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.db.Close)
	o := quick()
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	o.Lifecycle = h.lifecycle()
	if change != nil {
		change(o)
	}
	if h.engine, err = provisioning.New(h.pool, h.tenants, o); err != nil {
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
}

// lifecycle places tenants by plan and gives each its first order.
func (h *house) lifecycle() *provisioning.Lifecycle {
	policy := &provisioning.Policy{
		Servers: map[string]provisioning.Capacity{"eu-1": {Region: "eu"}}, Prefix: h.prefix,
		Strategies: map[tenant.Plan]tenant.Strategy{"pro": tenant.Schema, "max": tenant.Database}, Loads: h.tenants.Loads,
	}
	return &provisioning.Lifecycle{
		Database: h.db, Place: policy.Place,
		Seed: func(ctx context.Context, _ tenant.Tenant, _ func(float64, string)) error {
			_, err := h.db.Once(ctx, "first order", func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO orders (id, item) VALUES (1, 'welcome')`)
				return err
			})
			return err
		},
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
