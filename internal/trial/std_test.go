package trial_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

const stdSchema = `
	CREATE TABLE IF NOT EXISTS thing (
		tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
		id bigint NOT NULL, owner text NOT NULL,
		yes boolean, small smallint, medium integer, big bigint, single real, double double precision,
		amount numeric(20,5), short varchar(40), raw bytea, day date, local timestamp, at timestamptz,
		doc jsonb, uid uuid, words text[], numbers integer[],
		PRIMARY KEY (tenant_id, id));
	SELECT partywall.protect('thing');`

// TestDatabaseSQL runs plain database/sql on the wall.
func TestDatabaseSQL(t *testing.T) {
	t.Parallel()
	everywhere(t, stdSchema, stdTypes, stdNulls, stdPrepared, stdTransactions, stdCancel)
}

// things is a row with a value of every common type.
type things struct {
	owner, amount, short, uid, words, numbers string
	yes                                       bool
	small                                     int16
	medium                                    int32
	big                                       int64
	single                                    float32
	double                                    float64
	raw                                       []byte
	day, local, at                            time.Time
	doc                                       json.RawMessage
}

const selectThing = `SELECT owner, yes, small, medium, big, single, double, amount, short, raw, day, local, at, doc, uid, words, numbers
	FROM thing WHERE id = $1`

func (v *things) scan(row *sql.Row) error {
	return row.Scan(&v.owner, &v.yes, &v.small, &v.medium, &v.big, &v.single, &v.double, &v.amount, &v.short, &v.raw,
		&v.day, &v.local, &v.at, &v.doc, &v.uid, &v.words, &v.numbers)
}

func stdTypes(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	db := h.StdDB()
	at := time.Date(2026, 2, 28, 23, 59, 58, 123456000, time.UTC)
	result, err := db.ExecContext(ctx, `INSERT INTO thing (id, owner, yes, small, medium, big, single, double, amount, short, raw,
			day, local, at, doc, uid, words, numbers)
		VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		who.Slug, true, int16(-7), int32(1<<30), int64(1)<<60, float32(1.5), 2.25, "12345678901234.56789", "short "+who.Slug,
		[]byte("\x00\xff"+who.Slug), "2026-02-28", "2026-02-28 23:59:58.123456", at,
		`{"owner": "`+who.Slug+`"}`, "01976a3e-5f00-7000-8000-000000000000", []string{"a", "b, c", who.Slug}, "{1,2,3}")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		t.Errorf("RowsAffected = %d, %v", n, err)
	}
	var got things
	if err := got.scan(db.QueryRowContext(ctx, selectThing, 1)); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)
	for name, ok := range map[string]bool{
		"owner": got.owner == who.Slug, "yes": got.yes, "small": got.small == -7, "medium": got.medium == 1<<30,
		"big": got.big == 1<<60, "single": got.single == 1.5, "double": got.double == 2.25,
		"amount": got.amount == "12345678901234.56789", "short": got.short == "short "+who.Slug,
		"raw": string(got.raw) == "\x00\xff"+who.Slug, "day": got.day.Equal(day), "local": got.local.Equal(at), "at": got.at.Equal(at),
		"doc": string(got.doc) == `{"owner": "`+who.Slug+`"}`, "uid": got.uid == "01976a3e-5f00-7000-8000-000000000000",
		"words": got.words == `{a,"b, c",`+who.Slug+`}`, "numbers": got.numbers == "{1,2,3}",
	} {
		if !ok {
			t.Errorf("%s came back otherwise: %+v", name, got)
		}
	}
	rows, err := db.QueryContext(ctx, `SELECT * FROM thing`) //nolint:unqueryvet // to see them all
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }() // Err has it
	columns, err := rows.Columns()
	if err != nil || len(columns) != 19 || columns[0] != "tenant_id" {
		t.Errorf("Columns = %v, %v", columns, err)
	}
	types, err := rows.ColumnTypes()
	if err != nil || types[8].DatabaseTypeName() != "FLOAT8" {
		t.Errorf("ColumnTypes = %v, %v", types, err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 1 {
		t.Errorf("%d rows, %v, want 1", n, err)
	}
}

func stdNulls(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	db := h.StdDB()
	_, err := db.ExecContext(ctx, `INSERT INTO thing (id, owner, yes, big, double, short, at, raw, doc) VALUES (2, $1, $2, $3, $4, $5, $6, $7, $8)`,
		who.Slug, sql.NullBool{}, sql.NullInt64{}, sql.NullFloat64{}, sql.NullString{}, sql.NullTime{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var (
		yes    sql.NullBool
		big    sql.NullInt64
		double *float64
		short  sql.Null[string]
		at     sql.NullTime
		raw    []byte
		doc    any
	)
	err = db.QueryRowContext(ctx, `SELECT yes, big, double, short, at, raw, doc FROM thing WHERE id = 2`).
		Scan(&yes, &big, &double, &short, &at, &raw, &doc)
	if err != nil || yes.Valid || big.Valid || double != nil || short.Valid || at.Valid || raw != nil || doc != nil {
		t.Errorf("NULLs came back as %v %v %v %v %v %v %v, %v", yes, big, double, short, at, raw, doc, err)
	}
	if err := db.QueryRowContext(ctx, `SELECT owner FROM thing WHERE id = 99`).Scan(&doc); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no row: %v, want ErrNoRows", err)
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO thing (id, owner) VALUES (2, 'twice')`); !hasCode(err, "23505") {
		t.Errorf("a duplicate: %v, want 23505 as a PgError", err)
	}
}

