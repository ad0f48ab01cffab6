package records

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"

	"github.com/partywall/partywall/examples/recordstore/money"
)

// maxFile bounds a file, so that one that does not end ends us neither.
const maxFile = 64 << 20

// ErrInvalid is returned for files that are not what they should be; the error
// names the file and the line.
var ErrInvalid = errors.New("records: invalid file")

// row is one line of a CSV file with a header. Its getters remember the first
// mistake, so that a row is read in one go and checked once.
type row struct {
	values []string
	index  map[string]int
	err    error
}

// each calls fn with every row of a file, which must have the columns that fn
// asks for.
func each(files fs.FS, name string, fn func(*row)) error {
	f, err := files.Open(name)
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	limited := &io.LimitedReader{R: f, N: maxFile}
	r := csv.NewReader(limited)
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return fmt.Errorf("%w: %s: header: %w", ErrInvalid, name, err)
	}
	line := row{index: map[string]int{}}
	for i, column := range header {
		line.index[column] = i
	}
	for {
		line.values, err = r.Read()
		switch {
		case limited.N == 0:
			return fmt.Errorf("%w: %s: larger than %d bytes", ErrInvalid, name, maxFile)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %s: %w", ErrInvalid, name, err)
		}
		if fn(&line); line.err != nil {
			at, _ := r.FieldPos(0)
			return fmt.Errorf("%w: %s:%d: %w", ErrInvalid, name, at, line.err)
		}
	}
}

func (r *row) fail(column string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", column, err)
	}
}

// text returns a column that may be empty.
func (r *row) text(column string) string {
	i, ok := r.index[column]
	if !ok {
		r.fail(column, errors.New("no such column"))
		return ""
	}
	return r.values[i]
}

// word returns a column that may not be empty.
func (r *row) word(column string) string {
	text := r.text(column)
	if text == "" {
		r.fail(column, errors.New("is empty"))
	}
	return text
}

func (r *row) number(column string) int32 {
	n, err := strconv.ParseInt(r.text(column), 10, 32)
	if err != nil {
		r.fail(column, err)
	}
	return int32(n)
}

func (r *row) amount(column string) money.Amount {
	a, err := money.Parse(r.text(column))
	if err != nil {
		r.fail(column, err)
	}
	return a
}

func (r *row) date(column string) time.Time {
	at, err := time.Parse(time.DateTime, r.text(column))
	if err != nil {
		r.fail(column, err)
	}
	return at
}
