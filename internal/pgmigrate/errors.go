package pgmigrate

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrInvalidSet is returned for a set with mistakes in names or files; the
// error lists all of them.
var ErrInvalidSet = errors.New("pgmigrate: invalid set")

// FileError is a migration that PostgreSQL refused. It was rolled back whole.
type FileError struct {
	Schema, File string
	// Line counts from 1; it is 0 when PostgreSQL did not say where.
	Line int
	Err  error
}

// Error implements error.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("pgmigrate: schema %s: %s: %v", e.Schema, e.File, e.Err)
	}
	return fmt.Sprintf("pgmigrate: schema %s: %s:%d: %v", e.Schema, e.File, e.Line, e.Err)
}

// Unwrap returns the error of PostgreSQL.
func (e *FileError) Unwrap() error { return e.Err }

// fileError finds the line of err in m.
func fileError(schema string, m migration, err error) error {
	e := &FileError{Schema: schema, File: m.name, Err: err}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Position > 0 {
		e.Line = LineOf(m.sql, int(pg.Position))
	}
	return e
}

// LineOf returns the line of the character at position in sql. Both count from 1,
// and position in characters, as PostgreSQL does.
func LineOf(sql string, position int) int {
	line := 1
	for i := 1; i < position && sql != ""; i++ {
		r, size := utf8.DecodeRuneInString(sql)
		if r == '\n' {
			line++
		}
		sql = sql[size:]
	}
	return line
}

// ChangedError is an applied migration whose file is another now. Nothing can
// be done about it here: the file has to be restored.
type ChangedError struct {
	Schema, File string
	// Applied names the file that was applied under the same number.
	Applied string
}

// Error implements error.
func (e *ChangedError) Error() string {
	if e.Applied != e.File {
		return fmt.Sprintf("pgmigrate: schema %s: %s was applied as %s", e.Schema, e.File, e.Applied)
	}
	return fmt.Sprintf("pgmigrate: schema %s: %s has changed since it was applied", e.Schema, e.File)
}

// NewerError is a database that a newer version of the code has migrated.
type NewerError struct {
	Schema string
	// Database and Code are the highest migration numbers of either.
	Database, Code int
}

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("pgmigrate: schema %s is at migration %d, newer than this program, which knows %d",
		e.Schema, e.Database, e.Code)
}

// BehindError is what [Check] returns for a database that misses migrations.
type BehindError struct {
	Schema string
	// Database and Code are the highest migration numbers of either.
	Database, Code int
}

// Error implements error.
func (e *BehindError) Error() string {
	return fmt.Sprintf("pgmigrate: schema %s is at migration %d and needs %d", e.Schema, e.Database, e.Code)
}
