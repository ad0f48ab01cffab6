// Package pgerror keeps what rows say out of errors, which hosts log.
package pgerror

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Clean returns a copy of the error of PostgreSQL's that err wraps, without the
// fields that may quote a row; false if there is none.
func Clean(err error) (*pgconn.PgError, bool) {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return nil, false
	}
	clean := *pg
	clean.Detail, clean.Where, clean.InternalQuery = "", "", ""
	return &clean, true
}

// IsConflict reports whether what failed may succeed when it is read and tried
// again: a unique key, a serialization failure, a deadlock.
func IsConflict(pg *pgconn.PgError) bool {
	return pg.Code == "23505" || pg.Code == "40001" || pg.Code == "40P01"
}
