package isolation

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
)

type DB struct{}

func (*DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) { return nil, nil }
func (*DB) Exec(ctx context.Context, sql string, args ...any) error              { return nil }
func (*DB) StdDB() *sql.DB                                                       { return nil }

func AsSystem(ctx context.Context, reason string) context.Context { return ctx }
