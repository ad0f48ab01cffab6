package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation/isolationtest"
	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
)

// TestNoLeaks drives every route of the site as one store with the identifiers
// of another, for stores that are kept in every way.
func TestNoLeaks(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.New(t, nil).URL, withDatabase)
	prove.Check(t, h.chain.DB)
	shared, schema, database := h.all(t, tenant.Shared), h.all(t, tenant.Schema), h.all(t, tenant.Database)
	for _, pair := range [][2]tenant.Tenant{{shared[0], shared[1]}, {shared[2], schema[0]}, {schema[1], database[0]}} {
		t.Run(fmt.Sprintf("%s and %s", pair[0].Placement.Strategy, pair[1].Placement.Strategy), func(t *testing.T) {
			t.Parallel()
			isolationtest.Run(t, h.driven(t, pair))
		})
	}
}

// driven is the site as the kit sees it.
func (h *house) driven(t *testing.T, pair [2]tenant.Tenant) isolationtest.Host {
	t.Helper()
	log := &isolationtest.Sink{Name: "log"}
	site, err := web.New(parts(h.chain), &web.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	host := isolationtest.Host{
		Handler: site,
		Routes: append(
			isolationtest.Routes("GET /", "GET /api/summary", "GET /api/invoices?limit=1000", "GET /api/invoices/{id}",
				"GET /catalogue", "GET /covers/1", "GET /invoices/{id}",
				"GET /api/customers?limit=1000", "DELETE /api/customers/{id}"),
			isolationtest.Routes("POST /api/customers")[0].
				With("application/json", `{"first_name": "New", "last_name": "Customer", "email": "{email}"}`)),
		Sinks: []*isolationtest.Sink{log},
		Seed:  h.plant,
	}
	for i, store := range pair {
		host.Tenants[i] = isolationtest.Tenant{
			Name: store.Slug, Aliases: []string{store.Slug, strconv.FormatInt(store.Number, 10), store.ID.String()},
			As: func(r *http.Request) { r.Host = store.Slug + "." + web.Base },
		}
	}
	return host
}

// plant gives a store two customers with a canary, of whom one has bought
// something, so that the other can be deleted.
func (h *house) plant(ctx context.Context, who *isolationtest.Tenant) error {
	store, err := h.chain.Tenants.Lookup(ctx, tenant.BySlug(who.Name))
	if err != nil {
		return err
	}
	ctx = tenant.NewContext(ctx, store)
	return h.chain.DB.Tx(ctx, nil, func(tx pgx.Tx) error {
		var buyer, idle, invoice int32
		const customer = `INSERT INTO customer (first_name, last_name, country, email) VALUES ('Canary', $1, $1, $2) RETURNING customer_id`
		if err := tx.QueryRow(ctx, customer, who.Canary, who.Canary+"@buyer.test").Scan(&buyer); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, customer, who.Canary, who.Canary+"@idle.test").Scan(&idle); err != nil {
			return err
		}
		const sale = `INSERT INTO invoice (invoice_id, customer_id, invoice_date, total) VALUES ($1 + 1000000, $1, now(), 1000) RETURNING invoice_id`
		if err := tx.QueryRow(ctx, sale, buyer).Scan(&invoice); err != nil {
			return err
		}
		who.IDs["invoices.id"], who.IDs["customers.id"] = strconv.Itoa(int(invoice)), strconv.Itoa(int(idle))
		who.IDs["email"] = who.Canary[:12] + "@new.test"
		return nil
	})
}
