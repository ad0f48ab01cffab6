package main

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
)

// client runs the statements in one way. It holds its contexts, as a request
// would: making them is not what is measured.
type client interface {
	point(i int) error
	list(i int) error
	insert(i int) error
}

// Rows to read have the ids 1 to 1000 for every tenant. The ids of rows to
// insert never repeat: every client has a range of its own.
func pointID(i int) int64 { return int64(i*7919%1000) + 1 }

func listID(i int) int64 { return int64(i * 7919 % 980) }

const idRange = 1 << 40

// queryer is what pgx's pools and transactions, and the wall, have in common.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// The statements as somebody writes them who has no wall, and as they are
// behind one.
const (
	rawPoint  = `SELECT id, name, price, made FROM item WHERE tenant_id = $1 AND id = $2`
	rawList   = `SELECT id, name, price, made FROM item WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT 20`
	rawInsert = `INSERT INTO event (tenant_id, id, name, price) VALUES ($1, $2, $3, $4)`

	wallPoint  = `SELECT id, name, price, made FROM item WHERE id = $1`
	wallList   = `SELECT id, name, price, made FROM item WHERE id > $1 ORDER BY id LIMIT 20`
	wallInsert = `INSERT INTO event (id, name, price) VALUES ($1, $2, $3)`

	textbookPoint  = `SELECT id, name, price, made FROM item_rls WHERE id = $1`
	textbookList   = `SELECT id, name, price, made FROM item_rls WHERE id > $1 ORDER BY id LIMIT 20`
	textbookInsert = `INSERT INTO event_rls (id, name, price) VALUES ($1, $2, $3)`
)

// raw is hand-written pgx.
type raw struct {
	ctx    context.Context //nolint:containedctx // see client
	pool   *pgxpool.Pool
	tenant int64
	base   int64
}

func (c *raw) point(i int) error {
	return readOne(c.ctx, c.pool, rawPoint, c.tenant, pointID(i))
}

func (c *raw) list(i int) error {
	return readTwenty(c.ctx, c.pool, rawList, c.tenant, listID(i))
}

func (c *raw) insert(i int) error {
	if _, err := c.pool.Exec(c.ctx, rawInsert, c.tenant, c.base+int64(i), "new", 100); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

// textbook is BEGIN, set_config, the statement, COMMIT: four round trips.
type textbook raw

func (c *textbook) point(i int) error {
	return c.tx(func(tx pgx.Tx) error { return readOne(c.ctx, tx, textbookPoint, pointID(i)) })
}

func (c *textbook) list(i int) error {
	return c.tx(func(tx pgx.Tx) error { return readTwenty(c.ctx, tx, textbookList, listID(i)) })
}

func (c *textbook) insert(i int) error {
	return c.tx(func(tx pgx.Tx) error {
		if _, err := tx.Exec(c.ctx, textbookInsert, c.base+int64(i), "new", 100); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		return nil
	})
}

func (c *textbook) tx(fn func(pgx.Tx) error) error {
	err := pgx.BeginFunc(c.ctx, c.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(c.ctx, `SELECT set_config('app.tenant', $1, true)`, strconv.FormatInt(c.tenant, 10)); err != nil {
			return fmt.Errorf("set_config: %w", err)
		}
		return fn(tx)
	})
	if err != nil {
		return fmt.Errorf("textbook: %w", err)
	}
	return nil
}

// walled is the wall, for one tenant or several in turn.
type walled struct {
	db   *isolation.DB
	turn []context.Context
	base int64
}

func (c *walled) next(i int) context.Context { return c.turn[i%len(c.turn)] }

func (c *walled) point(i int) error {
	return readOne(c.next(i), c.db, wallPoint, pointID(i))
}

func (c *walled) list(i int) error {
	return readTwenty(c.next(i), c.db, wallList, listID(i))
}

func (c *walled) insert(i int) error {
	if _, err := c.db.Exec(c.next(i), wallInsert, c.base+int64(i), "new", 100); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

// std is the wall through database/sql.
type std struct {
	db   *sql.DB
	ctx  context.Context //nolint:containedctx // see client
	base int64
}

func (c *std) point(i int) error {
	return one(c.db.QueryRowContext(c.ctx, wallPoint, pointID(i)))
}

func (c *std) list(i int) error {
	rows, err := c.db.QueryContext(c.ctx, wallList, listID(i))
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err has it
	if err := twenty(rows); err != nil {
		return err
	}
	return rows.Err()
}

func (c *std) insert(i int) error {
	if _, err := c.db.ExecContext(c.ctx, wallInsert, c.base+int64(i), "new", 100); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

type row struct {
	id, price int64
	name      string
	made      time.Time
}

func readOne(ctx context.Context, q queryer, sql string, args ...any) error {
	return one(q.QueryRow(ctx, sql, args...))
}

func one(answer pgx.Row) error {
	var r row
	if err := answer.Scan(&r.id, &r.name, &r.price, &r.made); err != nil {
		return fmt.Errorf("point: %w", err)
	}
	return nil
}

func readTwenty(ctx context.Context, q queryer, sql string, args ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	defer rows.Close()
	return twenty(rows)
}

// cursor is what rows of pgx and of database/sql have in common.
type cursor interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
}

func twenty(rows cursor) error {
	n := 0
	for ; rows.Next(); n++ {
		var r row
		if err := rows.Scan(&r.id, &r.name, &r.price, &r.made); err != nil {
			return fmt.Errorf("list: %w", err)
		}
	}
	return allTwenty(n, rows.Err())
}

// allTwenty says whether a list was read whole.
func allTwenty(n int, err error) error {
	if err == nil && n != 20 {
		return fmt.Errorf("list: %d rows, want 20", n)
	}
	return err
}
