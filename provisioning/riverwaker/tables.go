package riverwaker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/partywall/partywall/internal/pgtx"
)

// ErrTables is returned when River's tables are missing or old, and are not to
// be made here; [Waker.Migrate] makes them.
var ErrTables = errors.New("riverwaker: River's tables are missing or old")

// tables are River's, in a schema of their own.
type tables struct {
	pool     *pgxpool.Pool
	schema   string
	migrator *rivermigrate.Migrator[pgx.Tx]
	skip     bool // to make them
}

func newTables(pool *pgxpool.Pool, driver riverdriver.Driver[pgx.Tx], o Options) (*tables, error) {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: o.Schema, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("riverwaker: %w", err)
	}
	return &tables{pool: pool, schema: o.Schema, migrator: migrator, skip: o.SkipMigrations}, nil
}

// Migrate brings River's tables up to date. [Waker.Start] does it too, unless it
// is to skip that. Any number of processes may call it at once; its role needs to
// create in the database only when there is something to do. It does nothing
// where the client is the host's.
func (w *Waker) Migrate(ctx context.Context) error {
	if w.tables == nil {
		return nil
	}
	return w.tables.migrate(ctx)
}

// ready makes what is missing, or says so.
func (t *tables) ready(ctx context.Context) error {
	if !t.skip {
		return t.migrate(ctx)
	}
	missing, err := t.missing(ctx)
	if err == nil && missing != "" {
		err = fmt.Errorf("%w: schema %s: %s", ErrTables, t.schema, missing)
	}
	return err
}

// missing says what is missing, if anything is.
func (t *tables) missing(ctx context.Context) (string, error) {
	result, err := t.migrator.Validate(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("riverwaker: looking at River's tables: %w", err)
	}
	return strings.ToLower(strings.Join(result.Messages, "; ")), nil
}

func (t *tables) migrate(ctx context.Context) error {
	missing, err := t.missing(ctx)
	for err == nil && missing != "" {
		err = pgtx.Run(ctx, t.pool, func(tx pgx.Tx) error { return t.step(ctx, tx) })
		if err != nil {
			return fmt.Errorf("riverwaker: making River's tables: %w", err)
		}
		missing, err = t.missing(ctx)
	}
	return err
}

// step applies the first migration that is missing, if one still is when the
// lock is granted: River takes none.
func (t *tables) step(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, t.lockKey()); err != nil {
		return err
	}
	name := pgx.Identifier{t.schema}.Sanitize()
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, name).Scan(&exists); err != nil {
		return err
	}
	if !exists { // IF NOT EXISTS wants the right to create in either case
		if _, err := tx.Exec(ctx, `CREATE SCHEMA `+name); err != nil {
			return err
		}
	}
	one := &rivermigrate.MigrateOpts{MaxSteps: 1}
	_, err := t.migrator.MigrateTx(ctx, tx, rivermigrate.DirectionUp, one) //nolint:staticcheck // SA1019: several in a transaction are what it warns of
	return err
}

func (t *tables) lockKey() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("partywall/riverwaker/" + t.schema)) // a hash does not fail
	return int64(h.Sum64())                                    //nolint:gosec // G115: any 64 bits will do
}
