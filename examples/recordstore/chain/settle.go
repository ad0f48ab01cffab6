package chain

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

// placement decides where the rank-th biggest of so many stores goes: the
// first sixth into databases, the next third into schemas, and the other half
// into the tables that stores share. Those in databases have a bucket of their
// own, too. Caches are all in one Redis.
func placement(rank, stores int, slug string, database func(name string) string) tenant.Placement {
	switch {
	case rank < stores/6:
		return tenant.Placement{
			Server: server, Strategy: tenant.Database, Database: database(prefix + slug),
			Bucket: storage.Place{Store: server, Bucket: "store-" + slug}.String(),
		}
	case rank < stores/2:
		return tenant.Placement{Server: server, Strategy: tenant.Schema, Schema: prefix + strings.ReplaceAll(slug, "-", "_")}
	}
	return tenant.Placement{Server: server, Strategy: tenant.Shared}
}

// settle makes a store's tenant and loads its sales. Until the tenant is
// active nobody reaches it, and the wall lets nobody write for it: so the
// place is made first, and the rows are loaded last, as the tenant itself.
func (c *Chain) settle(ctx context.Context, store *records.Store, where tenant.Placement) error {
	t, err := c.Tenants.Create(ctx, tenant.Spec{Slug: store.Slug, Name: store.Country, Placement: where})
	if err != nil {
		return err
	}
	for _, provision := range []func(context.Context, tenant.Tenant) error{c.DB.Provision, c.Cache.Provision, c.Files.Provision} {
		if err := provision(ctx, t); err != nil {
			return err
		}
	}
	if t, err = c.Tenants.Activate(ctx, t.ID); err != nil {
		return err
	}
	return c.load(tenant.NewContext(ctx, t), store)
}

// load brings a store's sales in through the wall, all or none. No row says
// whose it is: tenant_id fills itself in.
func (c *Chain) load(ctx context.Context, store *records.Store) error {
	return c.DB.Tx(ctx, nil, func(tx pgx.Tx) error {
		for _, t := range sales(store) {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, t.rows); err != nil {
				return fmt.Errorf("loading %s: %w", t.name, err)
			}
		}
		return nil
	})
}
