package isolation

import (
	"context"
	"errors"
	"fmt"

	"github.com/partywall/partywall/tenant"
)

// Reserve makes a place that no tenant has yet, under the Schema or Database
// strategy, with the host's tables up to date in it: a tenant that is placed
// there later is provisioned in a moment. What is there already is adopted and
// brought up to date. It needs the server's Migrator.
func (db *DB) Reserve(ctx context.Context, p tenant.Placement) error {
	s, how, err := db.reserved(p)
	if err != nil {
		return err
	}
	return how.create(ctx, s, tenant.Tenant{Placement: p})
}

// Release ends a place that [DB.Reserve] has made. It fails with [ErrRefused]
// if a tenant was let in there, and may be repeated.
func (db *DB) Release(ctx context.Context, p tenant.Placement) error {
	s, how, err := db.reserved(p)
	if err != nil {
		return err
	}
	return how.remove(ctx, s, tenant.Tenant{Placement: p})
}

func (db *DB) reserved(p tenant.Placement) (*server, strategy, error) {
	if err := p.Validate(); err != nil {
		return nil, nil, err
	}
	if p.Strategy != tenant.Schema && p.Strategy != tenant.Database {
		return nil, nil, fmt.Errorf("%w: a place under strategy %q is everybody's", ErrRefused, p.Strategy)
	}
	s, how, err := db.whereabouts(tenant.Tenant{Placement: p})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("isolation: reserving a place on server %q", p.Server), err)
	}
	return s, how, nil
}
