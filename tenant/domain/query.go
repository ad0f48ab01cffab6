package domain

import (
	"context"
	"fmt"
	"iter"

	"github.com/partywall/partywall/internal/hostname"
	"github.com/partywall/partywall/tenant"
)

// Domains returns a tenant's domains and claims in the order in which they were
// claimed, without those that have ended.
func (c *Catalog) Domains(ctx context.Context, id tenant.ID) ([]Domain, error) {
	return c.read(ctx, c.pool, `SELECT `+columns+` FROM partywall_domains.domain WHERE tenant_id = $1 AND state <> 'ended' ORDER BY id`, id)
}

// Get returns what has become of a tenant's last claim of a host, also when it
// has ended. It fails with [ErrNotFound] if there was none.
func (c *Catalog) Get(ctx context.Context, id tenant.ID, host string) (Domain, error) {
	name, err := hostname.Normalize(host)
	if err != nil {
		return Domain{}, &HostError{Host: cut(host), Rule: "is no host name", Err: err}
	}
	found, err := c.read(ctx, c.pool, `SELECT `+columns+` FROM partywall_domains.domain WHERE tenant_id = $1 AND host = $2 ORDER BY id DESC LIMIT 1`, id, name)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	if err != nil {
		return Domain{}, err
	}
	return found[0], nil
}

// All yields the domains of all tenants, for operators, page by page and in the
// order of their IDs. An error is yielded last, with the zero Domain.
func (c *Catalog) All(ctx context.Context) iter.Seq2[Domain, error] {
	return func(yield func(Domain, error) bool) {
		const page = 500
		var last int64
		for {
			found, err := c.read(ctx, c.pool, `SELECT `+columns+` FROM partywall_domains.domain WHERE id > $1 ORDER BY id LIMIT $2`, last, page)
			if err != nil {
				yield(Domain{}, err)
				return
			}
			for _, d := range found {
				if !yield(d, nil) {
					return
				}
				last = d.ID
			}
			if len(found) < page {
				return
			}
		}
	}
}
