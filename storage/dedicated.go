package storage

import (
	"context"
	"sync"
	"time"
)

// dedicated are the stores that [Options.Dedicated] has found: it may have to ask
// the catalog or a vault, and each call to a bucket needs one. The zero value is
// ready.
type dedicated struct {
	mu    sync.Mutex
	found map[string]foundStore
}

type foundStore struct {
	store Store
	until time.Time
}

// find returns the store of that name. Of those who ask at once for one that is
// not known, each asks the host.
func (d *dedicated) find(ctx context.Context, name string, opts *Options) (Store, error) {
	now := opts.Clock()
	d.mu.Lock()
	f, ok := d.found[name]
	d.mu.Unlock()
	if ok && now.Before(f.until) {
		return f.store, nil
	}
	s, err := opts.Dedicated(ctx, name)
	if err != nil || s.Account == nil {
		return s, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for other, f := range d.found {
		if !now.Before(f.until) {
			delete(d.found, other)
		}
	}
	if d.found == nil {
		d.found = map[string]foundStore{}
	}
	d.found[name] = foundStore{s, now.Add(opts.IdleTimeout)}
	return s, nil
}
