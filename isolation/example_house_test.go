package isolation_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// exampleMigrate brings the host's tables up to date. A real one runs a
// migration tool.
func exampleMigrate(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
	_, err := conn.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS orders (
			tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
			id        bigint,
			item      text NOT NULL,
			PRIMARY KEY (tenant_id, id));
		SELECT partywall.protect('orders')`)
	return err
}

// exampleHouse is what the other examples begin with: an open DB, and the
// contexts that a request of acme's and one of globex's would come with.
func exampleHouse(ctx context.Context) (db *isolation.DB, acme, globex context.Context, closeHouse func()) {
	tenants := exampleTenants(ctx)
	servers, drop := exampleServers(ctx)
	db, err := isolation.Open(ctx, tenants, servers, &isolation.Options{Migrate: exampleMigrate})
	if err != nil {
		panic(err)
	}
	shared := tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}
	requests := make([]context.Context, 0, 2)
	for _, slug := range []string{"acme", "globex"} {
		t, err := tenants.Create(ctx, tenant.Spec{Slug: slug, Placement: shared, Status: tenant.Active})
		if err != nil {
			panic(err)
		}
		requests = append(requests, tenant.NewContext(ctx, t))
	}
	return db, requests[0], requests[1], func() {
		db.Close()
		tenants.Close()
		drop()
	}
}

// exampleTenants stands for the host's catalog.
func exampleTenants(ctx context.Context) *tenant.Registry {
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		panic(err)
	}
	if err := tenants.Start(ctx); err != nil {
		panic(err)
	}
	return tenants
}

// exampleServers stands for the host's configuration: one server, with an empty
// database for this example.
func exampleServers(ctx context.Context) (servers isolation.Servers, drop func()) {
	admin, err := pgx.Connect(ctx, os.Getenv("PARTYWALL_TEST_POSTGRES"))
	if err != nil {
		panic(err)
	}
	name := "pw_example_" + strings.ToLower(rand.Text()[:8])
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		panic(err)
	}
	as := func(user string) string {
		at, err := url.Parse(os.Getenv("PARTYWALL_TEST_POSTGRES"))
		if err != nil {
			panic(err)
		}
		at.Path = name
		if user != "" {
			at.User = url.User(user)
		}
		return at.String()
	}
	servers = isolation.Servers{"eu-1": {App: as("example_app"), Migrator: as(""), System: as("example_system")}}
	return servers, func() {
		if _, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			panic(err)
		}
		if err := admin.Close(ctx); err != nil {
			panic(err)
		}
	}
}

// order inserts an order of whoever the context belongs to.
func order(ctx context.Context, db *isolation.DB, item string) {
	if _, err := db.Exec(ctx, `INSERT INTO orders (id, item) VALUES (1, $1)`, item); err != nil {
		fmt.Println(err)
	}
}
