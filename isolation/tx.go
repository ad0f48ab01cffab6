package isolation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
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
		out = &tx{db: db, lease: l, owner: l.tenant.ID}
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

// tx is a transaction behind the wall.
type tx struct {
	db     *DB
	lease  *lease
	owner  tenant.ID // zero for the system's
	closed bool
	depth  *int // counts the savepoints; shared with nested transactions
	save   string
	plans  map[string]string // what Prepare has named
}

// check refuses whoever the transaction does not belong to.
func (t *tx) check(ctx context.Context) error {
	if t.closed {
		return pgx.ErrTxClosed
	}
	if t.owner.IsZero() {
		return nil
	}
	named, err := tenant.FromContext(ctx)
	if err != nil {
		return err
	}
	if named.ID != t.owner {
		return fmt.Errorf("%w: the transaction of %s, the context of %s", tenant.ErrTwoTenants, t.owner, named.ID)
	}
	return nil
}

// Query implements [pgx.Tx].
func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.check(ctx); err != nil {
		return failedRows{err}, err
	}
	if named, ok := t.plans[sql]; ok {
		sql = named
	}
	q, err := parse(ctx, sql, args)
	if err != nil {
		return failedRows{err}, err
	}
	c := t.lease.conn
	c.tainted = c.tainted || leavesTrace(q.sql, true)
	x, err := c.start(ctx, t.lease.inside(), q.sql, q.args, q.text)
	if err != nil {
		return failedRows{err}, err
	}
	return newRows(x, func(err error) error { return err }), nil
}

// QueryRow implements [pgx.Tx].
func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, _ := t.Query(ctx, sql, args...) // the rows carry the error
	return row{rows}
}

// Exec implements [pgx.Tx].
func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return exec(t.Query(ctx, sql, args...))
}

// SendBatch implements [pgx.Tx].
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.check(ctx); err != nil {
		return &batch{err: err, closed: true}
	}
	results, err := t.lease.conn.sendBatch(ctx, t.lease.inside(), b, true, func(err error) error { return err })
	if err != nil {
		return &batch{err: err, closed: true}
	}
	return results
}

// CopyFrom implements [pgx.Tx]; see [DB.CopyFrom].
func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	return copyFrom(ctx, t, table, columns, src)
}

// Prepare implements [pgx.Tx]. The name is good until the transaction ends:
// what is prepared in the session is the library's own.
func (t *tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	q, err := parse(ctx, sql, nil)
	if err != nil {
		return nil, err
	}
	if t.lease.conn.mode == pgx.QueryExecModeExec {
		return nil, fmt.Errorf("%w: statements are not described in the exec mode", ErrRefused)
	}
	stmts, err := t.lease.conn.describe(ctx, t.lease.inside(), q.sql)
	if err != nil {
		return nil, err
	}
	if t.plans == nil {
		t.plans = map[string]string{}
	}
	t.plans[name] = q.sql
	described := *stmts[0].sd
	described.Name = name
	return &described, nil
}

// Begin implements [pgx.Tx] by a savepoint.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	if t.depth == nil {
		t.depth = new(int)
	}
	*t.depth++
	name := "partywall_" + strconv.Itoa(*t.depth)
	if _, err := t.lease.conn.control(ctx, "SAVEPOINT "+name); err != nil {
		return nil, err
	}
	return &tx{db: t.db, lease: t.lease, owner: t.owner, depth: t.depth, save: name, plans: t.plans}, nil
}

// Commit implements [pgx.Tx]. Any context will do: the transaction knows whose
// it is.
func (t *tx) Commit(ctx context.Context) error {
	if t.closed {
		return pgx.ErrTxClosed
	}
	t.closed = true
	if t.save != "" {
		_, err := t.lease.conn.control(ctx, "RELEASE SAVEPOINT "+t.save)
		return err
	}
	tag, err := t.lease.conn.control(ctx, "COMMIT")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	t.lease.release()
	return err
}

// Rollback implements [pgx.Tx]. Any context will do, also one that is done:
// then the connection is ended, and the transaction with it.
func (t *tx) Rollback(ctx context.Context) error {
	if t.closed {
		return pgx.ErrTxClosed
	}
	t.closed = true
	if t.save != "" {
		_, err := t.lease.conn.control(ctx, "ROLLBACK TO SAVEPOINT "+t.save)
		return err
	}
	_, err := t.lease.conn.control(ctx, "ROLLBACK")
	if err != nil {
		t.lease.conn.tainted = true
	}
	t.lease.release()
	return err
}

// Conn implements [pgx.Tx]. It is nil: the connection is behind the wall.
func (t *tx) Conn() *pgx.Conn { return nil }

// LargeObjects implements [pgx.Tx]. Large objects know no tenants: using what
// it returns panics.
func (t *tx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }
