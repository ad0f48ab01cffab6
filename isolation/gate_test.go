package isolation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestSQLCannotForgeATenant runs what an injected statement could try, as
// acme, in every strategy. Whatever it gets, it is nothing of globex's.
func TestSQLCannotForgeATenant(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	other := h.who["globex"].Number
	for _, slug := range []string{"acme", "initech", "umbrella"} {
		ctx := h.as(t, slug)
		for _, sql := range []string{
			`SELECT setval('partywall.mark', $1)::text`,
			`SELECT nextval('partywall.mark')::text || $1::bigint`,
			`SELECT partywall.bind(0, $1, 1, false, -1)::text`,
			`SELECT partywall.bind(NULL, $1, 1, false, -1)::text`,
			`SELECT partywall.bind(NULL, $1, 1, true, NULL)::text`,
			`SELECT partywall.rebind(0, $1, 1, 1, 'public')::text`,
			`SELECT partywall.rebind(NULL, $1, 1, (SELECT last_value FROM partywall.turn), NULL)::text`,
			`SELECT partywall.rebind(NULL, $1, NULL, NULL, NULL)::text`,
			`SELECT nextval('partywall.turn')::text || $1::bigint`,
			`WITH forged AS MATERIALIZED (SELECT partywall.bind(NULL, $1, 1, false, -1) AS n) SELECT item FROM forged, public.orders WHERE n > 0 AND item LIKE '%globex%'`,
			`SELECT partywall.enter(NULL, $1, 1, false, -1, NULL, NULL)::text`,
			`SELECT partywall.open_session(NULL, NULL, NULL, NULL)::text || $1::bigint`,
			`SELECT partywall.open_session(1, $1, NULL, NULL)::text`,
			`SELECT partywall.verify(1, NULL, NULL)::text || $1::bigint`,
			`SELECT partywall.bind(currval('partywall.secret'), $1, 1, false, -1)::text`,
			`SELECT last_value::text || $1::bigint FROM partywall.secret`,
			`SELECT partywall.open_session(1, $1, 4102444800, '\x00')::text`,
			`SELECT partywall.enter(1, $1, 1, false, -1, 4102444800, '\x00')::text`,
			`SELECT partywall.admit($1, 99, 'a', 'public', NULL, NULL)::text`,
			`SELECT partywall.evict($1)::text`,
			`SELECT secret::text || $1::bigint FROM partywall.key`,
			`SELECT path || $1::bigint FROM partywall.fence`,
			`UPDATE partywall.fence SET state = 'a' WHERE tenant_id = $1`,
			`SELECT set_config('partywall.mark', $1::bigint::text, false)`,
			`SELECT pg_advisory_unlock_all()::text || $1::bigint`,
			`SELECT lo_from_bytea(0, $1::bigint::text::bytea)::text`,
			`WITH forged AS (SELECT set_config('search_path', 'public', false), $1::bigint) SELECT item FROM orders, forged WHERE item NOT LIKE 'of ` + slug + `'`,
			`SELECT item FROM public.orders WHERE tenant_id = $1`,
			`SELECT item FROM orders WHERE tenant_id = $1 UNION ALL SELECT item FROM public.orders WHERE item <> 'of ` + slug + `'`,
			`UPDATE orders SET tenant_id = $1`,
			`INSERT INTO public.orders (tenant_id, id, item) VALUES ($1, 77, 'planted') RETURNING item`,
			`INSERT INTO public.orders (tenant_id, id, item) VALUES ($1, 1, 'x') ON CONFLICT (tenant_id, id) DO UPDATE SET item = 'stolen' RETURNING item`,
			`DELETE FROM public.orders WHERE tenant_id = $1 RETURNING item`,
			`TRUNCATE orders`,
			`COPY orders TO STDOUT`,
			`SELECT item FROM orders; SELECT item FROM orders WHERE tenant_id = 2`,
			`SET ROLE partywall_owner`,
			`SET ROLE partywall_system`,
			`SET SESSION AUTHORIZATION partywall`,
			`SET row_security = off`,
			`CREATE TEMP TABLE orders (item text)`,
			`CREATE TABLE public.loot (item text)`,
			`DO $do$ BEGIN PERFORM setval('partywall.mark', 2); END $do$`,
		} {
			var args []any
			if strings.Contains(sql, "$1") {
				args = append(args, other)
			}
			rows, err := h.Query(ctx, sql, args...)
			if err == nil {
				var got []string
				got, err = pgx.CollectRows(rows, pgx.RowTo[string])
				if len(got) > 0 {
					t.Errorf("%s: %s\n\tgot %q", slug, sql, got)
				}
			}
			if err != nil && strings.Contains(err.Error(), "globex") {
				t.Errorf("%s: %s\n\tsays %v", slug, sql, err)
			}
		}
	}
	h.clean(t)
}

