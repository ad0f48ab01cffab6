package provisioning

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/partywall/partywall/tenant"
)

// ErrNoRoom is returned by [Policy.Place] for a tenant that no server takes.
var ErrNoRoom = errors.New("provisioning: no server has room")

// Policy says where new tenants go: by plan how they are set apart, and by
// region and load on which server. Its Place is a [Lifecycle.Place]. It may be
// used from any goroutine, and is not changed after its first use.
type Policy struct {
	// Servers are those that take new tenants, by their names in placements.
	Servers map[string]Capacity
	// Strategies say how the tenants of each plan are set apart.
	Strategies map[tenant.Plan]tenant.Strategy
	// Strategy is that of all other plans. Defaults to Shared.
	Strategy tenant.Strategy
	// Loads returns how many tenants are on each server; usually
	// pgtenant.Catalog.Loads. Defaults to none anywhere. Two tenants that are
	// placed at the same moment see the same loads, so that limits may be
	// exceeded by as many as there are workers.
	Loads func(ctx context.Context) (map[string]int64, error)
	// Bucket and Cache say where the tenant's files and cached values are, in
	// the words of the packages storage and cache. Default to their defaults.
	Bucket, Cache func(t tenant.Tenant, server string) string
	// Prefix begins the names of schemas and databases; at most 20 bytes.
	// Defaults to "tenant_".
	Prefix string
}

// Capacity says which tenants a server takes.
type Capacity struct {
	// Region is where the server is. Tenants with a region go to servers of it.
	Region tenant.Region
	// Tenants is how many tenants it takes at most; 0 is no limit.
	Tenants int64
	// Strategies are those that it takes. Defaults to all.
	Strategies []tenant.Strategy
}

// Place returns a placement on the server with the most room among those that
// take the tenant: the least part of its limit, or else the fewest tenants. It
// fails with [ErrNoRoom], which is worth another try, and with the error of Loads.
func (p *Policy) Place(ctx context.Context, t tenant.Tenant) (tenant.Placement, error) {
	place := tenant.Placement{Strategy: cmp.Or(p.Strategies[t.Plan], p.Strategy, tenant.Shared)}
	loads := map[string]int64{}
	if p.Loads != nil {
		var err error
		if loads, err = p.Loads(ctx); err != nil {
			return tenant.Placement{}, err
		}
	}
	var best float64
	for _, name := range slices.Sorted(maps.Keys(p.Servers)) {
		c, load := p.Servers[name], loads[name]
		if !c.takes(t, place.Strategy) || c.Tenants > 0 && load >= c.Tenants {
			continue
		}
		full := float64(load) / 1e12 // servers without a limit come first, by load
		if c.Tenants > 0 {
			full = float64(load) / float64(c.Tenants)
		}
		if place.Server == "" || full < best {
			place.Server, best = name, full
		}
	}
	if place.Server == "" {
		return tenant.Placement{}, fmt.Errorf("%w: tenant %s (%s), strategy %s, region %q", ErrNoRoom, t.ID, t.Slug, place.Strategy, t.Region)
	}
	switch place.Strategy {
	case tenant.Schema:
		place.Schema = p.name(t)
	case tenant.Database:
		place.Database = p.name(t)
	}
	if p.Bucket != nil {
		place.Bucket = p.Bucket(t, place.Server)
	}
	if p.Cache != nil {
		place.Cache = p.Cache(t, place.Server)
	}
	return place, nil
}

// takes reports whether the server is for a tenant.
func (c Capacity) takes(t tenant.Tenant, s tenant.Strategy) bool {
	return (t.Region == "" || t.Region == c.Region) && (len(c.Strategies) == 0 || slices.Contains(c.Strategies, s))
}

// name is the name of what will be one tenant's alone. The number is for
// people; the last bytes of the ID are nobody else's, also where two
// installations have their tenants on one server, so that whatever bears the
// name already is the tenant's own.
func (p *Policy) name(t tenant.Tenant) string {
	return fmt.Sprintf("%s%d_%x", cmp.Or(p.Prefix, "tenant_"), t.Number, t.ID[10:])
}
