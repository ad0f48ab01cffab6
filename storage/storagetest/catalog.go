package storagetest

import (
	"context"
	"sync"
	"time"

	"github.com/partywall/partywall/tenant"
)

// Catalog is a registry in memory, for tests that change tenants at will. The
// zero value is ready; methods may be called at any time from any goroutine.
type Catalog struct {
	mu      sync.Mutex
	tenants map[tenant.ID]tenant.Tenant
}

// Add makes an active tenant with the slug and number given, at a place in the
// words of [storage.ParsePlace].
func (c *Catalog) Add(slug string, number int64, place string) tenant.Tenant {
	t := tenant.Tenant{ID: tenant.NewID(time.Now()), Number: number, Slug: slug, Name: slug, Status: tenant.Active, Version: 1}
	t.Placement.Bucket, t.Placement.Epoch = place, 1
	c.Put(t)
	return t
}

// Put takes in what the catalog says of t from now on.
func (c *Catalog) Put(t tenant.Tenant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tenants == nil {
		c.tenants = map[tenant.ID]tenant.Tenant{}
	}
	c.tenants[t.ID] = t
}

// Change applies fn to a tenant, as its next version and epoch.
func (c *Catalog) Change(id tenant.ID, fn func(*tenant.Tenant)) tenant.Tenant {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tenants[id]
	fn(&t)
	t.Version++
	t.Placement.Epoch++
	c.tenants[id] = t
	return t
}

// Lookup implements storage.Registry.
func (c *Catalog) Lookup(_ context.Context, key tenant.Key) (tenant.Tenant, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tenants {
		if key.Matches(t) {
			return t, nil
		}
	}
	return tenant.Tenant{}, tenant.ErrNotFound
}
