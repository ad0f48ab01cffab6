package tenant

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// breath is the least time between two rounds that notifications cause. The
// first one is asked for at once; a storm of them, of an import for example,
// costs each node this many rounds and not one per change.
const breath = 20 * time.Millisecond

// follow keeps the snapshot current: it asks for changes when there is word of
// one, when somebody waits for an answer, and now and then in case word was
// lost. It is the only one to ask, so rounds never overlap.
func (r *Registry) follow() {
	var last time.Time // when the last round began
	next := time.Now().Add(jitter(r.opts.PollInterval))
	due := time.NewTimer(time.Until(next))
	defer due.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.asked:
			// The space between rounds is what a flood of unknown names costs
			// the catalog, whatever the catalog answers.
			next = earlier(next, last.Add(r.opts.MissTTL))
		case <-r.wake:
			next = earlier(next, last.Add(breath))
		case <-due.C:
			last = time.Now()
			r.round()
			next = time.Now().Add(jitter(r.opts.PollInterval))
		}
		due.Reset(time.Until(next))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// round asks for changes once and tells those who wait.
func (r *Registry) round() {
	r.mu.Lock()
	now := r.next
	r.next = newRound()
	r.mu.Unlock()

	began := r.opts.Clock()
	err := r.catchUp(r.ctx)
	if errors.Is(err, ErrRewound) {
		r.log.Warn("tenant: catalog was restarted, restored or replaced, loading all of it again")
		err = r.reload(r.ctx)
	}
	if err == nil {
		err = r.refreshKeys(r.ctx)
	}
	if err != nil {
		err = reached(r.ctx, err)
	}
	if r.ctx.Err() == nil {
		r.report(began, err)
	}
	now.err = err
	close(now.done)
}

// catchUp applies what has changed since the mark.
func (r *Registry) catchUp(ctx context.Context) error {
	mark, err := r.changes(ctx, r.mark, func(t Tenant) error {
		r.apply(t)
		return nil
	})
	if err == nil {
		r.mark = mark
	}
	return err
}

// reload replaces the snapshot by one that is made from scratch. Until that is
// complete, the earlier one is served, if there is any.
func (r *Registry) reload(ctx context.Context) error {
	fresh := newSnapshot()
	r.mu.Lock()
	r.loading = fresh
	r.mu.Unlock()

	mark, err := r.changes(ctx, "", func(t Tenant) error {
		r.mu.Lock()
		fresh.put(t)
		r.mu.Unlock()
		return nil
	})

	r.mu.Lock()
	defer r.mu.Unlock()
	r.loading = nil
	if err != nil {
		return err
	}
	fresh.private = false
	before := r.snap.Swap(fresh)
	r.mark = mark
	if before != nil {
		r.events.addDifference(before, fresh)
	}
	return nil
}

// changes asks the store, and gives up when the next piece of its answer is
// not there in time: a network that swallows packets must not stop the loop.
func (r *Registry) changes(ctx context.Context, since Mark, each func(Tenant) error) (Mark, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := r.late()
	watchdog := time.AfterFunc(r.opts.Timeout, func() { cancel(late) })
	defer watchdog.Stop()
	n := 0
	mark, err := r.store.Changes(ctx, since, func(t Tenant) error {
		if n++; n%256 == 0 {
			watchdog.Reset(r.opts.Timeout)
		}
		return each(t)
	})
	if err != nil && errors.Is(context.Cause(ctx), late) {
		err = late // says more than the cancellation that it caused
	}
	return mark, err
}

// late is the error of a question that was given up.
func (r *Registry) late() error {
	return fmt.Errorf("%w: no answer within %s", ErrUnavailable, r.opts.Timeout)
}

// watch passes on word of changes, and comes back when the store's line breaks.
func (r *Registry) watch() {
	const first, most = 50 * time.Millisecond, 5 * time.Second
	pause := first
	for failed := false; ; failed = true {
		var told atomic.Bool
		err := r.store.Watch(r.ctx, func() {
			if told.CompareAndSwap(false, true) {
				r.setWatching(true)
			}
			signal(r.wake)
		})
		r.setWatching(false)
		if told.Load() {
			pause, failed = first, false
		}
		if r.ctx.Err() != nil {
			return
		}
		if !failed { // once per outage, not once per try
			r.log.Warn("tenant: not told of changes, polling until the catalog is back", "error", err)
		}
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(jitter(pause)):
		}
		pause = min(2*pause, most)
	}
}

func (r *Registry) setWatching(yes bool) {
	r.mu.Lock()
	r.health.Watching = yes
	r.mu.Unlock()
}

// jitter spreads d by a fifth, so that the nodes of an installation do not ask
// in step after an outage that began for all at once.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // G404: no secret
}
