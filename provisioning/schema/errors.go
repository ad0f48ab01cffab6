package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/isolation"
)

// ErrInvalid is returned by [Load] and [New] for what makes no sense; the error
// lists all of it. A [*FileError] matches it.
var ErrInvalid = errors.New("schema: invalid")

// FileError is a file that is no migration. It matches [ErrInvalid].
type FileError struct {
	File string
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return fmt.Sprintf("schema: %s: %v", e.File, e.Err) }

// Unwrap returns the reason.
func (e *FileError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrInvalid].
func (e *FileError) Is(target error) bool { return target == ErrInvalid }

// OrderError is a place in which a later migration has run before an earlier
// one was there. Number the late ones anew, or see [Options.OutOfOrder].
type OrderError struct {
	// Late are the versions that have not run, and Newest is the highest that
	// has.
	Late   []int64
	Newest int64
}

// Error implements error.
func (e *OrderError) Error() string {
	return fmt.Sprintf("schema: versions %s came after version %d had run", join(e.Late), e.Newest)
}

// ChangedError lists migrations that have run somewhere and whose statements
// are others now. What has run stays as it ran; see [ApplyOptions.AcceptChanges].
type ChangedError struct {
	Files []string
}

// Error implements error.
func (e *ChangedError) Error() string {
	return "schema: changed since they ran: " + strings.Join(e.Files, ", ")
}

// PlaceError is a migration that failed in one place. What had run before it in
// the place stays; the failed one is rolled back, unless it runs without a
// transaction.
type PlaceError struct {
	Place isolation.Target
	// Version is the migration's, 0 when none was reached. File and Line say
	// where the statement is, or where in it PostgreSQL stopped; they are empty
	// and 0 for Go functions, and when the place could not be reached.
	Version int64
	File    string
	Line    int
	// SQL is the statement as it stands in the file. It is empty when values
	// from the environment are in it.
	SQL string
	// Code is PostgreSQL's, such as 23505, if it was PostgreSQL that refused.
	Code string
	// Attempts is how often it was tried.
	Attempts int
	Err      error
}

// Error implements error.
func (e *PlaceError) Error() string {
	at := fmt.Sprintf("schema: %s: %s.%s", e.Place.Server, e.Place.Database, e.Place.Schema)
	switch {
	case e.Line > 0:
		at += fmt.Sprintf(": %s:%d", e.File, e.Line)
	case e.File != "":
		at += ": " + e.File
	case e.Version > 0:
		at += fmt.Sprintf(": version %d", e.Version)
	}
	return fmt.Sprintf("%s: %v", at, e.Err)
}

// Unwrap returns the reason.
func (e *PlaceError) Unwrap() error { return e.Err }

// placeError says where in which migration err happened. failed is the
// statement, empty if it was none.
func placeError(to isolation.Target, step *Migration, failed string, err error) *PlaceError {
	e := &PlaceError{Place: to, Err: err}
	pg, refused := errors.AsType[*pgconn.PgError](err)
	if refused {
		e.Code, e.Err = pg.Code, scrub(pg)
	} else if told, _, stack := strings.Cut(err.Error(), "\ngoroutine "); stack { // a Go function panicked
		e.Err = errors.New(told)
	}
	if step == nil {
		return e
	}
	e.Version, e.File = step.Version, step.File
	for _, s := range step.statements {
		if s.sql != failed || step.expanded {
			continue
		}
		e.SQL, e.Line = s.sql, s.line
		if refused && pg.Position > 0 && s.line > 0 {
			e.Line += pgmigrate.LineOf(s.sql, int(pg.Position)) - 1
		}
	}
	return e
}

// scrub returns a copy of a server's error without what may quote a row: the
// details, and what messages of class 22 quote.
func scrub(pg *pgconn.PgError) error {
	message := pg.Message
	if strings.HasPrefix(pg.Code, "22") {
		message, _, _ = strings.Cut(message, `"`)
		message = strings.TrimSuffix(strings.TrimSpace(message), ":")
	}
	return &pgconn.PgError{Severity: pg.Severity, SeverityUnlocalized: pg.SeverityUnlocalized, Code: pg.Code, Message: message}
}

// Transient reports whether err may not happen again when the same is tried a
// moment later: somebody held a lock, a connection was lost, a server was full.
func Transient(err error) bool {
	if errors.Is(err, errBusy) {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return lost(err)
	}
	switch pg.Code {
	case "55P03", "40001", "40P01", "55006", "25006": // lock_not_available, serialization_failure, deadlock_detected, object_in_use, read_only_sql_transaction
		return true
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "08", "53", "57": // connection, resources, operator intervention
		return pg.Code != "57014" // query_canceled: a statement_timeout of the migration's own
	}
	return false
}

// lost reports whether err is that of a connection.
func lost(err error) bool {
	connecting, ok := errors.AsType[*pgconn.ConnectError](err)
	if ok {
		pg, said := errors.AsType[*pgconn.PgError](connecting)
		return !said || Transient(pg)
	}
	return errors.Is(err, errGone)
}

// hasCode reports whether PostgreSQL answered with one of some codes.
func hasCode(err error, codes ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, pg.Code)
}

// The reasons for which a place is gone to again.
var (
	errBusy = errors.New("schema: somebody else is at work there")
	errGone = errors.New("schema: the connection was lost")
)

func join(versions []int64) string {
	words := make([]string, len(versions))
	for i, v := range versions {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}
