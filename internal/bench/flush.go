package main

import (
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// flushed is what row-level security costs at least by hand: the setting that
// the policies read goes in the same flush as the statement, and ends with it.
// Whoever can write SQL can set it to another tenant.
type flushed raw

const setTenant = `SELECT set_config('app.tenant', $1, true)`

func (c *flushed) point(i int) error { return c.readOne(textbookPoint, pointID(i)) }

func (c *flushed) join(i int) error { return c.readOne(textbookJoin, pointID(i)) }

func (c *flushed) readOne(sql string, id int64) error {
	return c.flush(func(b *pgx.Batch) { b.Queue(sql, id) },
		func(r pgx.BatchResults) error { return one(r.QueryRow()) })
}

func (c *flushed) list(i int) error {
	return c.flush(func(b *pgx.Batch) { b.Queue(textbookList, listID(i)) }, func(r pgx.BatchResults) error {
		rows, err := r.Query()
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		defer rows.Close()
		return twenty(rows)
	})
}

func (c *flushed) insert(i int) error {
	return c.flush(func(b *pgx.Batch) { b.Queue(textbookInsert, c.base+int64(i), "new", 100) }, func(r pgx.BatchResults) error {
		if _, err := r.Exec(); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		return nil
	})
}

func (c *flushed) batch(i int) error {
	return c.flush(func(b *pgx.Batch) {
		for n := range inBatch {
			b.Queue(textbookPoint, pointID(i+n))
		}
	}, twentyAnswers)
}

// flush sends the setting and what is queued, and has the answers read.
func (c *flushed) flush(queue func(*pgx.Batch), read func(pgx.BatchResults) error) (err error) {
	b := &pgx.Batch{}
	b.Queue(setTenant, c.name())
	queue(b)
	results := c.pool.SendBatch(c.ctx, b)
	defer func() {
		if closed := results.Close(); err == nil && closed != nil {
			err = fmt.Errorf("flush: %w", closed)
		}
	}()
	if _, err := results.Exec(); err != nil {
		return fmt.Errorf("set_config: %w", err)
	}
	return read(results)
}

// transaction sends the setting with BEGIN, so that it takes as many flushes as
// a transaction without one.
func (c *flushed) transaction(i int) error {
	conn, err := c.pool.Acquire(c.ctx)
	if err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	defer conn.Release() // the pool ends a transaction that is still open
	b := &pgx.Batch{}
	b.Queue(`BEGIN`)
	b.Queue(setTenant, c.name())
	if err := conn.SendBatch(c.ctx, b).Close(); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	for n := range inTransaction {
		if err := readOne(c.ctx, conn, textbookPoint, pointID(i+n)); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(c.ctx, `COMMIT`); err != nil {
		return fmt.Errorf("transaction: %w", err)
	}
	return nil
}

// name is the tenant as the setting has it.
func (c *flushed) name() string { return strconv.FormatInt(c.tenant, 10) }
