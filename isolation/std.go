package isolation

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// StdDB returns db as a database/sql handle with the same wall, for GORM, ent,
// bun and whatever else wants one. Its methods need a context that belongs to
// a tenant, so those without one (Query instead of QueryContext) fail with
// [tenant.ErrNoTenant].
//
// The handle has no connections of its own: its pool settings change nothing,
// and closing it leaves db open. Ping says only that it is.
func (db *DB) StdDB() *sql.DB { return sql.OpenDB(stdConnector{db}) }

// stdConnector implements [driver.Connector].
type stdConnector struct{ db *DB }

func (c stdConnector) Connect(context.Context) (driver.Conn, error) {
	return &stdConn{db: c.db, types: pgtype.NewMap()}, nil
}

func (c stdConnector) Driver() driver.Driver { return stdDriver{} }

// stdDriver is there because database/sql wants one to name.
type stdDriver struct{}

func (stdDriver) Open(string) (driver.Conn, error) {
	return nil, fmt.Errorf("%w: connections are made by DB.StdDB", ErrRefused)
}

// stdConn is a connection in name: it holds nothing but the transaction that
// database/sql has begun on it.
type stdConn struct {
	db    *DB
	tx    pgx.Tx
	types *pgtype.Map
}

var (
	_ driver.QueryerContext     = (*stdConn)(nil)
	_ driver.ExecerContext      = (*stdConn)(nil)
	_ driver.ConnBeginTx        = (*stdConn)(nil)
	_ driver.ConnPrepareContext = (*stdConn)(nil)
	_ driver.NamedValueChecker  = (*stdConn)(nil)
	_ driver.SessionResetter    = (*stdConn)(nil)
	_ driver.Pinger             = (*stdConn)(nil)
)

// QueryContext implements [driver.QueryerContext].
func (c *stdConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return newStdRows(rows, c.types), nil
}

// ExecContext implements [driver.ExecerContext].
func (c *stdConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	tag, err := exec(c.query(ctx, query, args))
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

func (c *stdConn) query(ctx context.Context, query string, named []driver.NamedValue) (pgx.Rows, error) {
	args := make([]any, 0, len(named)+1)
	args = append(args, wantText{})
	for _, a := range named {
		args = append(args, a.Value)
	}
	if c.tx != nil {
		return c.tx.Query(ctx, query, args...)
	}
	return c.db.Query(ctx, query, args...)
}

// CheckNamedValue implements [driver.NamedValueChecker]: pgx encodes more than
// database/sql knows.
func (c *stdConn) CheckNamedValue(v *driver.NamedValue) error {
	if v.Name != "" {
		return fmt.Errorf("%w: named arguments; PostgreSQL has $1, $2, …", ErrRefused)
	}
	return nil
}

// BeginTx implements [driver.ConnBeginTx].
func (c *stdConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.tx != nil {
		return nil, fmt.Errorf("%w: a transaction within a transaction", ErrRefused) // by way of sql.Conn.Raw
	}
	level, err := isoLevel(sql.IsolationLevel(opts.Isolation))
	if err != nil {
		return nil, err
	}
	pgxOpts := pgx.TxOptions{IsoLevel: level}
	if opts.ReadOnly {
		pgxOpts.AccessMode = pgx.ReadOnly
	}
	if c.tx, err = c.db.BeginTx(ctx, pgxOpts); err != nil {
		c.tx = nil
		return nil, err
	}
	return stdTx{c}, nil
}

func isoLevel(level sql.IsolationLevel) (pgx.TxIsoLevel, error) {
	switch level {
	case sql.LevelDefault:
		return "", nil
	case sql.LevelReadUncommitted:
		return pgx.ReadUncommitted, nil
	case sql.LevelReadCommitted:
		return pgx.ReadCommitted, nil
	case sql.LevelRepeatableRead, sql.LevelSnapshot:
		return pgx.RepeatableRead, nil
	case sql.LevelSerializable:
		return pgx.Serializable, nil
	}
	return "", fmt.Errorf("%w: isolation level %s", ErrRefused, level)
}

// stdTx implements [driver.Tx]. database/sql gives no context here.
type stdTx struct{ conn *stdConn }

func (t stdTx) Commit() error { return t.end(pgx.Tx.Commit) }

func (t stdTx) Rollback() error { return t.end(pgx.Tx.Rollback) }

func (t stdTx) end(how func(pgx.Tx, context.Context) error) error {
	tx := t.conn.tx
	t.conn.tx = nil
	if tx == nil {
		return sql.ErrTxDone
	}
	err := how(tx, context.Background())
	if errors.Is(err, pgx.ErrTxClosed) {
		return sql.ErrTxDone
	}
	return err
}

// ResetSession implements [driver.SessionResetter].
func (c *stdConn) ResetSession(context.Context) error {
	if c.tx != nil {
		return driver.ErrBadConn // somebody forgot a transaction
	}
	return nil
}

// Ping implements [driver.Pinger].
func (c *stdConn) Ping(context.Context) error {
	for _, s := range c.db.servers {
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return ErrClosed
		}
	}
	return nil
}

// Close implements [driver.Conn]. A transaction still open is rolled back.
func (c *stdConn) Close() error {
	if c.tx == nil {
		return nil
	}
	return stdTx{c}.Rollback()
}

// Begin implements [driver.Conn]; database/sql calls BeginTx.
func (c *stdConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// Prepare implements [driver.Conn]; database/sql calls PrepareContext.
func (c *stdConn) Prepare(query string) (driver.Stmt, error) { return stdStmt{c, query}, nil }

// PrepareContext implements [driver.ConnPrepareContext]. Connections keep
// their own prepared statements, so there is nothing to do until it is used.
func (c *stdConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return stdStmt{c, query}, nil
}

// stdStmt implements [driver.Stmt].
type stdStmt struct {
	conn  *stdConn
	query string
}

func (s stdStmt) Close() error { return nil }

func (s stdStmt) NumInput() int { return -1 } // the server counts

func (s stdStmt) Exec([]driver.Value) (driver.Result, error) {
	return nil, fmt.Errorf("%w: a statement without a context", ErrRefused)
}

func (s stdStmt) Query([]driver.Value) (driver.Rows, error) {
	return nil, fmt.Errorf("%w: a statement without a context", ErrRefused)
}

func (s stdStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s stdStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}
