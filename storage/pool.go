package storage

import (
	"context"
	"errors"
	"sync"
	"time"

	"gocloud.dev/blob"
)

// pool keeps the host's buckets open. A bucket in use is never closed; of
// those that are idle, at most max stay, and none for longer than idle.
type pool struct {
	max   int
	idle  time.Duration
	clock func() time.Time

	mu     sync.Mutex
	opened map[Place]*opened
	closed bool
}

// opened is one bucket of the host's.
type opened struct {
	ready chan struct{} // closed when the bucket is open, or has failed to
	err   error
	inner *blob.Bucket

	users int
	since time.Time // when the last user left
}

func newPool(maxOpen int, idle time.Duration, clock func() time.Time) *pool {
	return &pool{max: maxOpen, idle: idle, clock: clock, opened: map[Place]*opened{}}
}

// take returns the bucket of a place, opening it if need be: once, however many
// ask. What it returns has to be called once, to give the bucket back.
func (p *pool) take(ctx context.Context, place Place, open func(context.Context) (*blob.Bucket, error)) (*blob.Bucket, func(), error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, nil, ErrClosed
	}
	o, known := p.opened[place]
	if !known {
		o = &opened{ready: make(chan struct{})}
		p.opened[place] = o
	}
	o.users++
	p.mu.Unlock()

	if !known {
		// Others may wait for it, so it must not fail because this caller left.
		o.inner, o.err = open(context.WithoutCancel(ctx))
		if o.err == nil && o.inner == nil {
			o.err = errors.New("storage: the account opened no bucket")
		}
		close(o.ready)
	}
	release := sync.OnceFunc(func() { p.give(place, o) })
	select {
	case <-o.ready:
	case <-ctx.Done():
		release()
		return nil, nil, ctx.Err()
	}
	if o.err != nil {
		release()
		return nil, nil, o.err
	}
	return o.inner, release, nil
}

// give takes a bucket back. One that failed to open is forgotten.
func (p *pool) give(place Place, o *opened) {
	p.mu.Lock()
	o.users--
	o.since = p.clock()
	if failed(o) && p.opened[place] == o {
		delete(p.opened, place)
	}
	old := p.spare()
	p.mu.Unlock()
	for _, b := range old {
		_ = b.Close() // nobody uses it, and nobody is there to be told
	}
}

// failed reports whether o is known not to have opened.
func failed(o *opened) bool {
	select {
	case <-o.ready:
		return o.err != nil
	default:
		return false
	}
}

// spare takes out the buckets to be closed: all that have been idle for too
// long, and the longest idle while there are too many. p.mu is held.
func (p *pool) spare() (old []*blob.Bucket) {
	now := p.clock()
	for {
		var (
			count  int
			oldest Place
			found  *opened
		)
		for place, o := range p.opened {
			if o.users > 0 {
				continue
			}
			count++
			if found == nil || o.since.Before(found.since) {
				oldest, found = place, o
			}
		}
		if found == nil || count <= p.max && now.Sub(found.since) < p.idle && !p.closed {
			return old
		}
		delete(p.opened, oldest)
		old = append(old, found.inner)
	}
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.opened)
}

// drop forgets an idle bucket, which is about to be removed.
func (p *pool) drop(place Place) {
	p.mu.Lock()
	o := p.opened[place]
	if o == nil || o.users > 0 {
		p.mu.Unlock()
		return
	}
	delete(p.opened, place)
	p.mu.Unlock()
	_ = o.inner.Close() // as in give
}

func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	old := p.spare()
	p.mu.Unlock()
	var errs []error
	for _, b := range old {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}
