// Package lookuptest looks tenants up in memory, for tests of what finds a
// request's tenant.
package lookuptest

import (
	"context"
	"slices"
	"time"

	"github.com/partywall/partywall/tenant"
)

// Catalog has tenants of every status, named after it, two of them active: acme
// and globex. Err is returned instead of any.
type Catalog struct {
	Tenants []tenant.Tenant
	Err     error
}

// New returns a catalog, the same each time but for the tenants' IDs.
func New() *Catalog {
	c := &Catalog{}
	at := time.UnixMilli(1_700_000_000_000)
	for i, of := range []struct {
		slug   string
		status tenant.Status
		reason string
	}{
		{"acme", tenant.Active, ""},
		{"globex", tenant.Active, ""},
		{"pending", tenant.Pending, ""},
		{"unpaid", tenant.Suspended, tenant.ReasonPayment},
		{"suspended", tenant.Suspended, "abuse"},
		{"maintenance", tenant.Maintenance, "move"},
		{"archived", tenant.Archived, ""},
		{"deleting", tenant.Deleting, ""},
		{"deleted", tenant.Deleted, ""},
	} {
		c.Tenants = append(c.Tenants, tenant.Tenant{
			ID: tenant.NewID(at), Number: int64(i + 1), Slug: of.slug, Status: of.status, Reason: of.reason,
		})
	}
	return c
}

// Lookup implements httptenant.Lookup.
func (c *Catalog) Lookup(_ context.Context, key tenant.Key) (tenant.Tenant, error) {
	if c.Err != nil {
		return tenant.Tenant{}, c.Err
	}
	for i := range c.Tenants {
		if key.Matches(c.Tenants[i]) {
			return c.Tenants[i], nil
		}
	}
	return tenant.Tenant{}, tenant.ErrNotFound
}

// Of returns the tenant of a slug, which is there.
func (c *Catalog) Of(slug string) tenant.Tenant {
	return c.Tenants[slices.IndexFunc(c.Tenants, func(t tenant.Tenant) bool { return t.Slug == slug })]
}
