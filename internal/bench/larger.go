package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// larger is what a client may do besides: a join of five tables, a transaction
// of five statements, and a batch of twenty in one flush.
type larger interface {
	join(i int) error
	transaction(i int) error
	batch(i int) error
}

const (
	inTransaction = 5
	inBatch       = 20
)

// The join is of one table with itself, which stands for five: what is measured
// is that each has a policy of its own to be planned and held. (Behind policies
// PostgreSQL looks rows up by conditions that tell nothing, as plain equality;
// one with a function that may fail, as %, has to wait for the policy.)
const (
	rawJoin = `SELECT a.id, e.name, b.price + c.price + d.price, e.made FROM item a
		JOIN item b ON b.tenant_id = a.tenant_id AND b.id = a.id JOIN item c ON c.tenant_id = b.tenant_id AND c.id = b.id
		JOIN item d ON d.tenant_id = c.tenant_id AND d.id = c.id JOIN item e ON e.tenant_id = d.tenant_id AND e.id = d.id
		WHERE a.tenant_id = $1 AND a.id = $2`
	wallJoin = `SELECT a.id, e.name, b.price + c.price + d.price, e.made FROM item a
		JOIN item b ON b.id = a.id JOIN item c ON c.id = b.id JOIN item d ON d.id = c.id JOIN item e ON e.id = d.id
		WHERE a.id = $1`
	textbookJoin = `SELECT a.id, e.name, b.price + c.price + d.price, e.made FROM item_rls a
		JOIN item_rls b ON b.id = a.id JOIN item_rls c ON c.id = b.id JOIN item_rls d ON d.id = c.id JOIN item_rls e ON e.id = d.id
		WHERE a.id = $1`
)

func (c *raw) join(i int) error { return readOne(c.ctx, c.pool, rawJoin, c.tenant, pointID(i)) }

func (c *raw) transaction(i int) error {
	return inTx(c.ctx, c.pool, func(tx pgx.Tx) error { return fivePoints(c.ctx, tx, i, rawPoint, c.tenant) })
}

func (c *raw) batch(i int) error { return twentyPoints(c.ctx, c.pool, i, rawPoint, c.tenant) }

func (c *textbook) join(i int) error {
	return c.tx(func(tx pgx.Tx) error { return readOne(c.ctx, tx, textbookJoin, pointID(i)) })
}

func (c *textbook) transaction(i int) error {
	return c.tx(func(tx pgx.Tx) error { return fivePoints(c.ctx, tx, i, textbookPoint) })
}

func (c *textbook) batch(i int) error {
	return c.tx(func(tx pgx.Tx) error { return twentyPoints(c.ctx, tx, i, textbookPoint) })
}

func (c *walled) join(i int) error { return readOne(c.next(i), c.db, wallJoin, pointID(i)) }

func (c *walled) transaction(i int) error {
	return inTx(c.next(i), c.db, func(tx pgx.Tx) error { return fivePoints(c.next(i), tx, i, wallPoint) })
}

func (c *walled) batch(i int) error { return twentyPoints(c.next(i), c.db, i, wallPoint) }

// beginner is what begins a transaction.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

func inTx(ctx context.Context, db beginner, fn func(pgx.Tx) error) error {
	if err := pgx.BeginFunc(ctx, db, fn); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	return nil
}

// fivePoints reads five rows one after another.
func fivePoints(ctx context.Context, tx pgx.Tx, i int, sql string, first ...any) error {
	for n := range inTransaction {
		if err := readOne(ctx, tx, sql, append(slices.Clip(first), pointID(i+n))...); err != nil {
			return err
		}
	}
	return nil
}

// batcher is what sends batches.
type batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// twentyPoints reads twenty rows in one flush.
func twentyPoints(ctx context.Context, db batcher, i int, sql string, first ...any) (err error) {
	b := &pgx.Batch{}
	for n := range inBatch {
		b.Queue(sql, append(slices.Clip(first), pointID(i+n))...)
	}
	results := db.SendBatch(ctx, b)
	defer func() {
		if closed := results.Close(); err == nil && closed != nil {
			err = fmt.Errorf("batch: %w", closed)
		}
	}()
	return twentyAnswers(results)
}

func twentyAnswers(results pgx.BatchResults) error {
	for range inBatch {
		if err := one(results.QueryRow()); err != nil {
			return fmt.Errorf("batch: %w", err)
		}
	}
	return nil
}
