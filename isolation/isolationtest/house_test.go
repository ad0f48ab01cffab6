package isolationtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/isolation/isolationtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// house is a host behind the wall: two shops that share their tables, and what
// serves them.
type house struct {
	data    *pgtest.Database
	admin   *pgx.Conn
	tenants *tenant.Registry
	db      *isolation.DB
	server  isolation.Server
	role    string
	who     [2]tenant.Tenant

	// What mutations of the wiring replace.
	query func(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	edge  func(http.Handler) http.Handler
}

const schema = `
	CREATE TABLE orders (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		id        bigint NOT NULL,
		item      text   NOT NULL,
		PRIMARY KEY (tenant_id, id));
	CREATE TABLE notes (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		order_id  bigint NOT NULL,
		note      text   NOT NULL,
		FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id) ON DELETE CASCADE);
	SELECT partywall.protect('orders'), partywall.protect('notes')`

// build opens a house, behind PgBouncer or directly. Its role is its own,
// since tests turn it into what no other test should meet.
func build(t *testing.T, pooled bool) *house {
	t.Helper()
	h := &house{data: pgtest.New(t, nil), role: pgtest.Role(t, "mutate", "LOGIN")}
	h.server = isolation.Server{App: h.data.As(h.role), Migrator: h.data.URL, System: h.data.As(pgtest.Role(t, "mutate", "LOGIN"))}
	if pooled {
		h.server.App, h.server.Pooled = h.data.Pooled(h.role), true
	}
	var err error
	if h.tenants, err = tenant.NewRegistry(memtenant.New(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.tenants.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.tenants.Close)
	if h.db, err = h.open(t.Context(), h.tenants); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.db.Close)
	for i, slug := range []string{"acme", "globex"} {
		h.who[i], err = h.tenants.Create(t.Context(), tenant.Spec{Slug: slug, Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}, Status: tenant.Active})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.db.Provision(t.Context(), h.who[i]); err != nil {
			t.Fatal(err)
		}
	}
	h.admin = h.data.Conn(t)
	h.query, h.edge = h.db.Query, httptenant.Middleware(h.tenants, httptenant.Subdomain("shop.test"), nil)
	return h
}

func (h *house) open(ctx context.Context, tenants isolation.Registry) (*isolation.DB, error) {
	return isolation.Open(ctx, tenants, isolation.Servers{"eu-1": h.server}, &isolation.Options{
		FenceWait: -1, Logger: slog.New(slog.DiscardHandler), AcquireTimeout: time.Minute,
		Migrate: func(ctx context.Context, conn *pgx.Conn, _ isolation.Target) error {
			var there bool
			if err := conn.QueryRow(ctx, `SELECT to_regclass('orders') IS NOT NULL`).Scan(&there); err != nil || there {
				return err
			}
			_, err := conn.Exec(ctx, schema)
			return err
		},
	})
}

// handler serves orders, as a host would.
func (h *house) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, `SELECT o.id, o.item || ' ' || COALESCE(string_agg(n.note, ' '), '') FROM orders o LEFT JOIN notes n ON n.order_id = o.id GROUP BY 1, o.item ORDER BY 1`)
	})
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, `SELECT id, item FROM orders WHERE id = $1`, r.PathValue("id"))
	})
	mux.HandleFunc("DELETE /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, `DELETE FROM orders WHERE id = $1 RETURNING id, item`, r.PathValue("id"))
	})
	mux.HandleFunc("POST /orders/{id}/notes", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, `INSERT INTO notes (order_id, note) VALUES ($1, 'noted') RETURNING order_id, note`, r.PathValue("id"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.edge(mux).ServeHTTP(w, r) })
}

// row is one of an answer.
type row struct {
	ID   int64  `json:"id"`
	Item string `json:"item"`
}

func (h *house) answer(w http.ResponseWriter, r *http.Request, sql string, args ...any) {
	rows, err := h.query(r.Context(), sql, args...)
	if err != nil {
		http.Error(w, "failed", http.StatusInternalServerError)
		return
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	switch {
	case err != nil:
		http.Error(w, "failed", http.StatusInternalServerError)
	case len(got) == 0 && r.PathValue("id") != "":
		http.Error(w, "there is no such order", http.StatusNotFound)
	default:
		_ = json.NewEncoder(w).Encode(got) //nolint:errchkjson // the client may have gone
	}
}

// host is the house as the kit sees it.
func (h *house) host() isolationtest.Host {
	next := int64(0)
	var tenants [2]isolationtest.Tenant
	for i, who := range h.who {
		tenants[i] = isolationtest.Tenant{
			Name: who.Slug, As: func(r *http.Request) { r.Host = who.Slug + ".shop.test" },
			Aliases: []string{who.Slug, strconv.FormatInt(who.Number, 10), who.ID.String()},
		}
	}
	return isolationtest.Host{
		Handler: h.handler(), Tenants: tenants,
		Routes: isolationtest.Routes("GET /orders", "GET /orders/{id}", "DELETE /orders/{id}", "POST /orders/{id}/notes"),
		Seed: func(ctx context.Context, t *isolationtest.Tenant) error {
			who := h.who[0]
			if t.Name == h.who[1].Slug {
				who = h.who[1]
			}
			next++
			id := next*1000 + who.Number
			t.IDs["orders.id"] = strconv.FormatInt(id, 10)
			ctx = tenant.NewContext(ctx, who)
			return h.db.Tx(ctx, nil, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO orders (id, item) VALUES ($1, $2)`, id, t.Canary)
				_, noted := tx.Exec(ctx, `INSERT INTO notes (order_id, note) VALUES ($1, $2)`, id, "note of "+t.Canary)
				return errors.Join(err, noted)
			})
		},
	}
}
