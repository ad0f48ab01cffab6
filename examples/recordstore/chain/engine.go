package chain

import (
	"context"
	"embed"
	"time"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
)

// The plans of stores that sign up are houses.
const (
	Terraced     tenant.Plan = "terraced"      // in tables that stores share
	SemiDetached tenant.Plan = "semi-detached" // in a schema of its own
	Detached     tenant.Plan = "detached"      // in a database of its own
)

//go:embed seed/*.sql
var seed embed.FS

// openEngine starts what makes the stores that sign up: it places each by its
// plan, makes its rows, files and cache a place, and has it sell something. A store
// opens when its tables are what the others' are.
func (c *Chain) openEngine(ctx context.Context, config Config, migrations *schema.Migrations) error {
	fleet, err := schema.New(c.catalog, c.DB, c.Tenants, migrations, nil)
	if err != nil {
		return err
	}
	policy := &provisioning.Policy{
		Servers:    map[string]provisioning.Capacity{server: {}},
		Strategies: map[tenant.Plan]tenant.Strategy{SemiDetached: tenant.Schema, Detached: tenant.Database},
		Prefix:     prefix,
	}
	place := func(ctx context.Context, t tenant.Tenant) (tenant.Placement, error) {
		where, err := policy.Place(ctx, t)
		if where.Strategy == tenant.Database {
			where.Database = config.Database(where.Database)
		}
		return where, err
	}
	life := &provisioning.Lifecycle{
		Database:  c.DB,
		Resources: map[string]provisioning.Resource{"storage": c.Files, "cache": c.Cache},
		Place:     place,
		Seed:      provisioning.Seed(c.DB, provisioning.SeedSQL(seed, "seed/*.sql")),
		Verify:    fleet.Verify,
	}
	if c.Domains != nil {
		life.Domain, life.Certificate = c.Domains, c.Domains.Certificates()
	}
	c.Engine, err = provisioning.New(c.catalog, c.Tenants, &provisioning.Options{Lifecycle: life, Logger: config.Logger})
	if err != nil {
		return err
	}
	return c.Engine.Start(ctx)
}

// closeEngine gives the steps that are under way a moment. Those that it has to
// interrupt would be another worker's, if the chain went on.
func (c *Chain) closeEngine() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_ = c.Engine.Stop(ctx)
}
