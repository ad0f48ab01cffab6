package records

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/partywall/partywall/examples/recordstore/money"
)

// maxFile bounds a file, so that one that does not end ends us neither.
const maxFile = 64 << 20

// sheet is one CSV file: what it is called, which columns it has to have,
// beside others, and what becomes of a row.
type sheet struct {
	name, columns string
	row           func(*row)
}

// read calls s.row with every row of the file.
func (s sheet) read(files fs.FS) error {
	f, err := files.Open(s.name)
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	limited := &io.LimitedReader{R: f, N: maxFile + 1}
	r := csv.NewReader(limited)
	r.ReuseRecord = true
	line := row{}
	for {
		line.values, err = r.Read()
		switch {
		case limited.N == 0:
			return s.invalid(0, fmt.Errorf("has more than %d bytes", maxFile))
		case errors.Is(err, io.EOF) && line.index != nil:
			return nil
		case errors.Is(err, io.EOF):
			return s.invalid(0, errors.New("is empty"))
		case err != nil:
			return s.invalid(0, err)
		}
		at, _ := r.FieldPos(0)
		if line.index == nil {
			line.index, line.err = s.header(line.values)
		} else {
			s.row(&line)
		}
		if line.err != nil {
			return s.invalid(at, line.err)
		}
	}
}

// header says where each column is.
func (s sheet) header(names []string) (map[string]int, error) {
	index := map[string]int{}
	for i, name := range names {
		if i == 0 {
			name = strings.TrimPrefix(name, "\ufeff") // spreadsheets begin files with one
		}
		index[name] = i
	}
	var errs []error
	for name := range strings.FieldsSeq(s.columns) {
		if _, ok := index[name]; !ok {
			errs = append(errs, fmt.Errorf("there is no column %s", name))
		}
	}
	return index, errors.Join(errs...)
}

func (s sheet) invalid(line int, err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		line, err = parse.Line, parse.Err
	}
	return &InvalidError{File: s.name, Line: line, Err: err}
}

// keys are the ids that a sheet has.
type keys map[int32]bool

// row is one line of a sheet. Its getters remember the first mistake, so that
// a row is read in one go and checked once.
type row struct {
	values []string
	index  map[string]int
	err    error
}

func (r *row) fail(column string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", column, err)
	}
}

// text returns a column that may be empty.
func (r *row) text(column string) string {
	text := r.values[r.index[column]]
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		r.fail(column, errors.New("is not UTF-8, or has a NUL, which PostgreSQL does not take"))
	}
	return text
}

// word returns a column that may not be empty.
func (r *row) word(column string) string {
	text := r.text(column)
	if text == "" {
		r.fail(column, errors.New("is empty"))
	}
	return text
}

// count returns a number that is at least 1.
func (r *row) count(column string) int32 {
	n, err := strconv.ParseInt(r.text(column), 10, 32)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d is not at least 1", n)
	}
	if err != nil {
		r.fail(column, err)
	}
	return int32(n)
}

// key returns the row's own id, which no other row has, and adds it to those
// there are.
func (r *row) key(column string, own keys) int32 {
	id := r.count(column)
	if own[id] {
		r.fail(column, fmt.Errorf("%d is there twice", id))
	}
	own[id] = true
	return id
}

// link returns the id of another sheet's row.
func (r *row) link(column string, to keys) int32 {
	id := r.count(column)
	if !to[id] {
		r.fail(column, fmt.Errorf("there is none with the id %d", id))
	}
	return id
}

// maxAmount is what fits into the tables' numeric(10,2).
const maxAmount money.Amount = 99_999_999_99

func (r *row) amount(column string) money.Amount {
	a, err := money.Parse(r.text(column))
	if err == nil && (a > maxAmount || a < -maxAmount) {
		err = fmt.Errorf("%s is too much", a)
	}
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
