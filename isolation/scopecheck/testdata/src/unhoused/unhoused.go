// Package unhoused does not use isolation, so the protocol is its own affair.
package unhoused

import "github.com/jackc/pgx/v5"

const mode = pgx.QueryExecModeSimpleProtocol
