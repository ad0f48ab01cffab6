// Package mode names the ways in which the trials send statements to a server.
package mode

import "github.com/jackc/pgx/v5"

// Mode is one way to send statements to a server.
type Mode struct {
	Name   string
	Pooled bool // through PgBouncer
	Exec   pgx.QueryExecMode
}

// All are all but one of the ways there are: behind a PgBouncer older than 1.21
// no statement stays prepared.
func All() []Mode {
	return []Mode{
		{"direct, cache statement", false, pgx.QueryExecModeCacheStatement},
		{"direct, cache describe", false, pgx.QueryExecModeCacheDescribe},
		{"direct, exec", false, pgx.QueryExecModeExec},
		{"PgBouncer, cache describe", true, pgx.QueryExecModeCacheDescribe},
		{"PgBouncer, exec", true, pgx.QueryExecModeExec},
	}
}
