package tenant

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Registry answers who the tenants are. It holds all of the catalog in memory,
// keeps it current, and so answers in a fraction of a microsecond whether the
// catalog can be reached or not. It is also the [Writer] of the catalog: what
// is written through it is seen by the next Lookup on this node at once, and
// on other nodes as soon as word reaches them.
//
// A Registry that is not started asks the catalog for every Lookup, which
// suits programs that run for a moment.
//
// All methods may be called at any time from any goroutine, unless they say
// otherwise.
type Registry struct {
	*Writer

	store  Store
	opts   Options
	log    *slog.Logger
	events *events
	keys   keys

	snap atomic.Pointer[snapshot]
	// troubled is set while the catalog's last answer is overdue. Only then
	// does a Lookup look at the clock.
	troubled atomic.Bool

	mu      sync.Mutex // held to change snapshots, and for what follows
	loading *snapshot  // takes writes too, while it is being filled
	health  Health
	mark    Mark
	next    *round // the one that has not begun

	wake, asked chan struct{}

	life     sync.Mutex // held during Start and Close
	started  bool
	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	routines sync.WaitGroup
}

// NewRegistry returns a Registry over store. It dials nothing and starts
// nothing. It fails with [ErrInvalid] when store is nil, and for options that
// make no sense, telling all mistakes at once.
func NewRegistry(store Store, options *Options) (*Registry, error) {
	opts, err := options.filled()
	if store == nil {
		err = errors.Join(fmt.Errorf("%w: store is nil", ErrInvalid), err)
	}
	r := &Registry{
		store: store, opts: opts, log: opts.Logger, events: newEvents(opts.Logger), next: newRound(),
		wake: make(chan struct{}, 1), asked: make(chan struct{}, 1), keys: keys{fetch: make(chan struct{}, 1)},
	}
	if opts.EnvelopeKeys != nil {
		err = errors.Join(err, r.keys.set(*opts.EnvelopeKeys))
	}
	if err != nil {
		return nil, fmt.Errorf("tenant: NewRegistry: %w", err)
	}
	r.Writer = r.Over(store)
	r.written = r.apply
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r, nil
}

// Over returns a Writer with this registry's rules over other records, such as
// a transaction. The registry does not learn of what it writes before the
// catalog tells.
func (r *Registry) Over(records Records) *Writer {
	return &Writer{records: records, clock: r.opts.Clock, reserved: r.opts.ReservedSlugs}
}

// Start loads the catalog and, when it returns nil, keeps what was loaded
// current until [Registry.Close]; ctx bounds the loading only. It fails with
// [ErrUnavailable] when the catalog cannot be asked, and may be called again
// then. Starting twice, or after Close, is an error and does nothing.
func (r *Registry) Start(ctx context.Context) error {
	r.life.Lock()
	defer r.life.Unlock()
	switch {
	case r.ctx.Err() != nil:
		return errClosed
	case r.started:
		return errors.New("tenant: registry is started already")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)() // Close interrupts
	began := r.opts.Clock()
	if err := r.reload(ctx); err != nil {
		return fmt.Errorf("tenant: loading the catalog: %w", reached(ctx, err))
	}
	r.report(began, nil)
	r.started = true
	r.routines.Go(r.follow)
	r.routines.Go(r.watch)
	r.routines.Go(func() { r.events.run(r.ctx) })
	return nil
}

// Close ends what Start began and returns when it has ended; later calls do
// nothing. Look-ups go on from what is remembered, until that is older than
// [Options.MaxStale]. It waits for a subscriber that is being called, so a
// subscriber must not call Close, nor wait for who does.
func (r *Registry) Close() {
	r.stop() // before the lock: it ends a Start under way
	r.life.Lock()
	defer r.life.Unlock()
	r.routines.Wait()
	r.report(time.Time{}, errClosed)
}

var errClosed = errors.New("tenant: registry is closed")

