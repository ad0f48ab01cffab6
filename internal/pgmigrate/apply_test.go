package pgmigrate_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtest"
)

func set(files ...string) pgmigrate.Set {
	m := fstest.MapFS{}
	for i, sql := range files {
		m[fmt.Sprintf("%03d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(sql)}
	}
	return pgmigrate.Set{Schema: "pw_test", Files: m}
}

func connect(t *testing.T, db *pgtest.Database) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestApply(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, nil))
	first := set("CREATE TABLE a (n int); INSERT INTO a VALUES (1)")
	both := set("CREATE TABLE a (n int); INSERT INTO a VALUES (1)", "ALTER TABLE a ADD m int DEFAULT 7")

	err := pgmigrate.Check(t.Context(), conn, first)
	behind, ok := errors.AsType[*pgmigrate.BehindError](err)
	if !ok || behind.Database != 0 || behind.Code != 1 {
		t.Fatalf("Check of an empty database: %v", err)
	}
	for _, step := range []struct {
		set  pgmigrate.Set
		want int
	}{{first, 1}, {first, 0}, {both, 1}, {both, 0}} {
		if n, err := pgmigrate.Apply(t.Context(), conn, step.set); n != step.want || err != nil {
			t.Fatalf("Apply = %d, %v; want %d", n, err, step.want)
		}
		if err := pgmigrate.Check(t.Context(), conn, step.set); err != nil {
			t.Fatalf("Check after Apply: %v", err)
		}
	}
	var sum int
	if err := conn.QueryRow(t.Context(), `SELECT n + m FROM pw_test.a`).Scan(&sum); err != nil || sum != 8 {
		t.Fatalf("got %d, %v", sum, err)
	}
	var path string
	if err := conn.QueryRow(t.Context(), `SHOW search_path`).Scan(&path); err != nil || strings.Contains(path, "pw_test") {
		t.Fatalf("the search path was left at %s, %v", path, err)
	}

	_, err = pgmigrate.Apply(t.Context(), conn, first)
	newer, ok := errors.AsType[*pgmigrate.NewerError](err)
	if !ok || newer.Database != 2 || newer.Code != 1 {
		t.Errorf("an older program: %v", err)
	}
	changed := set("CREATE TABLE a (n int)", "ALTER TABLE a ADD m int DEFAULT 7")
	if _, err := pgmigrate.Apply(t.Context(), conn, changed); !is[*pgmigrate.ChangedError](err) {
		t.Errorf("a changed file: %v", err)
	}
	if err := pgmigrate.Check(t.Context(), conn, changed); !is[*pgmigrate.ChangedError](err) {
		t.Errorf("Check of a changed file: %v", err)
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestApplyWithCarriageReturns(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, nil))
	unix, dos := set("CREATE TABLE a (\nn int)"), set("CREATE TABLE a (\r\nn int)")
	if unix.Version() != dos.Version() {
		t.Error("the versions differ")
	}
	if _, err := pgmigrate.Apply(t.Context(), conn, unix); err != nil {
		t.Fatal(err)
	}
	if err := pgmigrate.Check(t.Context(), conn, dos); err != nil {
		t.Error(err)
	}
}

// A migration that fails leaves nothing, says where, and is taken up from when
// it is mended.
func TestFailureRollsBackAndResumes(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, nil))
	good := "CREATE TABLE a (n int)"
	bad := "CREATE TABLE b (n int);\n-- größer\nINSERT INTO b VALUES (1);\nINSERT INTO nowhere VALUES (1);\n"

	n, err := pgmigrate.Apply(t.Context(), conn, set(good, bad, "SELECT 1"))
	at, ok := errors.AsType[*pgmigrate.FileError](err)
	if !ok || n != 1 || at.File != "002_step.sql" || at.Line != 4 {
		t.Fatalf("Apply = %d, %v", n, err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42P01" {
		t.Errorf("the error of PostgreSQL is lost: %v", err)
	}
	if !strings.Contains(err.Error(), "pw_test: 002_step.sql:4: ") {
		t.Errorf("message: %v", err)
	}
	var left bool
	if err := conn.QueryRow(t.Context(), `SELECT to_regclass('pw_test.b') IS NOT NULL`).Scan(&left); err != nil || left {
		t.Fatalf("table b was left behind: %v, %v", left, err)
	}
	n, err = pgmigrate.Apply(t.Context(), conn, set(good, "CREATE TABLE b (n int)", "SELECT 1"))
	if n != 2 || err != nil {
		t.Errorf("after mending: %d, %v", n, err)
	}
}

