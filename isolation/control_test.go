package isolation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// endings are statements that would end a transaction, or begin one, behind
// the library's back, as PostgreSQL reads them.
func endings() []string {
	return []string{
		`COMMIT`, `commit work`, `COMMIT AND CHAIN`, `END`, `ROLLBACK`, `ROLLBACK AND CHAIN`, `ABORT`, `abort transaction`,
		`BEGIN`, `BEGIN READ WRITE`, `START TRANSACTION`, `PREPARE TRANSACTION 'x'`, `COMMIT PREPARED 'x'`, `ROLLBACK PREPARED 'x'`,
		";COMMIT", " \t\r\n\f; ;COMMIT;", "/* a */COMMIT", "/* a /* nested */ b */ COMMIT", "-- a\nCOMMIT", "-- a\rCOMMIT",
		"/**/--\n/*;*/;COMMIT--", "/* -- */ COMMIT", "/*/**/*/ROLLBACK/**/WORK",
	}
}

// TestStatementsCannotEndTheTransaction runs them everywhere a statement can
// be written. None is sent.
func TestStatementsCannotEndTheTransaction(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx := h.as(t, "acme")
	for _, sql := range endings() {
		tx, err := h.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM orders`); err != nil {
			t.Error(err)
		}
		var b pgx.Batch
		b.Queue(`SELECT 1`)
		b.Queue(sql)
		_, exec := tx.Exec(ctx, sql)
		_, query := tx.Query(ctx, sql)
		_, prepare := tx.Prepare(ctx, "x", sql)
		_, alone := h.Exec(ctx, sql)
		_, std := h.StdDB().ExecContext(ctx, sql)
		for where, err := range map[string]error{
			"exec": exec, "query": query, "row": tx.QueryRow(ctx, sql).Scan(), "batch": tx.SendBatch(ctx, &b).Close(), "prepare": prepare,
			"alone": alone, "batch alone": h.SendBatch(ctx, &b).Close(), "std": std,
		} {
			if !errors.Is(err, isolation.ErrRefused) {
				t.Errorf("%s: %q: %v", where, sql, err)
			}
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Errorf("%q: %v", sql, err)
		}
	}
	h.clean(t)
}

// TestTenantsLockNoTables runs what would lock others out of a table, or tell
// whether they work on it, by waiting. The system may, and so may a tenant lock
// its rows.
func TestTenantsLockNoTables(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*house){"bound": nil, "pooled": (*house).pool} {
		h := build(t, change)
		ctx := h.as(t, "acme")
		for _, sql := range []string{
			`LOCK orders`, `lock table orders in access exclusive mode nowait`, "/* a */;--\rLOCK orders", `DO $$ BEGIN LOCK orders; END $$`, `do language plpgsql ''`,
			`CREATE TRIGGER x BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION x()`, `CREATE OR REPLACE TRIGGER x`, `create/**/constraint/**/trigger x`,
			`CREATE RULE x AS ON INSERT TO orders DO NOTHING`, `CREATE OR/* */REPLACE RULE x`,
		} {
			var b pgx.Batch
			b.Queue(sql)
			_, alone := h.Exec(ctx, sql)
			err := h.Tx(ctx, nil, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, sql)
				return err
			})
			for where, err := range map[string]error{"alone": alone, "transaction": err, "batch": h.SendBatch(ctx, &b).Close()} {
				if !errors.Is(err, isolation.ErrRefused) {
					t.Errorf("%s, %s: %q: %v", name, where, sql, err)
				}
			}
		}
		for ctx, sql := range map[context.Context]string{
			isolation.AsSystem(t.Context(), "test"): `LOCK TABLE orders`, ctx: `SELECT FROM orders FOR UPDATE`,
		} {
			err := h.Tx(ctx, nil, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, sql)
				return err
			})
			if err != nil {
				t.Errorf("%s: %s: %v", name, sql, err)
			}
		}
		if _, err := h.Exec(ctx, `CREATE TABLE public.x (n int)`); sqlState(err) != "42501" {
			t.Errorf("%s: what has no lock to take is PostgreSQL's to refuse: %v", name, err)
		}
		h.clean(t)
	}
}

// TestSavepointsByStatement are what GORM and bun send.
func TestSavepointsByStatement(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx := h.as(t, "acme")
	err := h.Tx(ctx, nil, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`SAVEPOINT a`, `DELETE FROM orders`, `ROLLBACK TO SAVEPOINT a`, `DELETE FROM orders`, `rollback /* x */ work to a`,
			`DELETE FROM orders`, `ROLLBACK TRANSACTION TO a`, `RELEASE SAVEPOINT a`,
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

// TestSuspendedTenantCannotMakeItselfWritable tries what turns a transaction
// that may only read into one that may write.
func TestSuspendedTenantCannotMakeItselfWritable(t *testing.T) {
	t.Parallel()
	for _, pooled := range []bool{false, true} {
		h := build(t, func(h *house) {
			if pooled {
				h.pool()
			}
		})
		suspended, err := h.tenants.Suspend(t.Context(), h.who["acme"].ID, tenant.ReasonPayment)
		if err != nil {
			t.Fatal(err)
		}
		ctx := tenant.Admit(t.Context(), suspended)
		for _, sql := range append(endings(),
			`SET TRANSACTION READ WRITE`, `SET transaction_read_only = off`, `SET LOCAL transaction_read_only TO off`,
			`SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE`, `SET default_transaction_read_only = off`,
			`SELECT set_config('transaction_read_only', 'off', true)`,
			`RESET transaction_read_only`, `RESET ALL`, `SET LOCAL transaction_read_only TO DEFAULT`, `SET TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED`,
			`DO $$ BEGIN RESET transaction_read_only; END $$`, `CALL nothing()`, `EXECUTE nothing`, `DO $$ BEGIN SET TRANSACTION READ WRITE; END $$`,
			`DO $$ BEGIN COMMIT; DELETE FROM orders; END $$`, `DO $$ BEGIN ROLLBACK; SET TRANSACTION READ WRITE; DELETE FROM orders; END $$`,
			`WITH gone AS (DELETE FROM orders RETURNING item) SELECT item FROM gone`, `EXPLAIN ANALYZE DELETE FROM orders`,
		) {
			tx, err := h.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = tx.Exec(ctx, sql) // whatever it says, it must not help
			if tag, err := tx.Exec(ctx, `DELETE FROM orders`); err == nil {
				t.Errorf("pooled %v: %q: %s", pooled, sql, tag)
			}
			_ = tx.Rollback(ctx) // it may be broken
			_, _ = h.Exec(ctx, sql)
			var item string
			if err := h.QueryRow(ctx, `SELECT item FROM orders`).Scan(&item); err != nil || item != "of acme" {
				t.Errorf("pooled %v: %q: then %q, %v", pooled, sql, item, err)
			}
		}
		h.clean(t, "acme")
	}
}
