package autotls

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgmigrate"
)

//go:embed migrations
var files embed.FS

func migrations() (pgmigrate.Set, error) {
	sub, err := fs.Sub(files, "migrations")
	return pgmigrate.Set{Schema: "partywall_tls", Files: sub}, err
}

// migrate brings the tables up to date, or checks that they are.
func migrate(ctx context.Context, pool *pgxpool.Pool, skip bool) error {
	set, err := migrations()
	if err != nil {
		return err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("autotls: connecting: %w", err)
	}
	defer conn.Release()
	if skip {
		err = pgmigrate.Check(ctx, conn.Conn(), set)
	} else {
		_, err = pgmigrate.Apply(ctx, conn.Conn(), set)
	}
	if err != nil {
		return fmt.Errorf("autotls: %w", err)
	}
	return nil
}
