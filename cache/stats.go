package cache

import (
	"context"
	"sync/atomic"
)

// Stats is what [Get] and [GetOrLoad] have met in this process since it began to
// serve the tenant.
type Stats struct {
	// Hits and Misses are what was there and what was not. Of the hits, Stale
	// were past their time.
	Hits, Misses, Stale int64
	// Loads is how often a loader ran.
	Loads int64
}

type counters struct{ hits, misses, stale, loads atomic.Int64 }

// Stats returns those of the context's tenant.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	h, err := c.homeOf(ctx)
	if err != nil {
		return Stats{}, err
	}
	return Stats{
		Hits: h.stats.hits.Load(), Misses: h.stats.misses.Load(),
		Stale: h.stats.stale.Load(), Loads: h.stats.loads.Load(),
	}, nil
}
