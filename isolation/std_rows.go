package isolation

import (
	"database/sql/driver"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// stdRows implements [driver.Rows] over a statement's results.
type stdRows struct {
	rows   pgx.Rows
	types  *pgtype.Map
	fields []pgconn.FieldDescription
	ended  bool
	first  bool // the first row has been read already, to know the columns
}

// newStdRows reads up to the first row: in the exec mode the columns are not
// known before.
func newStdRows(rows pgx.Rows, types *pgtype.Map) *stdRows {
	r := &stdRows{rows: rows, types: types, first: true}
	r.ended = !rows.Next()
	r.fields = slices.Clone(rows.FieldDescriptions()) // theirs are the next statement's, too
	return r
}

// Columns implements [driver.Rows].
func (r *stdRows) Columns() []string {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = f.Name
	}
	return names
}

// ColumnTypeDatabaseTypeName implements driver.RowsColumnTypeDatabaseTypeName.
func (r *stdRows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.types.TypeForOID(r.fields[i].DataTypeOID); ok {
		return strings.ToUpper(t.Name)
	}
	return fmt.Sprint(r.fields[i].DataTypeOID)
}

// Close implements [driver.Rows].
func (r *stdRows) Close() error {
	r.rows.Close()
	return r.rows.Err()
}

// Next implements [driver.Rows].
func (r *stdRows) Next(dest []driver.Value) error {
	if !r.first && !r.ended {
		r.ended = !r.rows.Next()
	}
	r.first = false
	if r.ended {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	for i, raw := range r.rows.RawValues() {
		v, err := r.value(r.fields[i], raw)
		if err != nil {
			return fmt.Errorf("isolation: column %q: %w", r.fields[i].Name, err)
		}
		dest[i] = v
	}
	return nil
}

// value decodes the types that database/sql has a word for; all others are as
// PostgreSQL writes them.
func (r *stdRows) value(f pgconn.FieldDescription, raw []byte) (driver.Value, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // NULL
	}
	switch f.DataTypeOID {
	case pgtype.JSONOID, pgtype.JSONBOID, pgtype.XMLOID:
		// As pgx's own driver has them: a json.RawMessage takes no string.
		return slices.Clone(raw), nil
	}
	if textFormat(f.DataTypeOID) == pgx.TextFormatCode {
		return string(raw), nil
	}
	known, ok := r.types.TypeForOID(f.DataTypeOID)
	if !ok {
		return string(raw), nil
	}
	return known.Codec.DecodeDatabaseSQLValue(r.types, f.DataTypeOID, f.Format, raw)
}
