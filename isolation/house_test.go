package isolation_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// house is a database server with four tenants in it, one of each strategy and
// one more who shares.
type house struct {
	*isolation.DB

	tenants *tenant.Registry
	data    *pgtest.Database
	servers isolation.Servers
	opts    *isolation.Options
	who     map[string]tenant.Tenant
}

// The login roles of all tests. They belong to the cluster, and are made by
// whoever comes first.
const (
	appRole    = "house_app"
	pooledRole = "house_pooled"
	systemRole = "house_system"
)

// schema is a small shop's: what tenants own, and what they all read.
const schema = `
	CREATE TABLE IF NOT EXISTS orders (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		id        bigint NOT NULL,
		item      text   NOT NULL,
		total     numeric(12,2) NOT NULL DEFAULT 0,
		PRIMARY KEY (tenant_id, id));
	CREATE TABLE IF NOT EXISTS order_lines (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		order_id  bigint NOT NULL,
		line      int    NOT NULL,
		tags      text[],
		PRIMARY KEY (tenant_id, order_id, line),
		FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id));
	SELECT partywall.protect('orders'), partywall.protect('order_lines');`

const reference = `
	CREATE TABLE IF NOT EXISTS genre (id int PRIMARY KEY, name text NOT NULL);
	INSERT INTO genre VALUES (1, 'Rock'), (2, 'Jazz') ON CONFLICT DO NOTHING;
	SELECT partywall.share('genre');`

func migrate(ctx context.Context, conn *pgx.Conn, to isolation.Target) error {
	sql := schema
	if to.Strategy != tenant.Schema {
		sql += reference
	}
	_, err := conn.Exec(ctx, sql)
	return err
}

// shop is a database with the wall and the shop's tables in it, so that a house
// is built in no time.
func shop() *pgtest.Template {
	files := pgmigrate.Set{Schema: "partywall", Files: os.DirFS("wall")}
	return &pgtest.Template{Name: "shop", Version: files.Version() + schema + reference, Fill: func(ctx context.Context, url string) error {
		tenants, err := tenant.NewRegistry(memtenant.New(), nil)
		if err != nil {
			return err
		}
		app, err := pgx.ParseConfig(url)
		if err != nil {
			return err
		}
		db, err := isolation.Open(ctx, tenants, isolation.Servers{"eu-1": {
			App:      fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", app.Host, app.Port, appRole, app.Database),
			Migrator: url,
		}}, &isolation.Options{Migrate: migrate})
		if err != nil {
			return err
		}
		db.Close()
		return nil
	}}
}

// build returns an open house. change may alter how it is opened; it may be
// nil.
func build(t testing.TB, change func(*house)) *house {
	t.Helper()
	h := &house{data: pgtest.New(t, shop()), who: map[string]tenant.Tenant{}}
	h.servers = isolation.Servers{"eu-1": {
		App: h.data.As(appRole), Migrator: h.data.URL, System: h.data.As(systemRole), MaxConns: 8,
	}}
	h.opts = &isolation.Options{
		Migrate: migrate, Logger: slog.New(slog.DiscardHandler),
		AcquireTimeout: time.Minute, // most tests are about other things, on machines of any speed
	}
	if change != nil {
		change(h)
	}
	var err error
	if h.tenants, err = tenant.NewRegistry(memtenant.New(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.tenants.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.tenants.Close)
	if h.DB, err = isolation.Open(t.Context(), h.tenants, h.servers, h.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	h.settle(t, "acme", tenant.Placement{Strategy: tenant.Shared})
	h.settle(t, "globex", tenant.Placement{Strategy: tenant.Shared})
	h.settle(t, "initech", tenant.Placement{Strategy: tenant.Schema, Schema: "initech"})
	own := h.data.Sibling(t)
	h.settle(t, "umbrella", tenant.Placement{Strategy: tenant.Database, Database: own.Name})
	return h
}

// settle makes a tenant with one order of its own.
func (h *house) settle(t testing.TB, slug string, p tenant.Placement) {
	t.Helper()
	p.Server = "eu-1"
	who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: slug, Placement: p, Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	h.who[slug] = who
	if _, err := h.Exec(h.as(t, slug), `INSERT INTO orders (id, item, total) VALUES (1, $1, 10)`, "of "+slug); err != nil {
		t.Fatal(err)
	}
}

// as returns a context that belongs to the tenant called slug.
func (h *house) as(t testing.TB, slug string) context.Context {
	t.Helper()
	return tenant.NewContext(t.Context(), h.who[slug])
}

// slugs are the tenants of every house.
func slugs() []string { return []string{"acme", "globex", "initech", "umbrella"} }

func TestEveryStrategyAnswersTheSameStatement(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range slugs() {
		for range 3 {
			var n int
			var item string
			err := h.QueryRow(h.as(t, slug), `SELECT count(*) OVER (), item FROM orders`).Scan(&n, &item)
			if err != nil || n != 1 || item != "of "+slug {
				t.Errorf("%s: %d %q %v", slug, n, item, err)
			}
		}
	}
	t.Log(h.Stats())
}
