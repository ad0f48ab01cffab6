package isolation_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
)

// TestNothingStaysInThePoolersSession runs what would stay in the pooler's
// connection, which ending ours does not end.
func TestNothingStaysInThePoolersSession(t *testing.T) {
	t.Parallel()
	h := build(t, (*house).pool)
	ctx := h.as(t, "acme")
	for _, sql := range []string{
		`SET work_mem = '123kB'`, `SET SESSION statement_timeout = 1`, `RESET ALL`, `PREPARE loot AS SELECT item FROM orders`,
		`DEALLOCATE ALL`, `EXECUTE loot`, `LISTEN loot`, `UNLISTEN *`, `DISCARD ALL`, `LOAD 'loot'`,
		`DECLARE loot CURSOR WITH HOLD FOR SELECT item FROM orders`, `declare loot cursor with /**/ Hold for select 1`,
		`DO $$ BEGIN SET work_mem = '123kB'; END $$`, `/**/;(;SET work_mem = '123kB'`,
	} {
		if _, err := h.Exec(ctx, sql); !errors.Is(err, isolation.ErrRefused) {
			t.Errorf("alone: %s: %v", sql, err)
		}
		var b pgx.Batch
		b.Queue(sql)
		err := h.Tx(ctx, nil, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			if err := tx.SendBatch(ctx, &b).Close(); !errors.Is(err, isolation.ErrRefused) {
				t.Errorf("in a batch: %s: %v", sql, err)
			}
			return err
		})
		if !errors.Is(err, isolation.ErrRefused) {
			t.Errorf("in a transaction: %s: %v", sql, err)
		}
	}
	err := h.Tx(ctx, nil, func(tx pgx.Tx) error { // what ends with the transaction is fine
		for _, sql := range []string{
			`SET LOCAL work_mem = '123kB'`, `DECLARE c CURSOR FOR SELECT item FROM orders`, `FETCH ALL FROM c`, `CLOSE c`, `SET CONSTRAINTS ALL DEFERRED`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	h.clean(t)
}

// TestHostileForgetsAfterABatch draws from a sequence in a batch in a
// transaction: the next tenant's session does not know what was drawn.
func TestHostileForgetsAfterABatch(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { single(h); h.opts.Hostile = true })
	if _, err := h.data.Conn(t).Exec(t.Context(), `CREATE SEQUENCE public.counter; GRANT USAGE ON SEQUENCE public.counter TO partywall_app`); err != nil {
		t.Fatal(err)
	}
	ctx := h.as(t, "acme")
	err := h.Tx(ctx, nil, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(`SELECT nextval('counter')`)
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := h.QueryRow(h.as(t, "globex"), `SELECT lastval()`).Scan(&n); sqlState(err) != "55000" {
		t.Errorf("globex learns that acme drew %d, %v", n, err)
	}
	h.clean(t)
}

// TestHostileSessionIsNotGivenOn gives acme's lease back: its session ends with
// it, because only the switch from one tenant to another is cleaned.
func TestHostileSessionIsNotGivenOn(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { single(h); h.opts.Hostile = true })
	pid := func(slug string) (pid int) {
		if err := h.QueryRow(h.as(t, slug), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	acmes := pid("acme")
	if globexs := pid("globex"); globexs != acmes {
		t.Fatalf("globex has the session %d, want acme's, %d, cleaned", globexs, acmes)
	}
	acmes = pid("acme")
	h.DropIdle("acme", h.who)
	if globexs := pid("globex"); globexs == acmes {
		t.Error("globex has acme's session, and nobody has cleaned it")
	}
	h.clean(t)
}

// TestFailedStatementKeepsNoLease fails right behind the gate: nobody knows for
// sure whose the session is, but whoever fences the tenant finds it.
func TestFailedStatementKeepsNoLease(t *testing.T) {
	t.Parallel()
	h := build(t, single)
	for range 2 { // the first time the statement is described behind a gate of its own
		h.items(t, "globex")
		if _, err := h.Exec(h.as(t, "acme"), `SELECT 1/0`); sqlState(err) != "22012" {
			t.Fatal(err)
		}
	}
	admin := h.data.Conn(t)
	if !leased(t, admin, h.who["acme"]) {
		t.Fatal("the session holds no lease of acme's")
	}
	h.DropIdle("acme", h.who)
	for leased(t, admin, h.who["acme"]) {
		if t.Context().Err() != nil {
			t.Fatal("a session that may hold acme's lease keeps it")
		}
	}
	h.clean(t)
}

// TestErrorsAtTheEnd come after a statement's rows: what was not committed is
// not reported as done.
func TestErrorsAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, mode)
			_, err := h.adminOf(t, "acme").Exec(t.Context(), `ALTER TABLE order_lines ALTER CONSTRAINT order_lines_tenant_id_order_id_fkey DEFERRABLE INITIALLY DEFERRED`)
			if err != nil {
				t.Fatal(err)
			}
			ctx := h.as(t, "acme")
			const orphan = `INSERT INTO order_lines (order_id, line) VALUES (99, 1)`
			for _, before := range []string{"globex", "acme"} { // behind a gate, and without one
				h.items(t, before)
				if _, err := h.Exec(ctx, orphan); sqlState(err) != "23503" {
					t.Errorf("exec after %s: %v", before, err)
				}
				h.items(t, before)
				var b pgx.Batch
				b.Queue(orphan)
				b.Queue(`SELECT 1`)
				if err := h.SendBatch(ctx, &b).Close(); sqlState(err) != "23503" {
					t.Errorf("batch after %s: %v", before, err)
				}
				h.items(t, before)
				err := h.Tx(ctx, nil, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, orphan); return err })
				if sqlState(err) != "23503" {
					t.Errorf("tx after %s: %v", before, err)
				}
			}
			h.clean(t)
		})
	}
}

// TestSessionsAreShutToEachOther looks at other sessions, and meddles with them.
func TestSessionsAreShutToEachOther(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	h.items(t, "globex")
	for _, sql := range []string{
		`SELECT count(query) FROM pg_stat_activity`, `SELECT pg_stat_get_backend_activity(1)`, `SELECT count(*) FROM pg_locks`,
		`SELECT statement FROM pg_prepared_statements`, `SELECT statement FROM pg_cursors`,
		`SELECT pg_terminate_backend(pg_backend_pid())`, `SELECT pg_cancel_backend(pg_backend_pid())`,
		`SELECT pg_logical_emit_message(true, 'partywall', 'forged')`,
	} {
		if _, err := h.Exec(h.as(t, "acme"), sql); sqlState(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	h.clean(t)
}
