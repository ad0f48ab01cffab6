package isolation

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// copyChunk is how many rows go into one statement: enough to make the round
// trip cheap, few enough to keep memory flat.
const copyChunk = 1000

// CopyFrom inserts the rows of src into a table of the tenant of ctx, all or
// none, and returns how many. It has the shape of [pgx.Conn.CopyFrom], but
// sends INSERT … SELECT unnest(…) with binary arrays: PostgreSQL refuses COPY
// FROM behind row-level security. Columns that are arrays themselves, or of
// types that pgx does not know, go row by row, which is slower.
func (db *DB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (n int64, err error) {
	err = db.Tx(ctx, nil, func(tx pgx.Tx) error {
		n, err = tx.CopyFrom(ctx, table, columns, src)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// copyFrom inserts within a transaction.
func copyFrom(ctx context.Context, t *tx, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	if len(columns) == 0 || len(table) == 0 {
		return 0, fmt.Errorf("%w: CopyFrom needs a table and columns", ErrRefused)
	}
	arrays, err := t.arrayTypes(ctx, table, columns)
	if err != nil {
		return 0, err
	}
	var n int64
	for {
		rows, err := nextRows(src, len(columns))
		if err != nil {
			return n, err
		}
		if len(rows) == 0 {
			return n, nil
		}
		if arrays == nil {
			err = t.insertEach(ctx, table, columns, rows)
		} else {
			err = t.insertUnnested(ctx, table, columns, arrays, rows)
		}
		if err != nil {
			return n, err
		}
		n += int64(len(rows))
	}
}

// nextRows reads the next chunk of src.
func nextRows(src pgx.CopyFromSource, width int) ([][]any, error) {
	var rows [][]any
	for len(rows) < copyChunk && src.Next() {
		values, err := src.Values()
		if err != nil {
			return nil, fmt.Errorf("isolation: CopyFrom: %w", err)
		}
		if len(values) != width {
			return nil, fmt.Errorf("isolation: CopyFrom: expected %d values, got %d", width, len(values))
		}
		rows = append(rows, append([]any(nil), values...)) // the source may use its slice again
	}
	if err := src.Err(); err != nil {
		return nil, fmt.Errorf("isolation: CopyFrom: %w", err)
	}
	return rows, nil
}

// arrayTypes returns the columns' array types, or nil if there is a column that
// cannot go into an array.
func (t *tx) arrayTypes(ctx context.Context, table pgx.Identifier, columns []string) ([]*pgtype.Type, error) {
	rows, err := t.Query(ctx, `SELECT `+columnList(columns)+` FROM `+table.Sanitize()+` LIMIT 0`)
	if err != nil {
		return nil, err
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, err
	}
	types := make([]*pgtype.Type, 0, len(columns))
	for _, f := range rows.FieldDescriptions() {
		known, ok := t.body.lease.conn.types.TypeForOID(f.DataTypeOID)
		if !ok || strings.HasPrefix(known.Name, "_") {
			return nil, nil
		}
		array, ok := t.body.lease.conn.types.TypeForName("_" + known.Name)
		if !ok {
			return nil, nil
		}
		types = append(types, array)
	}
	return types, nil
}

// insertUnnested inserts all rows by one statement, a column an argument. It
// goes with its parameters' types, because the exec mode, which asks for none,
// could not tell what the arrays are of.
func (t *tx) insertUnnested(ctx context.Context, table pgx.Identifier, columns []string, arrays []*pgtype.Type, rows [][]any) error {
	args := make([]any, len(columns))
	from := make([]string, len(columns))
	oids := make([]uint32, len(columns))
	for i := range columns {
		column := make([]any, len(rows))
		for j, r := range rows {
			column[j] = r[i]
		}
		args[i], oids[i] = column, arrays[i].OID
		// One by one: unnest() of several arrays is a word of the grammar, and
		// there only without its schema.
		from[i] = "pg_catalog.unnest($" + strconv.Itoa(i+1) + ")"
	}
	sql := `INSERT INTO ` + table.Sanitize() + ` (` + columnList(columns) + `) SELECT * FROM ROWS FROM (` + strings.Join(from, ", ") + `)` //nolint:unqueryvet // the columns are those just listed
	c := t.body.lease.conn
	if err := c.build(&stmt{sd: &pgconn.StatementDescription{SQL: sql, ParamOIDs: oids}}, args); err != nil {
		return err
	}
	_, err := c.pg.ExecParams(ctx, sql, c.args.ParamValues, oids, c.args.ParamFormats, nil).Close()
	return err
}

// insertEach inserts the rows one by one, in one flush.
func (t *tx) insertEach(ctx context.Context, table pgx.Identifier, columns []string, rows [][]any) error {
	holders := make([]string, len(columns))
	for i := range columns {
		holders[i] = "$" + strconv.Itoa(i+1)
	}
	sql := `INSERT INTO ` + table.Sanitize() + ` (` + columnList(columns) + `) VALUES (` + strings.Join(holders, ", ") + `)`
	var b pgx.Batch
	for _, r := range rows {
		b.Queue(sql, r...)
	}
	return t.SendBatch(ctx, &b).Close()
}

func columnList(columns []string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = quote(c)
	}
	return strings.Join(quoted, ", ")
}
