package cache

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"

	"github.com/partywall/partywall/tenant"
)

// TestRateLimiterOfATenant has a library that knows of no tenants count for each
// of them: its script runs on the tenant's keys.
func TestRateLimiterOfATenant(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"prefix", "namespace", "user"} {
		h := newHouse(t, Options{Default: "it/" + level})
		limiter := redis_rate.NewLimiter(h.Client)
		limit := redis_rate.Limit{Rate: 1, Burst: 3, Period: time.Hour}
		allowed := func(ctx context.Context) int {
			t.Helper()
			r, err := limiter.Allow(ctx, "login:ann", limit)
			must(t, err)
			return r.Allowed
		}
		for i := range 4 {
			if got, want := allowed(h.inA), min(1, 3-i); got != want {
				t.Errorf("%s: attempt %d: %d allowed", level, i+1, got)
			}
		}
		if allowed(h.inB) != 1 {
			t.Errorf("%s: the other tenant pays for the first", level)
		}
		if _, err := limiter.Allow(context.Background(), "login:ann", limit); !errors.Is(err, tenant.ErrNoTenant) {
			t.Errorf("%s: nobody's attempt: %v", level, err)
		}
	}
}
