package pgtenant_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// A tenant and the host's own row about it are made by one transaction.
func ExampleCatalog_WithTx() {
	ctx := context.Background()
	pool, drop := exampleDatabase(ctx, `CREATE TABLE account (tenant_id bigint, owner text)`)
	defer drop()
	tenants, err := pgtenant.Open(ctx, pool, nil)
	if err != nil {
		panic(err)
	}
	defer tenants.Close()

	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		acme, err := tenants.WithTx(tx).Create(ctx, tenant.Spec{Slug: "acme"})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO account (tenant_id, owner) VALUES ($1, $2)`, acme.Number, "jane@example.com")
		return err
	})
	fmt.Println(err)

	acme, err := tenants.Refresh(ctx, tenant.BySlug("acme"))
	fmt.Println(acme.Status, err)
	// Output:
	// <nil>
	// pending <nil>
}

// exampleDatabase stands for the host's catalog database.
func exampleDatabase(ctx context.Context, sql string) (pool *pgxpool.Pool, drop func()) {
	admin, err := pgx.Connect(ctx, os.Getenv("PARTYWALL_TEST_POSTGRES"))
	if err != nil {
		panic(err)
	}
	name := "pw_example_" + strings.ToLower(rand.Text()[:8])
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		panic(err)
	}
	config, err := pgxpool.ParseConfig(os.Getenv("PARTYWALL_TEST_POSTGRES"))
	if err != nil {
		panic(err)
	}
	config.ConnConfig.Database = name
	pool, err = pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		panic(err)
	}
	if _, err := pool.Exec(ctx, sql); err != nil {
		panic(err)
	}
	return pool, func() {
		pool.Close()
		if _, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			panic(err)
		}
		if err := admin.Close(ctx); err != nil {
			panic(err)
		}
	}
}