func TestFailureWithoutPosition(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, nil))
	for _, sql := range []string{"SELECT 1/0", "COMMIT", "CREATE TABLE z (n int CHECK (n > 0)); INSERT INTO z VALUES (0)"} {
		_, err := pgmigrate.Apply(t.Context(), conn, set(sql))
		at, ok := errors.AsType[*pgmigrate.FileError](err)
		if !ok || at.Line != 0 {
			t.Errorf("%s: %v", sql, err)
		}
		if err := pgmigrate.Check(t.Context(), conn, set(sql)); !is[*pgmigrate.BehindError](err) {
			t.Errorf("%s: Check: %v", sql, err)
		}
	}
}

// Eight programs that start at once apply each file once between them, even
// where the database's default isolation would hide what the others committed.
func TestApplyRace(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	if _, err := connect(t, db).Exec(t.Context(), `ALTER DATABASE `+pgx.Identifier{db.Name}.Sanitize()+
		` SET default_transaction_isolation TO 'serializable'`); err != nil {
		t.Fatal(err)
	}
	migrations := set("CREATE TABLE a (n int)", "INSERT INTO a VALUES (2)", "INSERT INTO a VALUES (3)", "CREATE TABLE b ()")
	var wg sync.WaitGroup
	counts, errs := make([]int, 8), make([]error, 8)
	conns := make([]*pgx.Conn, 8)
	for i := range conns {
		conns[i] = connect(t, db)
	}
	for i := range conns {
		wg.Go(func() { counts[i], errs[i] = pgmigrate.Apply(t.Context(), conns[i], migrations) })
	}
	wg.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if err := errors.Join(errs...); err != nil || sum != 4 {
		t.Fatalf("applied %d, %v", sum, err)
	}
	var rows int
	if err := conns[0].QueryRow(t.Context(), `SELECT count(*) FROM pw_test.a`).Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := pgmigrate.Apply(ctx, conn, set("SELECT 1")); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %d, %v", n, err)
	}
}

func TestInvalidSet(t *testing.T) {
	t.Parallel()
	file := func(name, sql string) fs.FS { return fstest.MapFS{name: {Data: []byte(sql)}} }
	for name, s := range map[string]pgmigrate.Set{
		"no schema":     {Files: file("001_a.sql", "SELECT 1")},
		"quoted schema": {Schema: `a"b`, Files: file("001_a.sql", "SELECT 1")},
		"system schema": {Schema: "pg_x", Files: file("001_a.sql", "SELECT 1")},
		"long schema":   {Schema: strings.Repeat("a", 64), Files: file("001_a.sql", "SELECT 1")},
		"no files":      {Schema: "a"},
		"empty":         {Schema: "a", Files: fstest.MapFS{}},
		"gap":           {Schema: "a", Files: file("002_a.sql", "SELECT 1")},
		"odd name":      {Schema: "a", Files: file("001-a.sql", "SELECT 1")},
		"blank file":    {Schema: "a", Files: file("001_a.sql", " \n")},
		"binary file":   {Schema: "a", Files: file("001_a.sql", "SELECT '\x00'")},
		"huge file":     {Schema: "a", Files: file("001_a.sql", strings.Repeat("-", 1<<20+1))},
	} {
		if _, err := pgmigrate.Apply(t.Context(), nil, s); !errors.Is(err, pgmigrate.ErrInvalidSet) {
			t.Errorf("%s: %v", name, err)
		}
		if v := s.Version(); v != "invalid" {
			t.Errorf("%s: Version = %q", name, v)
		}
	}
	two := fstest.MapFS{"001_a.sql": {Data: []byte(" ")}, "007_b.sql": {Data: []byte("SELECT 1")}}
	_, err := pgmigrate.Apply(t.Context(), nil, pgmigrate.Set{Schema: "a", Files: two})
	if err == nil || !strings.Contains(err.Error(), "001_a.sql") || !strings.Contains(err.Error(), "007_b.sql") {
		t.Errorf("want both mistakes, got %v", err)
	}
}

// A program whose role may not create still starts on a database that is
// current.
func TestApplyWithoutRights(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	conn := connect(t, db)
	if _, err := pgmigrate.Apply(t.Context(), conn, set("SELECT 1")); err != nil {
		t.Fatal(err)
	}
	role := pgx.Identifier{"reader_" + db.Name}.Sanitize()
	// The role is dropped with its transaction: roles outlive a test's database.
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	for _, sql := range []string{
		`CREATE ROLE ` + role, `GRANT USAGE ON SCHEMA pw_test TO ` + role,
		`GRANT SELECT ON pw_test.migration TO ` + role, `SET LOCAL ROLE ` + role,
	} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := pgmigrate.Check(t.Context(), conn, set("SELECT 1")); err != nil {
		t.Error(err)
	}
}
