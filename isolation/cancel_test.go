package isolation_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// only is the list of one tenant.
func only(who tenant.Tenant) iter.Seq2[tenant.Tenant, error] {
	return func(yield func(tenant.Tenant, error) bool) { yield(who, nil) }
}

// waiting returns once a backend of the application's role waits for what kind
// says, as pg_stat_activity words it: a signal instead of a sleep.
func (h *house) waiting(t *testing.T, admin *pgx.Conn, kind, event string) {
	t.Helper()
	for {
		var found bool
		err := admin.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND usename = $1 AND wait_event_type = $2 AND wait_event = $3)`, appRole, kind, event).Scan(&found)
		if err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
	}
}

// TestCancelledWhileItRuns ends a request in the middle of a statement, in each
// of the ways that a statement can be under way. The caller gets the context's
// error; nothing was written; the next tenant is served.
func TestCancelledWhileItRuns(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	admin := h.data.Conn(t)
	const slow = `WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*)::text || pg_sleep(600) FROM gone`
	for name, run := range map[string]func(context.Context) error{
		"exec": func(ctx context.Context) error { _, err := h.Exec(ctx, slow); return err },
		"row":  func(ctx context.Context) error { return h.QueryRow(ctx, slow).Scan(new(string)) },
		"rows": func(ctx context.Context) error {
			rows, err := h.Query(ctx, slow)
			if err != nil {
				return err
			}
			_, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		},
		"batch": func(ctx context.Context) error {
			var b pgx.Batch
			b.Queue(`DELETE FROM orders`)
			b.Queue(slow)
			return h.SendBatch(ctx, &b).Close()
		},
		"tx": func(ctx context.Context) error {
			return h.Tx(ctx, nil, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `DELETE FROM orders`); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, slow)
				return err
			})
		},
		"std": func(ctx context.Context) error { _, err := h.StdDB().ExecContext(ctx, slow); return err },
	} {
		for _, warm := range []bool{false, true} {
			if warm {
				h.items(t, "acme") // then there is no gate to pass
			} else {
				h.items(t, "globex")
			}
			ctx, cancel := context.WithCancel(h.as(t, "acme"))
			done := make(chan error, 1)
			go func() { done <- run(ctx) }()
			h.waiting(t, admin, "Timeout", "PgSleep")
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%s, warm %v: %v", name, warm, err)
			}
			h.clean(t)
		}
	}
}

// TestCancelledAtTheGate ends a request that waits at the gate, because somebody
// is about to fence its tenant.
func TestCancelledAtTheGate(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	admin := h.data.Conn(t)
	h.items(t, "globex")
	if _, err := admin.Exec(t.Context(), `SELECT pg_advisory_lock(partywall.lock_key($1))`, h.who["acme"].Number); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(context.Context) error{
		"exec":  func(ctx context.Context) error { _, err := h.Exec(ctx, `DELETE FROM orders`); return err },
		"begin": func(ctx context.Context) error { _, err := h.Begin(ctx); return err },
		"batch": func(ctx context.Context) error {
			var b pgx.Batch
			b.Queue(`DELETE FROM orders`)
			return h.SendBatch(ctx, &b).Close()
		},
	} {
		ctx, cancel := context.WithCancel(h.as(t, "acme"))
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		h.waiting(t, admin, "Lock", "advisory")
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		h.clean(t, "acme")
	}
	if _, err := admin.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
	h.clean(t)
}

// TestCancelledBetweenStatements ends a request while nothing is under way.
func TestCancelledBetweenStatements(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	for name, end := range map[string]func(context.Context, pgx.Tx) error{
		"commit":   func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) },
		"rollback": func(ctx context.Context, tx pgx.Tx) error { return tx.Rollback(ctx) },
		"statement": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT 1`)
			return errors.Join(err, tx.Rollback(ctx))
		},
		"savepoint": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Begin(ctx)
			return errors.Join(err, tx.Rollback(ctx))
		},
		"batch": func(ctx context.Context, tx pgx.Tx) error {
			err := batchOf(ctx, tx)
			return errors.Join(err, tx.Rollback(ctx))
		},
		"after a read": func(ctx context.Context, tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, `SELECT 1`)
			rows.Close()
			return errors.Join(rows.Err(), tx.Rollback(ctx))
		},
	} {
		ctx, cancel := context.WithCancel(h.as(t, "acme"))
		tx, err := h.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM orders`); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := end(ctx, tx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		h.clean(t)
	}
}

func batchOf(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	b.Queue(`SELECT 1`)
	return tx.SendBatch(ctx, &b).Close()
}

// TestCancelledWhileReading ends a request between two of its rows.
func TestCancelledWhileReading(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	ctx, cancel := context.WithCancel(h.as(t, "acme"))
	defer cancel()
	rows, err := h.Query(ctx, `SELECT repeat(item, 1000) FROM orders, generate_series(1, 100000)`)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; rows.Next(); n++ {
		if n == 10 {
			cancel()
		}
	}
	if !errors.Is(rows.Err(), context.Canceled) {
		t.Errorf("got %v", rows.Err())
	}
	h.clean(t)
}

// TestCancelledFanOut stops in the middle of a list.
func TestCancelledFanOut(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx, cancel := context.WithCancel(isolation.AsSystem(t.Context(), "test"))
	defer cancel()
	var last error
	for r := range isolation.FanOut(ctx, h.DB, h.tenants.All(t.Context(), tenant.Query{}), pgx.RowTo[string], `SELECT item FROM orders`) {
		cancel()
		last = r.Err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v", last)
	}
	h.clean(t)
}
