package isolation_test

import (
	"context"
	"database/sql/driver"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/isolation"
)

// bomb panics wherever the library calls the host's code.
type bomb struct{}

func (bomb) Value() (driver.Value, error) { panic("boom") }

func (bomb) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	panic("boom")
}

func (bomb) Scan(any) error { panic("boom") }

// TestPanicsInTheHostsCode lets the host's code panic at every place that runs
// it. The panic goes on, and the one connection there is serves whoever is next.
func TestPanicsInTheHostsCode(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	ctx := h.as(t, "acme")
	const insert = `INSERT INTO orders (id, item) VALUES ($1, 'bomb')`
	batch := func(queue func(*pgx.Batch)) *pgx.Batch {
		var b pgx.Batch
		b.Queue(insert, 7)
		queue(&b)
		return &b
	}
	inTx := func(do func(pgx.Tx)) { _ = h.Tx(ctx, nil, func(tx pgx.Tx) error { do(tx); return nil }) }
	for name, call := range map[string]func(){
		"argument":            func() { _, _ = h.Exec(ctx, insert, bomb{}) },
		"argument in a batch": func() { h.SendBatch(ctx, batch(func(b *pgx.Batch) { b.Queue(insert, bomb{}) })) },
		"rewriter":            func() { _, _ = h.Exec(ctx, insert, bomb{}, 1) },
		"rewriter in a batch": func() { h.SendBatch(ctx, batch(func(b *pgx.Batch) { b.Queue(insert, bomb{}, 1) })) },
		"scan":                func() { _ = h.QueryRow(ctx, `SELECT item FROM orders`).Scan(&bomb{}) },
		"function of a batch": func() { _ = h.SendBatch(ctx, asked(func(q *pgx.QueuedQuery) { q.Exec(panics) })).Close() },
		"row of a batch": func() {
			_ = h.SendBatch(ctx, asked(func(q *pgx.QueuedQuery) { q.QueryRow(scans) })).Close()
		},
		"function of a tx":       func() { inTx(func(pgx.Tx) { panic("boom") }) },
		"argument in a tx":       func() { inTx(func(tx pgx.Tx) { _, _ = tx.Exec(ctx, insert, bomb{}) }) },
		"rows left open in a tx": func() { inTx(func(tx pgx.Tx) { _, _ = tx.Query(ctx, `SELECT 1`); panic("boom") }) },
		"batch left open in a tx": func() {
			inTx(func(tx pgx.Tx) { tx.SendBatch(ctx, batch(func(*pgx.Batch) {})); panic("boom") })
		},
		"source of a copy": func() {
			_, _ = h.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "item"},
				pgx.CopyFromFunc(func() ([]any, error) { panic("boom") }))
		},
		"rows of a fan-out": func() {
			scan := func(pgx.CollectableRow) (int, error) { panic("boom") }
			for range isolation.FanOut(isolation.AsSystem(t.Context(), "test"), h.DB, only(h.who["acme"]), scan, `SELECT 1`) {
				t.Error("a fan-out that panicked had an answer")
			}
		},
		"argument of the system's": func() { _, _ = h.Exec(isolation.AsSystem(t.Context(), "test"), insert, bomb{}) },
	} {
		func() {
			defer func() {
				if recover() != "boom" {
					t.Errorf("%s: the panic was swallowed", name)
				}
			}()
			call()
		}()
		h.clean(t)
		if s := h.Stats()["eu-1"]; s.Idle != s.Open || s.Waiting != 0 {
			t.Errorf("%s: left %+v", name, s)
		}
	}
}

// asked is a batch of queries, the first of which is read by how.
func asked(how func(*pgx.QueuedQuery)) *pgx.Batch {
	var b pgx.Batch
	how(b.Queue(`SELECT item FROM orders`))
	b.Queue(`SELECT item FROM orders`)
	return &b
}

func panics(pgconn.CommandTag) error { panic("boom") }

func scans(row pgx.Row) error { return row.Scan(&bomb{}) }

// TestPanicInConfigure lets the host's hook panic while a connection is made.
func TestPanicInConfigure(t *testing.T) {
	t.Parallel()
	armed := false
	h := build(t, func(h *house) {
		single(h)
		h.opts.Configure = func(context.Context, *pgx.Conn) error {
			if armed {
				armed = false
				panic("boom")
			}
			return nil
		}
	})
	h.EndIdle()
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic was swallowed")
			}
		}()
		armed = true
		_, _ = h.Exec(h.as(t, "initech"), `SELECT 1`)
		_, _ = h.Exec(h.as(t, "umbrella"), `SELECT 1`)
	}()
	h.clean(t)
}
