package tenant

import (
	"context"
	"fmt"
	"time"
)

// Health says how well a [Registry] knows the catalog.
type Health struct {
	// Tenants is how many tenants are in memory, tombstones included.
	Tenants int
	// Confirmed is when what is in memory was last known to be all, zero before
	// the first time; Age is how long ago that is.
	Confirmed time.Time
	Age       time.Duration
	// Watching reports whether the store watches, so that changes are
	// announced, rather than found by polling only.
	Watching bool
	// Err is why the catalog's last answer is missing, nil when it is not.
	Err error
}

// Health returns the state of the registry, for health checks and metrics. A
// node is fit to serve as long as Age is below [Options.MaxStale].
func (r *Registry) Health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.health
	if !h.Confirmed.IsZero() {
		h.Age = max(0, r.opts.Clock().Sub(h.Confirmed))
	}
	if s := r.snap.Load(); s != nil {
		h.Tenants = s.count
	}
	return h
}

// report records how a question to the catalog that began at a time ended.
func (r *Registry) report(began time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.health.Confirmed = began
	}
	if (err == nil) != (r.health.Err == nil) && r.ctx.Err() == nil { // once per outage, not once per poll
		if err != nil {
			r.log.Warn("tenant: catalog is not reached, serving from memory", "error", err, "since", r.health.Confirmed)
		} else {
			r.log.Info("tenant: catalog is reached again")
		}
	}
	r.health.Err = err
	r.troubled.Store(err != nil)
}

// round is one question to the catalog for everything new.
type round struct {
	done chan struct{}
	err  error // to be read after done
}

func newRound() *round { return &round{done: make(chan struct{})} }

// confirm returns nil once the snapshot is known to be at most maxAge old (for
// a negative one: once it is newer than this call),
// which it asks the catalog for if need be. However many callers wait, they
// wait for one answer; none waits while the catalog is known to be out of
// reach.
func (r *Registry) confirm(ctx context.Context, maxAge time.Duration) error {
	h := r.Health()
	if h.Err == nil && h.Age <= maxAge {
		return nil
	}
	r.mu.Lock()
	waiting := r.next // begins after now, so that its answer is fresh enough
	r.mu.Unlock()
	signal(r.asked)
	if h.Err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, h.Err)
	}
	select {
	case <-waiting.done:
		return waiting.err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, errClosed)
	}
}

// signal leaves word in a channel of one place.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
