package trial_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// The login roles of these tests belong to the cluster, and are made by whoever
// comes first.
const (
	appRole    = "trial_app"
	pooledRole = "trial_pooled"
)

// site is where a house is built.
type site struct {
	name      string                   // of the database that the shared tables are in
	superuser string                   // URL to it
	app       string                   // URL that serves tenants
	own       func(testing.TB) string  // makes a database for one tenant, and names it
	in        func(name string) string // the superuser's URL to a database
}

// testSite is a database of the test's own on the server that all tests share.
func testSite(t testing.TB, pooled bool) site {
	t.Helper()
	d := pgtest.New(t, nil)
	siblings := map[string]string{d.Name: d.URL}
	s := site{
		name: d.Name, superuser: d.URL, app: d.As(appRole),
		own: func(t testing.TB) string {
			t.Helper()
			sibling := d.Sibling(t)
			siblings[sibling.Name] = sibling.URL
			return sibling.Name
		},
		in: func(name string) string { return siblings[name] },
	}
	if pooled {
		s.app = d.Pooled(pooledRole)
	}
	return s
}

// house is an open wall with two tenants of each strategy behind it.
type house struct {
	*isolation.DB

	site

	tenants *tenant.Registry
	who     []tenant.Tenant
}

// build opens a house. The sql makes the host's tables and may run again; it
// may be nil to leave out what a server must have.
func build(t testing.TB, s site, m mode.Mode, sql string) *house {
	t.Helper()
	registry, err := tenant.NewRegistry(memtenant.New(), &tenant.Options{Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	h := &house{site: s, tenants: registry}
	h.open(t, registry, m, sql)
	h.settle(t)
	return h
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// open opens the wall over a registry.
func (h *house) open(t testing.TB, registry isolation.Registry, m mode.Mode, sql string) {
	t.Helper()
	var err error
	h.DB, err = isolation.Open(t.Context(), registry,
		isolation.Servers{"eu-1": {App: h.app, Pooled: m.Pooled, Migrator: h.superuser, MaxConns: 8}},
		&isolation.Options{
			ExecMode: m.Exec, Logger: silent(),
			AcquireTimeout: time.Minute, // these tests are about other things, on machines of any speed
			Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
				_, err := conn.Exec(ctx, sql)
				return err
			},
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
}

// settle gives two tenants of each strategy their places.
func (h *house) settle(t testing.TB) {
	t.Helper()
	for slug, p := range map[string]tenant.Placement{
		"shared-one":   {Strategy: tenant.Shared},
		"shared-two":   {Strategy: tenant.Shared},
		"schema-one":   {Strategy: tenant.Schema, Schema: "schema_one"},
		"schema-two":   {Strategy: tenant.Schema, Schema: "schema_two"},
		"database-one": {Strategy: tenant.Database},
		"database-two": {Strategy: tenant.Database},
	} {
		if p.Strategy == tenant.Database {
			p.Database = h.own(t)
		}
		p.Server = "eu-1"
		who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: slug, Placement: p, Status: tenant.Active})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Provision(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		h.who = append(h.who, who)
	}
}

// table returns where a tenant's rows of a table are, past the wall.
func (h *house) table(who tenant.Tenant, name string) (database string, table pgx.Identifier) {
	switch who.Placement.Strategy {
	case tenant.Schema:
		return h.name, pgx.Identifier{who.Placement.Schema, name}
	case tenant.Database:
		return who.Placement.Database, pgx.Identifier{"public", name}
	}
	return h.name, pgx.Identifier{"public", name}
}

// quiet ends what the app's roles still have under way in the databases, so
// that what is read afterwards is the last word: the server may be at work on a
// statement whose caller has long gone.
func (h *house) quiet(t testing.TB) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.superuser)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	databases := []string{h.name}
	for _, who := range h.who {
		if who.Placement.Database != "" {
			databases = append(databases, who.Placement.Database)
		}
	}
	_, err = conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
		WHERE datname = ANY ($1) AND usename IN ($2, $3)`, databases, appRole, pooledRole)
	if err != nil {
		t.Fatal(err)
	}
}
