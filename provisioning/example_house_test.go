package provisioning_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/provisioning"
)

// exampleEngine starts an engine on an empty catalog.
func exampleEngine(ctx context.Context, o *provisioning.Options) (engine *provisioning.Engine, catalog *pgxpool.Pool, closeEngine func()) {
	url, drop := exampleCatalog(ctx)
	catalog, err := pgxpool.New(ctx, url)
	if err != nil {
		panic(err)
	}
	if engine, err = provisioning.New(catalog, nil, o); err != nil {
		panic(err)
	}
	if err := engine.Start(ctx); err != nil {
		panic(err)
	}
	return engine, catalog, func() {
		if err := engine.Stop(ctx); err != nil {
			panic(err)
		}
		catalog.Close()
		drop()
	}
}

// exampleCatalog stands for the host's configuration: a database for this
// example.
func exampleCatalog(ctx context.Context) (catalog string, drop func()) {
	server := os.Getenv("PARTYWALL_TEST_POSTGRES")
	admin, err := pgx.Connect(ctx, server)
	if err != nil {
		panic(err)
	}
	at, err := url.Parse(server)
	if err != nil {
		panic(err)
	}
	at.Path = "pw_example_" + strings.ToLower(rand.Text()[:8])
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+at.Path); err != nil {
		panic(err)
	}
	return at.String(), func() {
		if _, err := admin.Exec(ctx, "DROP DATABASE "+at.Path+" WITH (FORCE)"); err != nil {
			panic(err)
		}
		if err := admin.Close(ctx); err != nil {
			panic(err)
		}
	}
}
