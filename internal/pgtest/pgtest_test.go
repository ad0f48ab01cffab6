package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
)

// fill makes one table with one row.
func fill(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()

	_, err = conn.Exec(ctx, "CREATE TABLE guest AS SELECT 'ann' AS name")
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}

	return nil
}

// fresh returns a template that no earlier run on this server has made, and
// drops it at the end.
func fresh(t *testing.T, fill func(context.Context, string) error) *pgtest.Template {
	t.Helper()

	marker := pgtest.New(t, nil)
	template := &pgtest.Template{Name: "guests", Version: marker.Name, Fill: fill}

	t.Cleanup(func() {
		conn, err := pgx.Connect(context.WithoutCancel(t.Context()), marker.URL)
		if err != nil {
			t.Error(err)

			return
		}

		name := pgx.Identifier{pgtest.TemplateDatabase(template)}.Sanitize()
		ctx := context.WithoutCancel(t.Context())
		_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name)

		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			t.Error(err)
		}
	})

	return template
}

func count(t *testing.T, conn *pgx.Conn, sql string, args ...any) int {
	t.Helper()

	var n int
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}

	return n
}

func TestClonesAreApart(t *testing.T) {
	t.Parallel()

	template := fresh(t, fill)
	first := pgtest.New(t, template)
	second := first.Sibling(t)
	third := pgtest.New(t, template)

	if _, err := first.Conn(t).Exec(t.Context(), "INSERT INTO guest VALUES ('bob')"); err != nil {
		t.Fatal(err)
	}

	for db, want := range map[*pgtest.Database]int{first: 2, second: 1, third: 1} {
		if got := count(t, db.Conn(t), "SELECT count(*) FROM guest"); got != want {
			t.Errorf("%s has %d guests, want %d", db.Name, got, want)
		}
	}

	if first.Name == second.Name || second.Name == third.Name {
		t.Error("two databases have one name")
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()

	db := pgtest.New(t, nil)

	var name string
	if err := db.Pool(t).QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}

	if name != db.Name {
		t.Errorf("the pool leads to %s, want %s", name, db.Name)
	}

	if got := count(t, db.Sibling(t).Conn(t), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != 0 {
		t.Errorf("an empty database has %d tables", got)
	}
}

func TestTemplateIsFilledOnce(t *testing.T) {
	t.Parallel()

	var fills atomic.Int32

	template := fresh(t, func(ctx context.Context, url string) error {
		fills.Add(1)

		return fill(ctx, url)
	})

	const racers = 8

	var group sync.WaitGroup
	for range racers {
		group.Go(func() { pgtest.New(t, template) })
	}

	group.Wait()

	if got := fills.Load(); got != 1 {
		t.Errorf("filled %d times, want 1", got)
	}
}

func TestHalfMadeTemplateIsMadeAgain(t *testing.T) {
	t.Parallel()

	broken := errors.New("disk on fire")
	template := fresh(t, func(ctx context.Context, url string) error {
		return errors.Join(fill(ctx, url), broken)
	})

	inner := runFake(t, "TestHalf", func(tb testing.TB) { pgtest.New(tb, template) })
	if !inner.Failed() || !strings.Contains(inner.log.String(), "fill template guests: disk on fire") {
		t.Errorf("the failure of Fill is not reported: %s", inner.log.String())
	}

	template.Fill = fill // would find its table there if the old database were taken

	if got := count(t, pgtest.New(t, template).Conn(t), "SELECT count(*) FROM guest"); got != 1 {
		t.Errorf("the template has %d guests, want 1", got)
	}
}

func TestFailedTestKeepsItsDatabase(t *testing.T) {
	t.Parallel()

	admin := pgtest.New(t, nil).Conn(t)
	exists := func(db *pgtest.Database) bool {
		return count(t, admin, "SELECT count(*) FROM pg_database WHERE datname = $1", db.Name) == 1
	}

	var passed, failed *pgtest.Database

	runFake(t, "TestPassed", func(tb testing.TB) { passed = pgtest.New(tb, nil) })

	if exists(passed) {
		t.Errorf("a passed test left %s", passed.Name)
	}

	inner := runFake(t, "TestFailed", func(tb testing.TB) {
		failed = pgtest.New(tb, nil)
		tb.Errorf("no luck")
	})
	if !exists(failed) {
		t.Errorf("the database of a failed test is gone")
	}

	if !strings.Contains(inner.log.String(), "psql '"+failed.URL+"'") {
		t.Errorf("the log does not say how to look at it: %s", inner.log.String())
	}

	if _, err := admin.Exec(t.Context(), "DROP DATABASE "+pgx.Identifier{failed.Name}.Sanitize()); err != nil {
		t.Error(err)
	}
}

func TestDropForcesConnectionsOut(t *testing.T) {
	t.Parallel()

	var conn *pgx.Conn

	inner := runFake(t, "TestLeak", func(tb testing.TB) {
		db := pgtest.New(tb, nil)

		var err error
		if conn, err = pgx.Connect(t.Context(), db.URL); err != nil {
			t.Error(err)
		}
	})
	if inner.Failed() {
		t.Errorf("a leaked connection held up the drop: %s", inner.log.String())
	}

	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the leaked connection is still alive")
	}
}

func TestNamesAreHarmless(t *testing.T) {
	t.Parallel()

	name := `Test/"; DROP DATABASE postgres; --` + strings.Repeat("ö", 80)
	inner := runFake(t, name, func(tb testing.TB) { pgtest.New(tb, nil) })

	if inner.Failed() {
		t.Errorf("a strange test name is not taken: %s", inner.log.String())
	}
}

func TestMissingEnvironmentSaysWhatToRun(t *testing.T) {
	t.Parallel()

	inner := runFake(t, "TestNoServer", func(tb testing.TB) {
		pgtest.Environment(tb, func(string) string { return "" })
	})

	want := "go run ./internal/testenv -- go test ./internal/pgtest"
	if !inner.Failed() || !strings.Contains(inner.log.String(), want) {
		t.Errorf("log = %q, want %q", inner.log.String(), want)
	}
}

func TestTemplateWithoutName(t *testing.T) {
	t.Parallel()

	inner := runFake(t, "TestNoName", func(tb testing.TB) { pgtest.New(tb, &pgtest.Template{}) })
	if !inner.Failed() {
		t.Error("a template without a name was taken")
	}
}
