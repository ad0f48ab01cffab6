// Package pglock takes session advisory locks of PostgreSQL.
package pglock

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// The first and the longest pause between two attempts.
const (
	firstPause   = 2 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// Take waits until the session of conn has the lock, which stays its own until it
// gives it back or ends. It fails when ctx ends, and as the connection does.
//
// It asks again and again, because a statement that waits for a lock has a
// snapshot: CREATE INDEX CONCURRENTLY, run by whoever has the lock, would wait
// for that in turn, and one of the two would be ended as deadlocked.
func Take(ctx context.Context, conn *pgx.Conn, key int64) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		if got, err := Try(ctx, conn, key); got || err != nil {
			return err
		}
		pause.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
}

// Try takes the lock if nobody else has it, and reports whether it did.
func Try(ctx context.Context, conn *pgx.Conn, key int64) (got bool, err error) {
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, pgx.QueryExecModeExec, key).Scan(&got)
	return got, err
}
