package isolation_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestMarkIsOnesOwn reads the sequences behind the mark, which all sessions
// share, and draws from them: a tenant learns nothing of others, and stays who it
// is.
func TestMarkIsOnesOwn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*house){"bound": nil, "pooled": (*house).pool} {
		h := build(t, change)
		ctx := h.as(t, "acme")
		err := h.Tx(ctx, nil, func(tx pgx.Tx) error {
			for sql, want := range map[string]string{
				`SELECT last_value FROM partywall.mark`:           "42501",
				`SELECT last_value FROM partywall.mark_hi`:        "42501",
				`SELECT last_value FROM pg_sequences`:             "42501",
				`SELECT pg_sequence_last_value('partywall.mark')`: "42501",
				`SELECT currval('partywall.mark_hi')`:             "42501",
				`SELECT nextval('partywall.mark_lo')`:             "42501",
				`SELECT nextval('partywall.mark')`:                "2200H", // there is none
				`SELECT setval('partywall.mark', 0)`:              "42501",
				// One that was never set gives its first number, 0, and no other.
				`SELECT nextval('partywall.mark_at') + nextval('partywall.mark_at')`: "2200H",
			} {
				save, err := tx.Begin(ctx)
				if err != nil {
					return err
				}
				if _, err := save.Exec(ctx, sql); sqlState(err) != want {
					t.Errorf("%s: %s: %v, want %s", name, sql, err, want)
				}
				if err := save.Rollback(ctx); err != nil {
					return err
				}
			}
			var mark int64
			err := tx.QueryRow(ctx, `SELECT currval('partywall.mark')`).Scan(&mark)
			if want := h.who["acme"].Number; mark != want {
				t.Errorf("%s: the mark is %d, want %d", name, mark, want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h.clean(t)
	}
}

// TestMarkAfterACrash takes the number that a sequence gives that is as new,
// with the password alone: it is nobody's.
func TestMarkAfterACrash(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	if _, err := h.data.Conn(t).Exec(t.Context(), `ALTER SEQUENCE partywall.mark RESTART; ALTER SEQUENCE partywall.mark_at RESTART`); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), h.data.As(appRole))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var mark, at, rows int64
	if err := conn.QueryRow(t.Context(), `SELECT nextval('partywall.mark'), nextval('partywall.mark_at')`).Scan(&mark, &at); err != nil || mark != 0 || at != 0 {
		t.Errorf("marks %d, %d, %v", mark, at, err)
	}
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM orders`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("nobody sees %d rows, %v", rows, err)
	}
	for _, sql := range []string{
		`INSERT INTO orders (id, item) VALUES (1, 'planted')`, `INSERT INTO orders (tenant_id, id, item) VALUES (0, 1, 'planted')`,
	} {
		if _, err := conn.Exec(t.Context(), sql); sqlState(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	h.clean(t)
}

// TestSequencesAreForgotten draws from a sequence, and asks as the next tenant
// on the same connection what was drawn. Within a transaction one knows one's own.
func TestSequencesAreForgotten(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*house){"bound": single, "pooled": func(h *house) { h.pool(); single(h) }} {
		h := build(t, change)
		_, err := h.data.Conn(t).Exec(t.Context(), `CREATE SEQUENCE public.counter; GRANT USAGE ON SEQUENCE public.counter TO partywall_app, partywall_pooled`)
		if err != nil {
			t.Fatal(err)
		}
		ctx := h.as(t, "acme")
		err = h.Tx(ctx, nil, func(tx pgx.Tx) error {
			var drawn, last, current int64
			if err := tx.QueryRow(ctx, `SELECT nextval('public.counter')`).Scan(&drawn); err != nil {
				return err
			}
			err := tx.QueryRow(ctx, `SELECT lastval(), currval('public.counter')`).Scan(&last, &current)
			if last != drawn || current != drawn {
				t.Errorf("%s: drew %d, then %d and %d", name, drawn, last, current)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, sql := range []string{`SELECT lastval()`, `SELECT currval('public.counter')`} {
			if _, err := h.Exec(h.as(t, "globex"), sql); sqlState(err) != "55000" {
				t.Errorf("%s: %s: globex learns what acme drew: %v", name, sql, err)
			}
		}
		h.clean(t)
	}
}
