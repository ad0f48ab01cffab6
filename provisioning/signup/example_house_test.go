package signup_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// exampleHouse stands for what the host has: a catalog, and a database behind
// the wall with the tables of a small shop.
func exampleHouse(ctx context.Context) (catalog *pgxpool.Pool, tenants *pgtenant.Catalog, db *isolation.DB, closeHouse func()) {
	at, drop := exampleDatabase(ctx)
	catalog, err := pgxpool.New(ctx, at("", "example_catalog"))
	if err != nil {
		panic(err)
	}
	if tenants, err = pgtenant.Open(ctx, catalog, nil); err != nil {
		panic(err)
	}
	servers := isolation.Servers{"eu-1": {App: at("example_app", "example_data"), Migrator: at("", "example_data")}}
	db, err = isolation.Open(ctx, tenants, servers, &isolation.Options{
		Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
			_, err := conn.Exec(ctx, `
				CREATE TABLE IF NOT EXISTS records (
					tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
					id        bigint,
					title     text NOT NULL,
					PRIMARY KEY (tenant_id, id));
				SELECT partywall.protect('records')`)
			return err
		},
	})
	if err != nil {
		panic(err)
	}
	return catalog, tenants, db, func() {
		db.Close()
		tenants.Close()
		catalog.Close()
		drop()
	}
}

// exampleDatabase makes databases for one example, by the names that at is
// asked for.
func exampleDatabase(ctx context.Context) (at func(user, database string) string, drop func()) {
	admin, err := pgx.Connect(ctx, os.Getenv("PARTYWALL_TEST_POSTGRES"))
	if err != nil {
		panic(err)
	}
	run := func(sql string) {
		if _, err := admin.Exec(ctx, sql); err != nil {
			panic(err)
		}
	}
	suffix := "_" + strings.ToLower(rand.Text()[:8])
	databases := []string{"example_catalog", "example_data"}
	for _, name := range databases {
		run("CREATE DATABASE " + name + suffix)
	}
	at = func(user, database string) string {
		server, err := url.Parse(os.Getenv("PARTYWALL_TEST_POSTGRES"))
		if err != nil {
			panic(err)
		}
		server.Path = database + suffix
		if user != "" {
			server.User = url.User(user)
		}
		return server.String()
	}
	return at, func() {
		for _, name := range databases {
			run("DROP DATABASE " + name + suffix + " WITH (FORCE)")
		}
		if err := admin.Close(ctx); err != nil {
			panic(err)
		}
	}
}
