package domain

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Provision gives a new tenant the name that its hosts will have to point at.
// Its subdomain needs nothing more: the directory knows it by its slug. With
// [Catalog.Deprovision] it makes the catalog a part of a tenant's life, as
// provisioning.Resource; it may be repeated.
func (c *Catalog) Provision(ctx context.Context, t tenant.Tenant) error {
	return c.inTx(ctx, func(tx pgx.Tx) error { return c.target(ctx, tx, t.ID) })
}

// Deprovision gives up all domains of a tenant that ends. What they may leave
// behind in DNS is looked after; it may be repeated.
func (c *Catalog) Deprovision(ctx context.Context, t tenant.Tenant) error {
	all, err := c.Domains(ctx, t.ID)
	for _, d := range all {
		if d.State == Claimed || d.State.Serves() {
			_, failed := c.applied(ctx, t.ID, d.Host, c.release(ReasonTenantGone))
			if !errors.Is(failed, ErrNotFound) { // it has ended since
				err = errors.Join(err, failed)
			}
		}
	}
	return err
}

// Certificates is what a new tenant's subdomain is served with; see
// [Catalog.Certificates].
type Certificates struct{ catalog *Catalog }

// Certificates makes certificates a part of a tenant's life, as
// provisioning.Resource, behind the one of its name. Where a wildcard covers the
// platform's subdomains that is a look whether it is there; else each gets its
// own. Without [Options.Base] or an [Issuer] there is nothing to do.
func (c *Catalog) Certificates() Certificates { return Certificates{c} }

// Provision gets the certificate of the tenant's subdomain. It may be repeated.
func (s Certificates) Provision(ctx context.Context, t tenant.Tenant) error {
	c := s.catalog
	if c.issuer == nil || c.opts.Base == "" {
		return nil
	}
	return c.issuer.Issue(ctx, t.Slug+"."+c.opts.Base)
}

// Deprovision makes the certificate of the tenant's subdomain go away, unless
// others share it. It may be repeated.
func (s Certificates) Deprovision(ctx context.Context, t tenant.Tenant) error {
	c := s.catalog
	if c.issuer == nil || c.opts.Base == "" {
		return nil
	}
	return c.issuer.Forget(ctx, t.Slug+"."+c.opts.Base, false)
}
