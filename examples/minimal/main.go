// Command minimal serves every tenant its own orders, on its own subdomain.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

func run(ctx context.Context) error {
	catalog, err := pgxpool.New(ctx, os.Getenv("CATALOG_URL"))
	if err != nil {
		return err
	}
	defer catalog.Close()
	tenants, err := pgtenant.Open(ctx, catalog, nil) // who the tenants are
	if err != nil {
		return err
	}
	defer tenants.Close()
	db, err := isolation.Open(ctx, tenants, isolation.Servers{ // where their rows are
		"eu-1": {App: os.Getenv("APP_URL"), Migrator: os.Getenv("MIGRATOR_URL")},
	}, &isolation.Options{Migrate: migrate}) // refuses to open when the wall is not standing
	if err != nil {
		return err
	}
	defer db.Close()
	if err := signUp(ctx, tenants, "acme", "globex"); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		rows, _ := db.Query(r.Context(), `SELECT item FROM orders ORDER BY id`) // no tenant_id in sight
		items, err := pgx.CollectRows(rows, pgx.RowTo[string])
		answer(w, items, err)
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		_, err := db.Exec(r.Context(), `INSERT INTO orders (item) VALUES ($1)`, r.FormValue("item"))
		answer(w, nil, err)
	})
	return serve(ctx, httptenant.Middleware(tenants, httptenant.Subdomain("localhost"), nil)(mux))
}
