package provisioning

import (
	"math/rand/v2"
	"time"
)

// backoff is what [Options.Backoff] is by default.
func backoff(attempt int) time.Duration {
	const first, most = 250 * time.Millisecond, time.Minute
	wait := min(first<<min(max(attempt-2, 0), 10), most)
	return wait - rand.N(wait/3) //nolint:gosec // G404: only so that what failed together does not come back together
}
