package schema

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// session is what goose's statements go to.
type session interface {
	exec(ctx context.Context, query string, args []any) (int64, error)
	query(ctx context.Context, query string, args []any) (driver.Rows, error)
	begin(ctx context.Context, opts pgx.TxOptions) (driver.Tx, error)
}

// handle returns a database/sql handle for goose, which wants one. However many
// connections it believes to have, they are the one session: the search_path
// and the lock are the session's, and a Go migration without a transaction runs
// in it too. Closing the handle leaves the session open.
func handle(s session) *sql.DB { return sql.OpenDB(connector{s}) }

// connector implements [driver.Connector].
type connector struct{ session session }

func (c connector) Connect(context.Context) (driver.Conn, error) { return link(c), nil }

func (c connector) Driver() driver.Driver { return unnamed{} }

// unnamed is there because database/sql wants a driver to name.
type unnamed struct{}

func (unnamed) Open(string) (driver.Conn, error) {
	return nil, errors.New("schema: connections are made by a session")
}

// link is a connection in name.
type link struct{ session session }

var (
	_ driver.QueryerContext    = link{}
	_ driver.ExecerContext     = link{}
	_ driver.ConnBeginTx       = link{}
	_ driver.NamedValueChecker = link{}
)

// QueryContext implements [driver.QueryerContext].
func (l link) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return l.session.query(ctx, query, values(args))
}

// ExecContext implements [driver.ExecerContext].
func (l link) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	n, err := l.session.exec(ctx, query, values(args))
	return driver.RowsAffected(n), err
}

// CheckNamedValue implements [driver.NamedValueChecker]: pgx encodes more than
// database/sql knows.
func (link) CheckNamedValue(v *driver.NamedValue) error {
	if v.Name != "" {
		return fmt.Errorf("schema: argument %s: PostgreSQL has $1, $2, … and no names", v.Name)
	}
	return nil
}

// BeginTx implements [driver.ConnBeginTx].
func (l link) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	var o pgx.TxOptions
	switch sql.IsolationLevel(opts.Isolation) {
	case sql.LevelDefault:
	case sql.LevelReadCommitted:
		o.IsoLevel = pgx.ReadCommitted
	case sql.LevelRepeatableRead:
		o.IsoLevel = pgx.RepeatableRead
	case sql.LevelSerializable:
		o.IsoLevel = pgx.Serializable
	default:
		return nil, fmt.Errorf("schema: isolation level %s", sql.IsolationLevel(opts.Isolation))
	}
	if opts.ReadOnly {
		o.AccessMode = pgx.ReadOnly
	}
	return l.session.begin(ctx, o)
}

// Begin implements [driver.Conn]; database/sql calls BeginTx.
func (l link) Begin() (driver.Tx, error) { return l.BeginTx(context.Background(), driver.TxOptions{}) }

// Prepare implements [driver.Conn]. The session keeps what it has prepared, so
// there is nothing to do until the statement is used.
func (l link) Prepare(query string) (driver.Stmt, error) { return prepared{l, query}, nil }

// Close implements [driver.Conn].
func (link) Close() error { return nil }

// prepared implements [driver.Stmt].
type prepared struct {
	link  link
	query string
}

var (
	_ driver.StmtExecContext  = prepared{}
	_ driver.StmtQueryContext = prepared{}
)

func (prepared) Close() error { return nil }

func (prepared) NumInput() int { return -1 } // the server counts

func (p prepared) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return p.link.ExecContext(ctx, p.query, args)
}

func (p prepared) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return p.link.QueryContext(ctx, p.query, args)
}

var errNoContext = errors.New("schema: a statement without a context")

func (prepared) Exec([]driver.Value) (driver.Result, error) { return nil, errNoContext }

func (prepared) Query([]driver.Value) (driver.Rows, error) { return nil, errNoContext }

func values(named []driver.NamedValue) []any {
	args := make([]any, len(named))
	for i, a := range named {
		args[i] = a.Value
	}
	return args
}