func hasCode(err error, code string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == code
}

// stdPrepared prepares a statement as one tenant and runs it as all of them.
func stdPrepared(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	db := h.StdDB()
	stmt, err := db.PrepareContext(ctx, `SELECT owner, count(*) OVER () FROM thing WHERE id < $1 ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stmt.Close() }() // holds nothing
	for round := range 3 {
		for _, other := range h.who {
			var owner string
			var n int
			err := stmt.QueryRowContext(tenant.NewContext(t.Context(), other), 3).Scan(&owner, &n)
			if err != nil || owner != other.Slug || n != 2 {
				t.Errorf("round %d: prepared by %s, run by %s: %d rows of %q, %v", round, who.Slug, other.Slug, n, owner, err)
			}
		}
	}
	if _, err := stmt.QueryContext(t.Context(), 3); !errors.Is(err, tenant.ErrNoTenant) { //nolint:rowserrcheck,sqlclosecheck // there are no rows
		t.Errorf("without a tenant: %v, want ErrNoTenant", err)
	}
}

func stdTransactions(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	db := h.StdDB()
	for level, want := range map[sql.IsolationLevel]string{
		sql.LevelDefault: "read committed", sql.LevelReadCommitted: "read committed",
		sql.LevelRepeatableRead: "repeatable read", sql.LevelSerializable: "serializable",
	} {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: level})
		if err != nil {
			t.Fatal(err)
		}
		var got, owner string
		if err := tx.QueryRowContext(ctx, `SHOW transaction_isolation`).Scan(&got); err != nil || got != want {
			t.Errorf("%v: %q, %v, want %q", level, got, err, want)
		}
		if err := tx.QueryRowContext(ctx, `DELETE FROM thing WHERE id = 1 RETURNING owner`).Scan(&owner); err != nil || owner != who.Slug {
			t.Errorf("%v: deleted a row of %q, %v", level, owner, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("%v: %v", level, err)
		}
		if err := tx.Commit(); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("%v: a second end: %v, want ErrTxDone", level, err)
		}
	}
	if _, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelLinearizable}); err == nil {
		t.Error("an isolation level that PostgreSQL does not have was taken")
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, `UPDATE thing SET short = 'x'`); !hasCode(err, "25006") { // read_only_sql_transaction
		t.Errorf("a write in a transaction that is read only: %v, want 25006", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	var n int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM thing WHERE owner = $1`, who.Slug).Scan(&n); err != nil || n != 2 {
		t.Errorf("afterwards: %d rows, %v, want 2", n, err)
	}
}

// stdCancel gives up on a statement and on a transaction. The next one, of
// whichever tenant, is clean.
func stdCancel(t *testing.T, h *house, ctx context.Context, who tenant.Tenant) {
	db := h.StdDB()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := db.ExecContext(short, `SELECT pg_sleep(60)`); err == nil || time.Since(began) > 30*time.Second {
		t.Errorf("a statement out of time: %v after %v", err, time.Since(began))
	}
	inside, stop := context.WithCancel(ctx)
	tx, err := db.BeginTx(inside, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(inside, `UPDATE thing SET short = 'not for long'`); err != nil {
		t.Fatal(err)
	}
	stop() // database/sql rolls back
	if err := tx.Commit(); err == nil {
		t.Error("a transaction was committed whose context is gone")
	}
	for _, other := range h.who {
		var owner string
		var n int
		err := db.QueryRowContext(tenant.NewContext(t.Context(), other), `SELECT min(owner), count(*) FROM thing WHERE short IS DISTINCT FROM 'not for long'`).Scan(&owner, &n)
		if err != nil || owner != other.Slug || n != 2 {
			t.Errorf("after %s gave up, %s sees %d rows of %q, %v", who.Slug, other.Slug, n, owner, err)
		}
	}
}
