package isolation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Begin starts a transaction of the tenant of ctx with PostgreSQL's defaults.
// See [DB.BeginTx].
func (db *DB) Begin(ctx context.Context) (pgx.Tx, error) {
	return db.BeginTx(ctx, pgx.TxOptions{})
}

// BeginTx starts a transaction of the tenant of ctx. It holds a connection
// until it is committed or rolled back. The tenant of a transaction does not
// change: a statement whose context belongs to another one is refused with
// [tenant.ErrTwoTenants]. A transaction is used by one goroutine at a time.
//
// A tenant that is not active gets a transaction that is read only.
func (db *DB) BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error) {
	if opts.BeginQuery != "" || opts.CommitQuery != "" {
		return nil, fmt.Errorf("%w: transactions begin and commit by the library's own statements", ErrRefused)
	}
	if use, ok := systemUse(ctx); ok {
		return db.beginSystem(ctx, use, opts)
	}
	var out *tx
	err := db.run(ctx, func(ctx context.Context, l *lease) error {
		if l.gate.readonly {
			opts.AccessMode = pgx.ReadOnly
		}
		if err := l.conn.begin(ctx, l.gate, opts); err != nil {
			if l.conn.pg.TxStatus() != 'I' {
				l.conn.tainted = true // BEGIN went through, the gate did not
			}
			return err
		}
		out = &tx{body: &txBody{lease: l, owner: l.tenant.ID}}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Tx runs fn in a transaction of the tenant of ctx and commits it. It rolls
// back when fn returns an error, which Tx then returns, and when fn panics,
// which goes on. opts may be nil.
func (db *DB) Tx(ctx context.Context, opts *pgx.TxOptions, fn func(pgx.Tx) error) (err error) {
	if opts == nil {
		opts = &pgx.TxOptions{}
	}
	t, err := db.BeginTx(ctx, *opts)
	if err != nil {
		return err
	}
	defer func() {
		// Not ctx: a transaction must end also when its request has.
		if endErr := t.Rollback(context.WithoutCancel(ctx)); endErr != nil && !errors.Is(endErr, pgx.ErrTxClosed) && err == nil {
			err = endErr
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	return t.Commit(ctx)
}

// beginSQL is the statement that starts a transaction.
func beginSQL(opts pgx.TxOptions) string {
	parts := []string{"BEGIN"}
	if opts.IsoLevel != "" {
		parts = append(parts, "ISOLATION LEVEL", string(opts.IsoLevel))
	}
	if opts.AccessMode != "" {
		parts = append(parts, string(opts.AccessMode))
	}
	if opts.DeferrableMode != "" {
		parts = append(parts, string(opts.DeferrableMode))
	}
	return strings.Join(parts, " ")
}

// tx is a transaction behind the wall, or a savepoint within one.
type tx struct {
	body   *txBody
	parent *tx    // nil for the transaction itself
	save   string // the savepoint's name
	closed bool
}

// over reports whether the transaction has ended, or any savepoint that this
// one is in.
func (t *tx) over() bool {
	for ; t != nil; t = t.parent {
		if t.closed {
			return true
		}
	}
	return false
}

// ready refuses what can no longer be done, and whoever the transaction does
// not belong to.
func (t *tx) ready(ctx context.Context) error {
	if t.over() {
		return pgx.ErrTxClosed
	}
	return t.body.ready(ctx)
}

// Query implements [pgx.Tx].
func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.ready(ctx); err != nil {
		return failedRows{err}, err
	}
	if named, ok := t.body.plans[sql]; ok {
		sql = named
	}
	q, err := parse(ctx, sql, args)
	if err != nil {
		return failedRows{err}, err
	}
	c := t.body.lease.conn
	if err := c.suspect(t.body.lease.inside(), q, true); err != nil {
		return failedRows{err}, err
	}
	x, err := c.start(ctx, t.body.lease.inside(), q.sql, q.args, q.text)
	if err != nil {
		return failedRows{err}, err
	}
	rows := newRows(x, staying{})
	t.body.open = rows
	return rows, nil
}

// QueryRow implements [pgx.Tx].
func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, _ := t.Query(ctx, sql, args...) // the rows carry the error
	return rowOf(rows)
}

// Exec implements [pgx.Tx].
func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return exec(t.Query(ctx, sql, args...))
}

// SendBatch implements [pgx.Tx].
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.ready(ctx); err != nil {
		return &batch{err: err, closed: true}
	}
	results, err := t.body.lease.conn.sendBatch(ctx, t.body.lease.inside(), b, true, func(err error) error { return err })
	if err != nil {
		return &batch{err: err, closed: true}
	}
	t.body.open = results
	return results
}

// CopyFrom implements [pgx.Tx]; see [DB.CopyFrom].
func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	return copyFrom(ctx, t, table, columns, src)
}

// Prepare implements [pgx.Tx]. The name is good until the transaction ends:
// what is prepared in the session is the library's own.
func (t *tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	q, err := parse(ctx, sql, nil)
	if err != nil {
		return nil, err
	}
	c := t.body.lease.conn
	if c.mode == pgx.QueryExecModeExec {
		return nil, fmt.Errorf("%w: statements are not described in the exec mode", ErrRefused)
	}
	stmts, err := c.describe(ctx, t.body.lease.inside(), q.sql)
	if err != nil {
		return nil, err
	}
	if t.body.plans == nil {
		t.body.plans = map[string]string{}
	}
	t.body.plans[name] = q.sql
	described := *stmts[0].sd
	described.Name = name
	return &described, nil
}

// Begin implements [pgx.Tx] by a savepoint.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	t.body.savepoints++
	name := "partywall_" + strconv.Itoa(t.body.savepoints)
	if _, err := t.body.lease.conn.control(ctx, "SAVEPOINT "+name); err != nil {
		return nil, err
	}
	return &tx{body: t.body, parent: t, save: name}, nil
}

// Commit implements [pgx.Tx]. Any context will do: the transaction knows whose
// it is.
func (t *tx) Commit(ctx context.Context) error {
	if t.over() {
		return pgx.ErrTxClosed
	}
	t.closed = true
	c := t.body.lease.conn
	if t.save != "" {
		_, err := c.control(ctx, "RELEASE SAVEPOINT "+t.save)
		return err
	}
	t.body.detach()
	defer t.body.lease.release()
	tag, err := c.control(ctx, "COMMIT")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	return err
}

// rollbackTime is how long a server has to answer a ROLLBACK. One that takes
// longer is not there, and the transaction ends with the connection.
const rollbackTime = 5 * time.Second

// Rollback implements [pgx.Tx]. Any context will do, also one that is done:
// then the connection is ended, and the transaction with it.
func (t *tx) Rollback(ctx context.Context) error {
	if t.over() {
		return pgx.ErrTxClosed
	}
	t.closed = true
	ctx, cancel := context.WithTimeout(ctx, rollbackTime)
	defer cancel()
	c := t.body.lease.conn
	if t.save != "" {
		_, err := c.control(ctx, "ROLLBACK TO SAVEPOINT "+t.save)
		return err
	}
	t.body.detach()
	defer t.body.lease.release()
	_, err := c.control(ctx, "ROLLBACK")
	if err != nil {
		c.tainted = true
	}
	return err
}

// Conn implements [pgx.Tx]. It is nil: the connection is behind the wall.
func (t *tx) Conn() *pgx.Conn { return nil }

// LargeObjects implements [pgx.Tx]. Large objects know no tenants: using what
// it returns panics.
func (t *tx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }
