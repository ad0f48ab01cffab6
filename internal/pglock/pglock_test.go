package pglock_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pglock"
	"github.com/partywall/partywall/internal/pgtest"
)

func TestTake(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	one, two := db.Conn(t), db.Conn(t)
	if err := pglock.Take(t.Context(), one, 7); err != nil {
		t.Fatal(err)
	}
	if got, err := pglock.Try(t.Context(), two, 7); got || err != nil {
		t.Fatal(got, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := pglock.Take(ended, two, 7); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	two = db.Conn(t) // the other was closed with its context
	taken := make(chan error)
	go func() { taken <- pglock.Take(t.Context(), two, 7) }()
	// What waits for older snapshots does not wait for who waits for the lock.
	for _, sql := range []string{`CREATE TABLE a (n int)`, `CREATE INDEX CONCURRENTLY i ON a (n)`} {
		if _, err := one.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := one.Exec(t.Context(), `SELECT pg_advisory_unlock($1)`, pgx.QueryExecModeExec, 7); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
}
