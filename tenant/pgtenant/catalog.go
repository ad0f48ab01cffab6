package pgtenant

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/tenant"
)

// Options are the settings of [Open]. Nil is good for production.
type Options struct {
	// Registry are the settings of the registry. Defaults to those of the
	// package tenant.
	Registry *tenant.Options
	// SkipMigrations makes Open fail when migrations are missing, instead of
	// applying them: for programs whose role may not create.
	SkipMigrations bool
}

// Catalog is the catalog of tenants on PostgreSQL: a started
// [tenant.Registry]. All methods may be called from any goroutine.
type Catalog struct {
	*tenant.Registry

	store *store
}

//go:embed migrations
var files embed.FS

func migrations() (pgmigrate.Set, error) {
	sub, err := fs.Sub(files, "migrations")
	return pgmigrate.Set{Schema: "partywall_catalog", Files: sub}, err
}

// Open brings the tables of the catalog up to date, loads it, and keeps it
// current until [Catalog.Close]. The pool remains the caller's, and is closed
// after the Catalog. Besides the connections of single calls, the Catalog keeps
// one that it takes out of the pool, to be told of changes.
//
// It fails with [tenant.ErrInvalid] for options that make no sense, with
// [tenant.ErrUnavailable] when the database is not reached, and when it is
// newer than the program or has been tampered with. ctx bounds Open alone.
func Open(ctx context.Context, pool *pgxpool.Pool, options *Options) (*Catalog, error) {
	var opts Options
	if options != nil {
		opts = *options
	}
	if pool == nil {
		return nil, fmt.Errorf("pgtenant: %w: pool is nil", tenant.ErrInvalid)
	}
	store := newStore(pool)
	registry, err := tenant.NewRegistry(store, opts.Registry)
	if err != nil {
		return nil, fmt.Errorf("pgtenant: %w", err)
	}
	if err := migrate(ctx, pool, opts.SkipMigrations); err != nil {
		return nil, fmt.Errorf("pgtenant: opening: %w", err)
	}
	if err := store.firstKey(ctx); err != nil {
		return nil, fmt.Errorf("pgtenant: opening: %w", reached(ctx, err))
	}
	if err := registry.Start(ctx); err != nil {
		registry.Close()
		return nil, fmt.Errorf("pgtenant: opening: %w", err)
	}
	return &Catalog{Registry: registry, store: store}, nil
}

func migrate(ctx context.Context, pool *pgxpool.Pool, skip bool) error {
	set, err := migrations()
	if err != nil {
		return err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return reached(ctx, err)
	}
	defer conn.Release()
	if skip {
		return pgmigrate.Check(ctx, conn.Conn(), set)
	}
	_, err = pgmigrate.Apply(ctx, conn.Conn(), set)
	return err
}

// WithTx returns a Writer whose reads and writes are part of tx, which the
// caller commits or rolls back. Nobody sees them before the commit; then this
// node learns of them as all others do, within moments. [tenant.Registry.Refresh]
// shortens that.
//
// A slug that is taken leaves tx usable when a tenant is created, and aborts it
// when one is renamed.
func (c *Catalog) WithTx(tx pgx.Tx) *tenant.Writer { return c.Over(&records{db: tx}) }
