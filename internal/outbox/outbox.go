// Package outbox tells others what was written down with what it tells of, at
// least once: a row of a table is told and then deleted, by any of the nodes.
package outbox

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtx"
)

// Box is a table of what is to be told, each row as a T. It has the columns id,
// which rises, attempts, and due_at.
type Box[T any] struct {
	Pool *pgxpool.Pool
	// Table is its name with its schema, Columns what a T is made of, and Scan
	// what makes it. Both names go into statements as they are.
	Table, Columns string
	Scan           func(row pgx.CollectableRow) (T, error)
	// Tell tells one. What fails is told again after Backoff of its failures, and
	// Failed hears of it.
	Tell    func(ctx context.Context, what T) error
	Backoff func(failures int) time.Duration
	Failed  func(ctx context.Context, what T, err error)
}

// AtOnce is how many are told in one go.
const AtOnce = 32

// tellTime is how long there is to tell one: not as long as a transaction may be
// silent.
const tellTime = pgtx.Idle * 2 / 3

// letter is a row and the columns that are the box's own.
type letter[T any] struct {
	id       int64
	attempts int
	what     T
}

// Empty tells what is due, and returns how many it has tried: with AtOnce of
// them there may be more. One that cannot be told does not keep the others.
// Several nodes share a box.
func (b *Box[T]) Empty(ctx context.Context) (tried int, err error) {
	err = pgtx.Run(ctx, b.Pool, func(tx pgx.Tx) error {
		letters, err := b.take(ctx, tx)
		if err != nil {
			return err
		}
		tried = len(letters)
		for _, l := range letters {
			if err := b.deliver(ctx, tx, l); err != nil {
				return err
			}
		}
		return nil
	})
	return tried, err
}

// deliver tells what one says, and writes at once that it did: the transaction
// says something at least that often.
func (b *Box[T]) deliver(ctx context.Context, tx pgx.Tx, l letter[T]) error {
	if err := b.tell(ctx, l.what); err != nil {
		b.Failed(ctx, l.what, err)
		//scopecheck:allow the table is what a package of ours says, and no tenant's
		_, err := tx.Exec(ctx, `UPDATE `+b.Table+` SET attempts = attempts + 1, due_at = clock_timestamp() + $2 WHERE id = $1`,
			l.id, b.Backoff(l.attempts+1))
		return err
	}
	//scopecheck:allow as above
	_, err := tx.Exec(ctx, `DELETE FROM `+b.Table+` WHERE id = $1`, l.id)
	return err
}

func (b *Box[T]) take(ctx context.Context, tx pgx.Tx) ([]letter[T], error) {
	//scopecheck:allow the table and its columns are what a package of ours says
	rows, err := tx.Query(ctx, `SELECT id, attempts, `+b.Columns+` FROM `+b.Table+`
		WHERE due_at <= clock_timestamp() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, AtOnce)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l letter[T], err error) {
		l.what, err = b.Scan(own[T]{row, &l})
		return l, err
	})
}

func (b *Box[T]) tell(ctx context.Context, what T) error {
	ctx, done := context.WithTimeout(ctx, tellTime)
	defer done()
	return b.Tell(ctx, what)
}

// own is a row whose first columns are the box's.
type own[T any] struct {
	pgx.CollectableRow

	l *letter[T]
}

// Scan implements [pgx.CollectableRow].
func (o own[T]) Scan(dest ...any) error {
	return o.CollectableRow.Scan(append([]any{&o.l.id, &o.l.attempts}, dest...)...)
}