// TestGateByHand goes through the wall's functions on a plain connection of
// the application's role: the positive control shows that they work with the
// key, and the rest that they do not without.
func TestGateByHand(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx := t.Context()
	key, err := isolation.Newest(ctx, h.data.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, h.data.As(appRole))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	pid, soon := conn.PgConn().PID(), time.Now().Add(time.Minute).Unix()
	var got any
	call := func(sql string, args ...any) string {
		if err := conn.QueryRow(ctx, sql, args...).Scan(&got); err != nil {
			return sqlState(err)
		}
		return "ok"
	}
	const open, bind = `SELECT partywall.open_session($1, $2, $3, $4)`, `SELECT partywall.bind($1, $2, $3, $4, -1)`
	acme, globex := h.who["acme"].Number, h.who["globex"].Number
	mac := key.SignSession(42, pid, soon)
	flipped := append([]byte(nil), mac...)
	flipped[31] ^= 1
	past := time.Now().Add(-time.Minute).Unix()

	for _, step := range []struct{ what, want, got string }{
		{"rows before anything", "55000", call(`SELECT item FROM orders`)},
		{"binding before opening", "55000", call(bind, 42, acme, 1, false)},
		{"another key's name", "PW002", call(open, 99, 42, soon, mac)},
		{"one bit flipped", "PW003", call(open, key.ID, 42, soon, flipped)},
		{"another secret", "PW003", call(open, key.ID, 43, soon, mac)},
		{"another expiry", "PW003", call(open, key.ID, 42, soon+1, mac)},
		{"another backend's", "PW003", call(open, key.ID, 42, soon, key.SignSession(42, pid+1, soon))},
		{"an expired one", "PW003", call(open, key.ID, 42, past, key.SignSession(42, pid, past))},
		{"a token for it", "PW003", call(open, key.ID, 42, soon, key.SignToken(42, 0, false, soon))},
		{"no signature", "PW002", call(open, key.ID, 42, soon, nil)},
		{"control: opening", "ok", call(open, key.ID, 42, soon, mac)},
		{"rows of nobody", "", call(`SELECT item FROM orders`)},
		{"a wrong secret", "PW003", call(bind, 43, acme, 1, false)},
		{"a wrong epoch", "PW001", call(bind, 42, acme, 2, false)},
		{"an unknown tenant", "PW001", call(bind, 42, 4711, 1, false)},
		{"control: binding", "ok", call(bind, 42, acme, 1, false)},
		{"control: rows", "ok", call(`SELECT item FROM orders`)},
		{"entering by transaction", "42501", call(`SELECT partywall.enter($1, $2, 1, false, -1, $3, $4)`, key.ID, globex, soon, key.SignToken(globex, 1, false, soon))},
		{"a refused switch", "PW001", call(bind, 42, globex, 7, false)},
		{"leaves nobody's rows", "", call(`SELECT item FROM orders`)},
	} {
		if step.got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, step.got, step.want)
		}
	}
	if _, err := conn.Exec(ctx, `DISCARD SEQUENCES`); err != nil {
		t.Fatal(err)
	}
	if got := call(`SELECT item FROM orders`); got != "55000" {
		t.Errorf("after DISCARD SEQUENCES: %q", got)
	}
}

func TestErrorsOfTheGateShowNoSecret(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { h.opts.FenceWait = -1 })
	admin := h.data.Conn(t)
	// A gate that fails in the middle, with its parameters in the context.
	_, err := admin.Exec(t.Context(), `ALTER TABLE partywall.fence RENAME COLUMN path TO gone;
		ALTER DATABASE `+pgx.Identifier{h.data.Name}.Sanitize()+` SET log_parameter_max_length_on_error = -1`)
	if err != nil {
		t.Fatal(err)
	}
	h.EndIdle()
	_, err = h.Exec(h.as(t, "acme"), `SELECT 1`)
	pg := pgError(err)
	if pg == nil || pg.Where != "" || pg.Detail != "" || pg.InternalQuery != "" {
		t.Errorf("got %v: %+v", err, pg)
	}
}

