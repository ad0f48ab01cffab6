package schema_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// A host's migrations are files of its program; here they are written out.
func exampleFiles() fstest.MapFS {
	return fstest.MapFS{
		"001_orders.sql": {Data: []byte(`-- +goose Up
CREATE TABLE orders (
	tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
	id        bigint NOT NULL,
	item      text   NOT NULL,
	PRIMARY KEY (tenant_id, id));
SELECT partywall.protect('orders');
`)},
		"002_note.sql": {Data: []byte("-- +goose Up\nALTER TABLE orders ADD COLUMN note text;\n")},
	}
}

// Example brings every tenant's tables to a new release: what would run where is
// looked at first, and then it runs.
func Example() {
	ctx := context.Background()
	admin, pool, servers := exampleServers(ctx)
	tenants, err := pgtenant.Open(ctx, pool, nil)
	if err != nil {
		panic(err)
	}
	// The release before has the first file only.
	before, err := schema.Load(fstest.MapFS{"001_orders.sql": exampleFiles()["001_orders.sql"]}, nil)
	if err != nil {
		panic(err)
	}
	db, err := isolation.Open(ctx, tenants, servers, &isolation.Options{Migrate: before.Migrate})
	if err != nil {
		panic(err)
	}
	for _, slug := range []string{"acme", "globex"} {
		t, err := tenants.Create(ctx, tenant.Spec{Slug: slug, Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: slug}})
		if err != nil {
			panic(err)
		}
		if err := db.Provision(ctx, t); err != nil {
			panic(err)
		}
	}

	migrations, err := schema.Load(exampleFiles(), nil)
	if err != nil {
		panic(err)
	}
	for _, finding := range migrations.Lint() {
		fmt.Println(finding)
	}
	fleet, err := schema.New(pool, db, tenants, migrations, nil)
	if err != nil {
		panic(err)
	}
	plan, err := fleet.Plan(ctx, nil)
	if err != nil {
		panic(err)
	}
	for _, p := range plan {
		fmt.Println("would run", p.Runs[0].File, "in", p.Place.Schema)
	}
	for range 2 {
		report, err := fleet.Apply(ctx, nil)
		if err != nil {
			panic(err)
		}
		fmt.Println(report.Counts[schema.Applied], "applied,", report.Counts[schema.Current], "current,", report.Err())
	}

	db.Close()
	tenants.Close()
	pool.Close()
	exampleDrop(ctx, admin, pool.Config().ConnConfig.Database)
	// Output:
	// would run 002_note.sql in public
	// would run 002_note.sql in acme
	// would run 002_note.sql in globex
	// 3 applied, 0 current, <nil>
	// 0 applied, 3 current, <nil>
}

// exampleServers stands for the host's configuration: one server, with an empty
// database for this example, in which the catalog is too.
func exampleServers(ctx context.Context) (admin *pgx.Conn, pool *pgxpool.Pool, servers isolation.Servers) {
	admin, err := pgx.Connect(ctx, os.Getenv("PARTYWALL_TEST_POSTGRES"))
	if err != nil {
		panic(err)
	}
	at, err := url.Parse(os.Getenv("PARTYWALL_TEST_POSTGRES"))
	if err != nil {
		panic(err)
	}
	at.Path = "pw_example_" + strings.ToLower(rand.Text()[:8])
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+at.Path); err != nil {
		panic(err)
	}
	migrator := at.String()
	at.User = url.User("example_app")
	if pool, err = pgxpool.New(ctx, migrator); err != nil {
		panic(err)
	}
	return admin, pool, isolation.Servers{"eu-1": {App: at.String(), Migrator: migrator}}
}

func exampleDrop(ctx context.Context, admin *pgx.Conn, name string) {
	if _, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
		panic(err)
	}
	if err := admin.Close(ctx); err != nil {
		panic(err)
	}
}
