package protocol

import (
	"github.com/jackc/pgx/v5"
	_ "github.com/partywall/partywall/isolation"
)

func mode() pgx.QueryExecMode {
	return pgx.QueryExecModeSimpleProtocol // want `the simple protocol lets one string be several statements`
}

func address() string {
	return "postgres://h/db?default_query_exec_mode=simple_protocol" // want `the simple protocol`
}

func compare(m pgx.QueryExecMode) bool {
	switch m {
	case pgx.QueryExecModeSimpleProtocol:
		return false
	}
	return m != pgx.QueryExecModeSimpleProtocol
}