// Lookup returns the tenant that key names, of whatever status: a tombstone is
// found too, so that the answer can be "gone". A hit takes no lock, allocates
// nothing and does not look at ctx.
//
// It fails with [ErrNotFound] for a tenant that the catalog did not have within
// the last [Options.MissTTL], and with [ErrUnavailable] when that cannot be
// known because the catalog is not reached, or was not for so long that nothing
// is served from memory any more.
func (r *Registry) Lookup(ctx context.Context, key Key) (found Tenant, err error) {
	if s := r.snap.Load(); s != nil && !r.troubled.Load() {
		if known := s.find(key); known != nil {
			known.unpack(&found)
			return found, nil
		}
	}
	return r.lookup(ctx, key)
}

// lookup is Lookup when the answer is not at hand.
func (r *Registry) lookup(ctx context.Context, key Key) (Tenant, error) {
	if !key.possible() {
		return Tenant{}, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	s := r.snap.Load()
	if s == nil {
		return r.Refresh(ctx, key)
	}
	if h := r.Health(); h.Err != nil && r.opts.MaxStale > 0 && h.Age > r.opts.MaxStale {
		return Tenant{}, fmt.Errorf("%w: not reached for %s: %w", ErrUnavailable, h.Age.Round(time.Second), h.Err)
	}
	if known := s.find(key); known != nil {
		return known.tenant(), nil
	}
	if err := r.confirm(ctx, r.opts.MissTTL); err != nil {
		return Tenant{}, fmt.Errorf("tenant: looking up %s: %w", key, err)
	}
	if known := r.snap.Load().find(key); known != nil {
		return known.tenant(), nil
	}
	return Tenant{}, fmt.Errorf("%w: %s", ErrNotFound, key)
}

// Refresh asks the catalog for the tenant that key names, whatever is
// remembered, and returns it as it is there or newer. It fails with
// [ErrNotFound] and [ErrUnavailable].
func (r *Registry) Refresh(ctx context.Context, key Key) (Tenant, error) {
	if !key.possible() {
		return Tenant{}, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	t, err := r.store.Find(ctx, key)
	if err != nil {
		return Tenant{}, fmt.Errorf("tenant: looking up %s: %w", key, reached(ctx, err))
	}
	r.apply(t)
	if s := r.snap.Load(); s != nil {
		if newer := s.find(ByID(t.ID)); newer != nil {
			return newer.tenant(), nil
		}
	}
	return t, nil
}

// List asks the catalog for one page of the tenants that q describes. It fails
// with [ErrInvalid] for a query or cursor that is wrong, and with
// [ErrUnavailable].
func (r *Registry) List(ctx context.Context, q Query) (Page, error) {
	if err := q.Validate(); err != nil {
		return Page{}, fmt.Errorf("tenant: listing: %w", err)
	}
	page, err := r.store.List(ctx, q)
	if err != nil {
		return Page{}, fmt.Errorf("tenant: listing: %w", reached(ctx, err))
	}
	return page, nil
}

// All yields every tenant that q describes, page by page from the catalog, in
// the order of their numbers, beginning at q.Cursor. An error, one of those of
// List, is yielded last and with the zero Tenant.
func (r *Registry) All(ctx context.Context, q Query) iter.Seq2[Tenant, error] {
	return func(yield func(Tenant, error) bool) {
		q := q // a sequence can be walked more than once
		if q.Limit == 0 {
			q.Limit = MaxLimit
		}
		for {
			page, err := r.List(ctx, q)
			if err != nil {
				yield(Tenant{}, err)
				return
			}
			for _, t := range page.Tenants {
				if !yield(t, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Cursor = page.Next
		}
	}
}

// Subscribe calls fn for every change from now on that this node learns of,
// one at a time and in order, on a goroutine that all subscribers share, while
// the registry is started; the first load is no change. A panic in fn is logged
// and goes no further. A slow fn delays the others, never a Lookup.
//
// After cancel no further call begins; one under way may end later.
func (r *Registry) Subscribe(fn func(Event)) (cancel func()) { return r.events.subscribe(fn) }

// apply takes a tenant into the snapshot and tells the subscribers, unless it
// is known that new or newer already.
func (r *Registry) apply(t Tenant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loading != nil {
		r.loading.put(t)
	}
	if s := r.snap.Load(); s != nil {
		if before, changed := s.put(t); changed {
			r.events.add(before.tenant(), t)
		}
	}
}