// TestFenceIsExact fences a tenant under writers, at every isolation level:
// once the fence stands, nothing more is written, and all that was
// acknowledged is there.
func TestFenceIsExact(t *testing.T) {
	t.Parallel()
	for _, pooled := range []bool{false, true} {
		h := build(t, func(h *house) {
			h.opts.FenceWait = -1
			if pooled {
				h.pool()
			}
		})
		for _, slug := range []string{"acme", "initech", "umbrella"} {
			for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
				h.fenceUnderLoad(t, slug, level)
			}
		}
	}
}

func (h *house) fenceUnderLoad(t *testing.T, slug string, level pgx.TxIsoLevel) {
	t.Helper()
	ctx := h.as(t, slug)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type ledger struct{ written, unknown int }
	ledgers := make([]ledger, 4)
	var writers, started sync.WaitGroup
	for w := range ledgers {
		started.Add(1)
		writers.Go(func() {
			warm := sync.OnceFunc(started.Done)
			defer warm()
			for n := 1; ctx.Err() == nil; n++ {
				err := h.Tx(ctx, &pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, `INSERT INTO orders (id, item) VALUES ($1, 'load')`, 1000000*(w+1)+n)
					return err
				})
				switch {
				case err == nil:
					ledgers[w].written++
				case errors.Is(err, isolation.ErrFenced):
					return
				default:
					ledgers[w].unknown++ // its session was ended, perhaps between COMMIT and the answer
				}
				if n == 3 {
					warm()
				}
			}
		})
	}
	started.Wait()
	if err := h.SetFence(t.Context(), h.who[slug], "f"); err != nil {
		t.Fatal(err)
	}
	after := h.count(t, slug)
	writers.Wait()
	if settled := h.count(t, slug); settled != after {
		t.Errorf("%s, %s: %d rows when the fence stood, %d later", slug, level, after, settled)
	}
	var sum ledger
	for _, l := range ledgers {
		sum.written += l.written
		sum.unknown += l.unknown
	}
	if after < sum.written || after > sum.written+sum.unknown {
		t.Errorf("%s, %s: %+v acknowledged, %d rows", slug, level, sum, after)
	}
	h.reopen(t, slug)
}

// count counts the rows of the load behind the wall's back.
func (h *house) count(t *testing.T, slug string) (n int) {
	t.Helper()
	table := `orders`
	if schema := h.who[slug].Placement.Schema; schema != "" {
		table = schema + `.orders`
	}
	err := h.adminOf(t, slug).QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE tenant_id = $1 AND item = 'load'`, h.who[slug].Number).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// adminOf returns a superuser's connection to where a tenant's rows are.
func (h *house) adminOf(t *testing.T, slug string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(h.data.URL)
	if err != nil {
		t.Fatal(err)
	}
	if own := h.who[slug].Placement.Database; own != "" {
		config.Database = own
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// reopen gives a fenced tenant its next epoch, and takes the load away.
func (h *house) reopen(t *testing.T, slug string) {
	t.Helper()
	if _, err := h.tenants.Suspend(t.Context(), h.who[slug].ID, "reopening"); err != nil {
		t.Fatal(err)
	}
	moved, err := h.tenants.Activate(t.Context(), h.who[slug].ID)
	if err != nil {
		t.Fatal(err)
	}
	h.who[slug] = moved
	if err := h.Provision(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Exec(h.as(t, slug), `DELETE FROM orders WHERE item = 'load'`); err != nil {
		t.Fatal(err)
	}
}

// TestSilentNodeIsCutOff lets a session hold its lease for ever: whoever
// fences the tenant ends it, and its transaction does not commit.
func TestSilentNodeIsCutOff(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) { h.opts.FenceWait = -1 })
	tx, err := h.Begin(h.as(t, "acme"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(h.as(t, "acme"), `UPDATE orders SET item = 'late'`); err != nil {
		t.Fatal(err)
	}
	if err := h.SetFence(t.Context(), h.who["acme"], "f"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err == nil {
		t.Error("a session committed after the fence stood")
	}
	h.reopen(t, "acme")
	h.clean(t)
}

func TestMovedTenantIsFoundAgain(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx := h.as(t, "acme")
	// From the shared tables into a schema of its own, by hand; the request
	// holds a context from before.
	now := h.who["acme"]
	to := tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: "acme"}
	moved, err := h.tenants.Place(t.Context(), now.ID, now.Placement.Epoch, to)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := h.QueryRow(ctx, `SELECT count(*) FROM orders`).Scan(&n); err != nil || n != 0 {
		t.Errorf("in its new, empty schema: %d rows, %v", n, err)
	}
	if _, err := h.Exec(ctx, `INSERT INTO orders (id, item) VALUES (1, 'of acme')`); err != nil {
		t.Error(err)
	}
	h.clean(t)
}
