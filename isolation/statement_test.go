package isolation_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// schemas builds a house with one connection and tenants in schemas of their
// own.
func schemas(t *testing.T, statements int, slugs ...string) *house {
	t.Helper()
	h := build(t, func(h *house) {
		single(h)
		h.opts.Statements = statements
	})
	// Nobody may look at what others have prepared; the test does.
	if _, err := h.data.Conn(t).Exec(t.Context(), `GRANT EXECUTE ON FUNCTION pg_prepared_statement() TO `+appRole); err != nil {
		t.Fatal(err)
	}
	for _, slug := range slugs {
		h.settle(t, slug, tenant.Placement{Strategy: tenant.Schema, Schema: slug})
	}
	return h
}

// prepared returns how often each statement of the house's one connection with
// this text has run.
func (h *house) prepared(t *testing.T, sql string) []int64 {
	t.Helper()
	rows, err := h.Query(h.as(t, "acme"), `SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement = $1 ORDER BY 1`, sql)
	if err != nil {
		t.Fatal(err)
	}
	calls, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// TestEachSchemaKeepsItsStatements counts how often each prepared statement has
// run: a session that goes from schema to schema prepares once in each, and
// comes back to what it has planned there. Tenants of the shared tables share
// theirs.
func TestEachSchemaKeepsItsStatements(t *testing.T) {
	t.Parallel()
	const sql, turns = `SELECT item FROM orders`, 3
	h := schemas(t, 0, "hooli", "vandelay")
	for range turns {
		for _, slug := range []string{"acme", "globex", "hooli", "initech", "vandelay"} {
			if err := h.readOrder(t, slug); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := h.prepared(t, sql); len(got) != 4 || got[0] != turns || got[2] != turns || got[3] != 2*turns {
		t.Errorf("prepared statements have run %v times, want 3 of %d and one of %d", got, turns, 2*turns)
	}
}

// TestSchemasShareTheCapacity lets more schemas in than there is room for their
// statements, and counts after each. What has to make room goes with the next
// that is prepared.
func TestSchemasShareTheCapacity(t *testing.T) {
	t.Parallel()
	const capacity = 3
	h := schemas(t, capacity, "hooli", "vandelay", "wonka")
	for range 4 {
		for _, slug := range []string{"hooli", "initech", "vandelay", "wonka"} {
			if err := h.readOrder(t, slug); err != nil {
				t.Fatal(err)
			}
			var kept int // the gate's own have no number behind their name
			err := h.QueryRow(h.as(t, "acme"), `SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'partywall\_%\_%'`).Scan(&kept)
			if err != nil {
				t.Fatal(err)
			}
			if kept > capacity+1 {
				t.Errorf("%d statements are prepared, with room for %d", kept, capacity)
			}
		}
	}
}

// TestSchemasMayDiffer runs one text where it means different things, as during
// a rollout: neither the columns nor the parameters of another schema are taken
// for one's own.
func TestSchemasMayDiffer(t *testing.T) {
	t.Parallel()
	h := schemas(t, 0, "hooli", "vandelay")
	for _, sql := range []string{
		`ALTER TABLE hooli.orders ALTER COLUMN total TYPE bigint`,
		`ALTER TABLE hooli.orders ADD COLUMN note text NOT NULL DEFAULT 'new'`,
		`ALTER TABLE hooli.orders ALTER COLUMN item TYPE bytea USING item::bytea`,
		`ALTER TABLE vandelay.orders ALTER COLUMN id TYPE int`,
	} {
		if _, err := h.data.Conn(t).Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	const where = `SELECT item FROM orders WHERE id = $1 AND total < $2`
	for range 3 {
		for slug, want := range map[string]int{"initech": 4, "hooli": 5, "vandelay": 4} {
			ctx := h.as(t, slug)
			rows, err := h.Query(ctx, `TABLE orders`)
			if err != nil {
				t.Fatalf("%s: %v", slug, err)
			}
			all, err := pgx.CollectRows(rows, pgx.RowToMap)
			if err != nil || len(all) != 1 || len(all[0]) != want || len(rows.FieldDescriptions()) != want {
				t.Errorf("%s: %v %v, want %d columns", slug, all, err, want)
			}
			if err := readAny(ctx, h, where); err != nil {
				t.Errorf("%s: %v", slug, err)
			}
		}
	}
}

// readAny reads an item that is text or bytes.
func readAny(ctx context.Context, h *house, sql string) error {
	var item any
	return h.QueryRow(ctx, sql, 1, 1_000_000).Scan(&item)
}
