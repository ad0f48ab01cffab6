package isolation

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// rows are a statement's results. They hold a connection until they are read
// to the end or closed; afterwards they hold nothing, so that whoever keeps
// them cannot reach the connection's next user.
type rows struct {
	pgx.Rows

	x    exchange
	done finisher // nil once it has finished
	err  error

	fields []pgconn.FieldDescription // once the connection is given back
	first  row                       // here, so that asking for it allocates nothing
}

// finisher gives the connection of results back, and names their error.
type finisher interface{ finish(err error) error }

// finishFunc is a finisher with more to do.
type finishFunc func(error) error

func (f finishFunc) finish(err error) error { return f(err) }

// staying leaves the connection where it is.
type staying struct{}

func (staying) finish(err error) error { return err }

func newRows(x exchange, done finisher) *rows {
	return &rows{Rows: pgx.RowsFromResultReader(x.conn.types, x.results), x: x, done: done}
}

// Close implements [pgx.Rows].
func (r *rows) Close() {
	if r.done == nil {
		return
	}
	r.Rows.Close()
	r.fields = r.x.fields()
	err := r.x.end(r.Rows.Err())
	r.err = r.done.finish(err)
	r.done, r.x = nil, exchange{}
}

func (r *rows) settle() { r.Close() }

func (r *rows) sever(err error) {
	if r.done != nil {
		r.err = err
		r.done, r.x, r.Rows = nil, exchange{}, failedRows{err}
	}
}

// Err implements [pgx.Rows]. It is complete once the rows are closed.
func (r *rows) Err() error {
	if r.done != nil {
		return r.Rows.Err()
	}
	return r.err
}

// Next implements [pgx.Rows].
func (r *rows) Next() bool {
	if r.done == nil {
		return false
	}
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Scan implements [pgx.Rows].
func (r *rows) Scan(dest ...any) error {
	if r.done == nil {
		return errRowsClosed
	}
	return r.Rows.Scan(dest...)
}

// Values implements [pgx.Rows].
func (r *rows) Values() ([]any, error) {
	if r.done == nil {
		return nil, errRowsClosed
	}
	return r.Rows.Values()
}

// RawValues implements [pgx.Rows].
func (r *rows) RawValues() [][]byte {
	if r.done == nil {
		return nil
	}
	return r.Rows.RawValues()
}

// FieldDescriptions implements [pgx.Rows].
func (r *rows) FieldDescriptions() []pgconn.FieldDescription {
	if r.done == nil {
		return r.fields
	}
	return r.Rows.FieldDescriptions()
}

// TypeMap implements [pgx.Rows]. Once the rows are closed it is a fresh one:
// the connection's own is the next user's.
func (r *rows) TypeMap() *pgtype.Map {
	if r.done == nil {
		return pgtype.NewMap()
	}
	return r.Rows.TypeMap()
}

// Conn implements [pgx.Rows]. It is nil: the connection is behind the wall.
func (r *rows) Conn() *pgx.Conn { return nil }

var errRowsClosed = errors.New("isolation: rows are closed")

// failedRows are the results of a statement that was not sent.
type failedRows struct{ err error }

func (failedRows) Close()                                       {}
func (r failedRows) Err() error                                 { return r.err }
func (failedRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (failedRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (failedRows) Next() bool                                   { return false }
func (r failedRows) Scan(...any) error                          { return r.err }
func (r failedRows) Values() ([]any, error)                     { return nil, r.err }
func (failedRows) RawValues() [][]byte                          { return nil }
func (failedRows) Conn() *pgx.Conn                              { return nil }
func (failedRows) TypeMap() *pgtype.Map                         { return pgtype.NewMap() }

// row is the first of a statement's results.
type row struct{ rows pgx.Rows }

func rowOf(all pgx.Rows) *row {
	if r, ok := all.(*rows); ok {
		r.first.rows = r
		return &r.first
	}
	return &row{all}
}

// Scan implements [pgx.Row]. It gives the connection back whatever happens.
func (r *row) Scan(dest ...any) error {
	defer r.rows.Close()
	if !r.rows.Next() {
		r.rows.Close()
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// exec reads rows to the end, and keeps only what they were called.
func exec(rows pgx.Rows, err error) (pgconn.CommandTag, error) {
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}
