package schema_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// The shop's migrations, as the tests begin with them.
const (
	orders = `-- +goose Up
CREATE TABLE orders (
	tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
	id        bigint NOT NULL,
	item      text   NOT NULL,
	PRIMARY KEY (tenant_id, id));
SELECT partywall.protect('orders');
-- +goose Down
DROP TABLE orders;
`
	lines = `-- +goose Up
CREATE TABLE order_lines (
	tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
	order_id  bigint NOT NULL,
	line      int    NOT NULL,
	PRIMARY KEY (tenant_id, order_id, line),
	FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id));
SELECT partywall.protect('order_lines');
`
)

// shop is the migrations of the tests, and more files on top.
func shop(more map[string]string) fstest.MapFS {
	files := map[string]string{"001_orders.sql": orders, "002_lines.sql": lines}
	maps.Copy(files, more)
	return folder(files)
}

func folder(files map[string]string) fstest.MapFS {
	made := fstest.MapFS{}
	for name, text := range files {
		made[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return made
}

// house is a server with a fleet on it, whose catalog is in a database of its
// own.
type house struct {
	*isolation.DB

	tenants *tenant.Registry
	data    *pgtest.Database
	catalog *pgxpool.Pool
	who     []tenant.Tenant
}

const appRole = "fleet_app"

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// build opens a house whose places have the migrations given.
func build(t testing.TB, files fstest.MapFS) *house {
	t.Helper()
	h := &house{data: pgtest.New(t, nil), catalog: pgtest.New(t, nil).Pool(t)}
	var err error
	if h.tenants, err = tenant.NewRegistry(memtenant.New(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.tenants.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.tenants.Close)
	h.DB, err = isolation.Open(t.Context(), h.tenants,
		isolation.Servers{"eu-1": {App: h.data.As(appRole), Migrator: h.data.URL, MaxConns: 4}},
		&isolation.Options{Migrate: load(t, files).Migrate, Logger: silent(), AcquireTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// settle gives n more tenants a schema each, with all that the wall wants.
func (h *house) settle(t testing.TB, n int) {
	t.Helper()
	for range n {
		i := len(h.who) + 1
		h.add(t, tenant.Placement{Strategy: tenant.Schema, Schema: fmt.Sprintf("shop_%d", i)})
		if err := h.Provision(t.Context(), h.who[i-1]); err != nil {
			t.Fatal(err)
		}
	}
}

// add makes a tenant, and no place.
func (h *house) add(t testing.TB, p tenant.Placement) tenant.Tenant {
	t.Helper()
	p.Server = "eu-1"
	who, err := h.tenants.Create(t.Context(), tenant.Spec{
		Slug: fmt.Sprintf("shop-%d", len(h.who)+1), Placement: p, Status: tenant.Active,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.who = append(h.who, who)
	return who
}

// fleet returns the house's fleet with the migrations given.
func (h *house) fleet(t testing.TB, files fstest.MapFS, opts *schema.FleetOptions) *schema.Fleet {
	t.Helper()
	fleet, err := schema.New(h.catalog, h, h.tenants, load(t, files), opts)
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

func load(t testing.TB, files fstest.MapFS) *schema.Migrations {
	t.Helper()
	migrations, err := schema.Load(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	return migrations
}

// apply applies and wants no error of the whole.
func apply(t testing.TB, fleet *schema.Fleet, opts *schema.ApplyOptions) *schema.Report {
	t.Helper()
	report, err := fleet.Apply(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	return report
}

// exec runs SQL as the migrator in the house's database.
func (h *house) exec(t testing.TB, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.data.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// dropTemplate drops a database that a test has made beside its own.
func (h *house) dropTemplate(t testing.TB, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, h.data.URL)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`); err != nil {
		t.Error(err)
	}
}
