// Package pgtx runs transactions that a node which is stopped in their middle
// does not hold for ever.
package pgtx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Idle is how long a client may say nothing within a transaction. It is longer
// than what we do between two statements of one ever takes.
const Idle = 15 * time.Second

// Beginner is what begins transactions; *pgxpool.Pool and *pgx.Conn are ones.
type Beginner interface {
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

// Run runs fn in a transaction with [Options], as pgx.BeginFunc does.
func Run(ctx context.Context, db Beginner, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, db, Options(), fn)
}

// Options begin a transaction that the server ends, and the session with it,
// when the client says nothing for longer than [Idle]. What a process has locked
// that is stopped, or whose machine is gone from the network without a word, is
// locked otherwise for as long as the connection is there, which is two hours by
// TCP's own keepalive; and a queue that skips locked rows skips them for as
// long. It costs no round trip.
//
// Whoever wakes up after that finds its connection closed, at best with SQLSTATE
// 25P03 (idle_in_transaction_session_timeout).
//
// It is Read Committed whatever the database's default is: what others committed
// while this one waited for a lock has to be seen.
func Options() pgx.TxOptions { return pgx.TxOptions{BeginQuery: begin(Idle)} }

func begin(idle time.Duration) string {
	return fmt.Sprintf(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = %d`, idle.Milliseconds())
}
