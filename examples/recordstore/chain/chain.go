// Package chain opens a chain of record stores, a tenant each, spread over
// the three strategies: the biggest stores have a database of their own, the
// middle ones a schema, and the rest share their tables.
//
// What a store's people see is in package web, and does not know any of this.
package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/autotls"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// Config says where the chain is kept.
type Config struct {
	// Catalog is the URL of the database that knows the tenants.
	Catalog string
	// App and Migrator are the URLs of the stores' server, by the role that
	// serves and by the one that makes tables.
	App, Migrator string
	// Database makes the name of a store's own database one that is nobody else's.
	// It may be called from any goroutine.
	Database func(name string) string
	// Redis leads to the server of all stores' caches, where Prefix begins all
	// keys; "" is the library's own.
	Redis  *redis.UniversalOptions
	Prefix string
	// Folder is where the stores' files are kept, and FilesPath the path that
	// signed URLs lead to, on the chain's own host.
	Folder, FilesPath string
	// Domains says how stores have domains of their own; nil is not at all.
	Domains *Domains
	// Logger may be nil.
	Logger *slog.Logger
}

// Chain is an open chain.
type Chain struct {
	// Tenants are the stores.
	Tenants *pgtenant.Catalog
	// DB has their rows, Cache what is worked out from rows, Files their covers
	// and invoices.
	DB    *isolation.DB
	Cache *cache.Client
	Files *storage.Buckets
	// Depot serves files by signed URL.
	Depot http.Handler
	// Domains are the stores' own, with certificates by Certificates; both are nil
	// where they have none.
	Domains      *domain.Catalog
	Certificates *autotls.Manager
	// Engine makes new stores.
	Engine *provisioning.Engine

	catalog *pgxpool.Pool
}

// server is what placements call the one server there is, of each kind.
const server = "main"

// prefix begins the names of schemas and databases that one store has to itself.
const prefix = "store_"

// Open opens the chain and settles a tenant for every store in data. The
// caller closes it.
func Open(ctx context.Context, config Config, data *records.Chain) (_ *Chain, err error) {
	stores, err := data.Stores()
	if err != nil {
		return nil, err
	}
	c := &Chain{}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.catalog, err = pgxpool.New(ctx, config.Catalog); err != nil {
		return nil, errors.New("chain: the catalog's URL is none of PostgreSQL's") // the error could quote a password
	}
	if c.Tenants, err = pgtenant.Open(ctx, c.catalog, nil); err != nil {
		return nil, err
	}
	migrations, err := loadMigrations()
	if err != nil {
		return nil, err
	}
	c.DB, err = isolation.Open(ctx, c.Tenants, isolation.Servers{
		server: {App: config.App, Migrator: config.Migrator},
	}, &isolation.Options{Migrate: migrator(data, migrations), Logger: config.Logger})
	if err != nil {
		return nil, err
	}
	if c.Cache, err = cache.New(cache.Servers{server: config.Redis}, &cache.Options{Prefix: config.Prefix, Logger: config.Logger}); err != nil {
		return nil, err
	}
	if err = c.openFiles(ctx, config); err != nil {
		return nil, err
	}
	if err = c.openDomains(ctx, config); err != nil {
		return nil, err
	}
	if err = c.openEngine(ctx, config, migrations); err != nil {
		return nil, err
	}
	for i, store := range stores {
		if err := c.settle(ctx, store, placement(i, len(stores), store.Slug, config.Database)); err != nil {
			return nil, fmt.Errorf("chain: the store of %s: %w", store.Country, err)
		}
	}
	return c, nil
}

// Close ends all connections once they are idle.
func (c *Chain) Close() {
	if c.Engine != nil {
		c.closeEngine()
	}
	if c.Domains != nil {
		c.Domains.Close()
		c.Certificates.Close()
	}
	if c.Files != nil {
		_ = c.Files.Close() // they are read and written whole: nothing is under way
	}
	if c.Cache != nil {
		_ = c.Cache.Close() // nothing is lost with it
	}
	if c.DB != nil {
		c.DB.Close()
	}
	if c.Tenants != nil {
		c.Tenants.Close()
	}
	if c.catalog != nil {
		c.catalog.Close()
	}
}
