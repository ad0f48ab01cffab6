package domain

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtx"
	"github.com/partywall/partywall/tenant"
)

// Tenants finds tenants; *tenant.Registry is one. It answers from memory what it
// has there, also when ctx has ended.
type Tenants interface {
	Lookup(ctx context.Context, key tenant.Key) (tenant.Tenant, error)
}

// Catalog keeps the domains of all tenants on PostgreSQL, and looks after them.
// Any number of nodes work on one database. All methods may be called from any
// goroutine; those that end in Tx are part of the caller's transaction.
type Catalog struct {
	*Directory

	pool        *pgxpool.Pool
	tenants     Tenants
	opts        Options
	issuer      Issuer // nil for none
	life        lifecycle
	instruments *instruments

	ctx  context.Context // of what goes on until Close
	stop context.CancelCauseFunc
	work sync.WaitGroup
	kick chan struct{} // something may be due
}

//go:embed migrations
var files embed.FS

// migrations are those of the catalog's tables.
func migrations() (pgmigrate.Set, error) {
	sub, err := fs.Sub(files, "migrations")
	return pgmigrate.Set{Schema: "partywall_domains", Files: sub}, err
}

// New returns a catalog of the domains of tenants. It checks everything, and
// dials and starts nothing: [Catalog.Open] does. The pool remains the caller's.
//
// It fails with [ErrInvalid] for options that make no sense, all of them at once.
func New(pool *pgxpool.Pool, tenants Tenants, options *Options) (*Catalog, error) {
	c := &Catalog{pool: pool, tenants: tenants, opts: options.withDefaults(), kick: make(chan struct{}, 1)}
	var errs []error
	if pool == nil {
		errs = append(errs, invalid("pool is nil"))
	}
	if tenants == nil {
		errs = append(errs, invalid("tenants is nil"))
	}
	if err := errors.Join(append(errs, c.opts.validate())...); err != nil {
		return nil, err
	}
	c.Directory = newDirectory(pool, tenants, &c.opts)
	return c, nil
}

// Open brings the tables up to date, reads all domains into memory, and looks
// after them until [Catalog.Close]. Certificates are issuer's; with nil there are
// none, and a verified host is active. The catalog keeps one connection that it
// takes out of the pool, to be told of changes. ctx bounds Open alone.
func (c *Catalog) Open(ctx context.Context, issuer Issuer) error {
	if c.stop != nil {
		return errors.New("domain: catalog was opened before")
	}
	c.issuer, c.life = issuer, newLifecycle(&c.opts, issuer != nil)
	if err := c.migrate(ctx); err != nil {
		return fmt.Errorf("domain: opening: %w", err)
	}
	if err := c.load(ctx); err != nil {
		return fmt.Errorf("domain: opening: %w", err)
	}
	var err error
	if c.instruments, err = newInstruments(c); err != nil {
		return fmt.Errorf("domain: opening: %w", err)
	}
	c.ctx, c.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	c.work.Go(func() { c.follow(c.ctx, c.wake) })
	if c.opts.Workers > 0 {
		c.work.Go(c.lookAfter)
	}
	c.work.Go(c.publish)
	return nil
}

// Close ends what Open began. What is under way is given up, and another node
// goes on with it. The directory still answers, and hears of nothing.
func (c *Catalog) Close() {
	if c.stop == nil {
		return
	}
	c.stop(ErrClosed)
	c.work.Wait()
	c.instruments.close()
}

// wake makes this node's workers look for what is due.
func (c *Catalog) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *Catalog) migrate(ctx context.Context) error {
	set, err := migrations()
	if err != nil {
		return err
	}
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if c.opts.SkipMigrations {
		return pgmigrate.Check(ctx, conn.Conn(), set)
	}
	_, err = pgmigrate.Apply(ctx, conn.Conn(), set)
	return err
}

// inTx runs f in a transaction, and has the workers look at what it changed.
func (c *Catalog) inTx(ctx context.Context, f func(pgx.Tx) error) error {
	err := pgtx.Run(ctx, c.pool, f)
	if err == nil {
		c.wake()
	}
	return err
}
