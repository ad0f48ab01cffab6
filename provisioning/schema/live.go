package schema

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// live is a session of the migrator's.
type live struct {
	conn *pgx.Conn
	// failed is the first statement since it was last cleared that PostgreSQL
	// refused; goose does not tell.
	failed string
}

func (l *live) exec(ctx context.Context, query string, args []any) (int64, error) {
	tag, err := l.conn.Exec(ctx, query, args...)
	l.note(query, err)
	return tag.RowsAffected(), err
}

func (l *live) query(ctx context.Context, query string, args []any) (driver.Rows, error) {
	// As text, which every type has a form for, also those that nobody has
	// registered.
	rows, err := l.conn.Query(ctx, query, append([]any{pgx.QueryResultFormats{pgx.TextFormatCode}}, args...)...)
	l.note(query, err)
	if err != nil {
		return nil, err
	}
	return &texts{live: l, query: query, rows: rows, fields: slices.Clone(rows.FieldDescriptions())}, nil
}

func (l *live) begin(ctx context.Context, opts pgx.TxOptions) (driver.Tx, error) {
	tx, err := l.conn.BeginTx(ctx, opts)
	return transaction{tx}, err
}

func (l *live) note(query string, err error) {
	if err != nil && l.failed == "" {
		l.failed = query
	}
}

// transaction implements [driver.Tx]. database/sql gives no context here.
type transaction struct{ tx pgx.Tx }

func (t transaction) Commit() error { return ended(t.tx.Commit(context.Background())) }

func (t transaction) Rollback() error { return ended(t.tx.Rollback(context.Background())) }

func ended(err error) error {
	if errors.Is(err, pgx.ErrTxClosed) {
		return sql.ErrTxDone
	}
	return err
}

// texts implements [driver.Rows] over results in text format.
type texts struct {
	live   *live
	query  string
	rows   pgx.Rows
	fields []pgconn.FieldDescription
}

// Columns implements [driver.Rows].
func (r *texts) Columns() []string {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = f.Name
	}
	return names
}

// Close implements [driver.Rows].
func (r *texts) Close() error {
	r.rows.Close()
	r.live.note(r.query, r.rows.Err())
	return r.rows.Err()
}

// Next implements [driver.Rows].
func (r *texts) Next(dest []driver.Value) error {
	if !r.rows.Next() {
		r.live.note(r.query, r.rows.Err())
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	for i, raw := range r.rows.RawValues() {
		v, err := r.value(r.fields[i].DataTypeOID, raw)
		if err != nil {
			return fmt.Errorf("schema: column %q: %w", r.fields[i].Name, err)
		}
		dest[i] = v
	}
	return nil
}

// value decodes the types that database/sql has a word for; all others are as
// PostgreSQL writes them.
func (r *texts) value(oid uint32, raw []byte) (driver.Value, error) {
	known, ok := r.live.conn.TypeMap().TypeForOID(oid)
	switch {
	case raw == nil:
		return nil, nil //nolint:nilnil // NULL
	case oid == pgtype.JSONOID || oid == pgtype.JSONBOID:
		return slices.Clone(raw), nil // a json.RawMessage takes no string
	case !ok:
		return string(raw), nil
	}
	return known.Codec.DecodeDatabaseSQLValue(r.live.conn.TypeMap(), oid, pgx.TextFormatCode, raw)
}
