package provisioning

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SeedCSV returns a seeder that fills tables from CSV files (RFC 4180): those
// that match a pattern of [fs.Glob], by name. The file says the table, and its
// first line the columns: 02_orders.csv is for orders, because a number in front
// is for the order of the files alone. A field with nothing in it is NULL, and
// one that is quoted is the empty text, as in PostgreSQL's COPY. Lines without
// anything are passed over. It fails with a [*SeedError].
func SeedCSV(fsys fs.FS, patterns ...string) Seeder {
	return func(ctx context.Context, tx pgx.Tx, progress func(float64, string)) error {
		return eachSeed(fsys, patterns, progress, func(f *seedFile) error { return f.copyCSV(ctx, tx) })
	}
}

// What goes into one statement at most.
const (
	seedRows  = 1000
	seedBytes = 1 << 20
)

// copyCSV writes the rows of a file.
func (f *seedFile) copyCSV(ctx context.Context, tx pgx.Tx) error {
	rows, err := openCSV(f)
	if err != nil {
		return Fail(err)
	}
	written := 0
	for {
		some, err := rows.some()
		if err != nil {
			return Fail(err)
		}
		if len(some) == 0 {
			return rows.probe(ctx, tx)
		}
		if err := rows.write(ctx, tx, some); err != nil {
			return err
		}
		written += len(some)
		f.report(int(rows.reader.InputOffset()), fmt.Sprintf("%d rows", written))
	}
}

// csvRows are the rows of a CSV file.
type csvRows struct {
	file    *seedFile
	reader  *csv.Reader
	table   pgx.Identifier
	columns []string

	head        int // the line that names the columns
	line, start int // the line that was looked at last, and where it begins
}

// csvRow is one of them.
type csvRow struct {
	line   int
	values []any
}

// openCSV reads the columns.
func openCSV(f *seedFile) (*csvRows, error) {
	name := strings.TrimSuffix(path.Base(f.name), path.Ext(f.name))
	name = regexp.MustCompile(`^[0-9]+_`).ReplaceAllString(name, "")
	c := &csvRows{file: f, reader: csv.NewReader(strings.NewReader(f.text)), table: pgx.Identifier{name}, line: 1}
	c.reader.FieldsPerRecord = -1 // ours is the better error
	header, err := c.reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, f.at(1, errors.New("names no columns"))
	}
	if err != nil {
		return nil, c.broken(err)
	}
	c.head, _ = c.reader.FieldPos(0)
	seen := map[string]bool{}
	for _, column := range header {
		switch {
		case column == "":
			return nil, f.at(c.head, errors.New("a column has no name"))
		case seen[column]:
			return nil, f.at(c.head, fmt.Errorf("column %q comes twice", column))
		}
		seen[column] = true
	}
	c.columns = header
	return c, nil
}

// broken says where the file is no CSV.
func (c *csvRows) broken(err error) *SeedError {
	var syntax *csv.ParseError
	if !errors.As(err, &syntax) {
		return c.file.at(0, err)
	}
	if syntax.StartLine != syntax.Line { // the quote that does not end is further up
		return c.file.at(syntax.StartLine, fmt.Errorf("%w, up to line %d", syntax.Err, syntax.Line))
	}
	return c.file.at(syntax.Line, syntax.Err)
}

// some reads the next rows, none at the end.
func (c *csvRows) some() (rows []csvRow, err error) {
	until := c.reader.InputOffset() + seedBytes
	for len(rows) < seedRows && c.reader.InputOffset() < until {
		fields, err := c.reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, c.broken(err)
		}
		line, _ := c.reader.FieldPos(0)
		if len(fields) != len(c.columns) {
			return nil, c.file.at(line, fmt.Errorf("has %d fields for %d columns", len(fields), len(c.columns)))
		}
		row := csvRow{line: line, values: make([]any, len(fields))}
		for i, field := range fields {
			if field != "" || c.quoted(i) {
				row.values[i] = field
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// quoted reports whether a field of the row that was read last is in quotes,
// which the reader does not tell.
func (c *csvRows) quoted(field int) bool {
	line, column := c.reader.FieldPos(field)
	for c.line < line {
		c.start += 1 + strings.IndexByte(c.file.text[c.start:], '\n')
		c.line++
	}
	return strings.HasPrefix(c.file.text[c.start+column-1:], `"`)
}

// write writes rows, all at once. If that fails it writes them one by one, to
// find the first that is wrong.
func (c *csvRows) write(ctx context.Context, tx pgx.Tx, rows []csvRow) error {
	err := pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error { return c.insert(ctx, save, rows) })
	var pg *pgconn.PgError
	if err == nil || !errors.As(err, &pg) || classify(err) != Permanent {
		return c.failed(ctx, tx, rows[0].line, err)
	}
	for i := range rows {
		if one := c.insert(ctx, tx, rows[i:i+1]); one != nil {
			return c.failed(ctx, tx, rows[i].line, one)
		}
	}
	return c.failed(ctx, tx, rows[0].line, err)
}

func (c *csvRows) insert(ctx context.Context, tx pgx.Tx, rows []csvRow) error {
	_, err := tx.CopyFrom(ctx, c.table, c.columns, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		return rows[i].values, nil
	}))
	return err
}

// probe makes sure that table and columns are there, also for a file without
// rows.
func (c *csvRows) probe(ctx context.Context, tx pgx.Tx) error {
	return c.failed(ctx, tx, c.head, c.insert(ctx, tx, nil))
}

// failed is [seedFile.failed]. That a table or a column is not there is said of
// the line that names it.
func (c *csvRows) failed(ctx context.Context, tx pgx.Tx, line int, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "42703") { // undefined_table, undefined_column
		line = c.head
	}
	return c.file.failed(ctx, tx, line, err)
}
