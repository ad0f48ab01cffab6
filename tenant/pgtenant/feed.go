package pgtenant

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgfeed"
	"github.com/partywall/partywall/tenant"
)

// store implements [tenant.Store] and [tenant.KeySource] on a pool.
type store struct {
	records

	pool *pgxpool.Pool
	feed pgfeed.Feed
}

func newStore(pool *pgxpool.Pool) *store {
	return &store{records{pool}, pool, pgfeed.Feed{
		Pool: pool, Table: "partywall_catalog.tenant", Columns: columns, Channel: "partywall_catalog",
	}}
}

// Changes implements [tenant.Store].
func (s *store) Changes(
	ctx context.Context, since tenant.Mark, fn func(tenant.Tenant) error,
) (next tenant.Mark, err error) {
	mark, err := s.feed.Changes(ctx, string(since), func(rows pgx.Rows) error { return each(rows, fn) })
	if errors.Is(err, pgfeed.ErrRewound) {
		return "", tenant.ErrRewound
	}
	if err != nil {
		return "", translate(err)
	}
	return tenant.Mark(mark), nil
}

// Watch implements [tenant.Store]. It takes a connection out of the pool, so
// that the pool's size is not lessened, and ends it on return.
func (s *store) Watch(ctx context.Context, wake func()) error {
	return fmt.Errorf("pgtenant: watching: %w", s.feed.Watch(ctx, wake))
}
