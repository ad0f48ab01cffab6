package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/partywall/partywall/tenant"
)

// books know what the writes under way in this process have reserved, which is
// in the ledger and not in the store. The zero value is ready.
type books struct {
	locks locks
	mu    sync.Mutex
	held  map[tenant.ID]Amount
}

// with runs fn on what a tenant's writes have reserved, alone: what it asks the
// ledger for and what it returns go together. fn returns what is reserved then.
func (b *books) with(id tenant.ID, fn func(held Amount) (Amount, error)) error {
	defer b.locks.lock(id.String())()
	b.mu.Lock()
	held := b.held[id]
	b.mu.Unlock()
	held, err := fn(held)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case held == (Amount{}):
		delete(b.held, id)
	case b.held == nil:
		b.held = map[tenant.ID]Amount{id: held}
	default:
		b.held[id] = held
	}
	return err
}

// reservation is what one write has taken from its tenant's quota. Who began
// it ends it. A nil one reserves nothing.
type reservation struct {
	books  *books
	ledger Ledger
	id     tenant.ID
	quota  Quota
	held   Amount
}

// reserve begins a reservation for a tenant; nil where there is no quota. A
// tenant that the ledger does not know is counted first.
func (b *Buckets) reserve(ctx context.Context, t tenant.Tenant) (*reservation, error) {
	if b.opts.Quota == nil {
		return nil, nil //nolint:nilnil // a nil reservation reserves nothing
	}
	r := &reservation{books: &b.books, ledger: b.opts.Ledger, id: t.ID, quota: b.opts.Quota(t)}
	for {
		err := r.ledger.Reserve(ctx, r.id, Amount{}, r.quota)
		if errors.Is(err, ErrUncounted) {
			if _, err = b.Recount(ctx, t); err == nil {
				continue
			}
		}
		return r, err
	}
}

// write reserves n bytes more of the file.
func (r *reservation) write(ctx context.Context, n int64) error {
	if r == nil {
		return nil
	}
	if sum := r.held.Bytes + n; r.quota.File > 0 && sum > r.quota.File {
		return &QuotaError{Wanted: Amount{Bytes: sum, Files: 1}, Quota: r.quota}
	}
	return r.more(ctx, Amount{Bytes: n})
}

// more adds to what is held.
func (r *reservation) more(ctx context.Context, a Amount) error {
	if r == nil || a == (Amount{}) {
		return nil
	}
	return r.books.with(r.id, func(held Amount) (Amount, error) {
		if err := r.ledger.Reserve(ctx, r.id, a, r.quota); err != nil {
			return held, err
		}
		r.held = r.held.plus(a)
		return held.plus(a), nil
	})
}

// end ends the write: what it held counts as stored from now on. The ledger is
// told of what else has changed.
func (r *reservation) end(ctx context.Context, change Amount) (err error) {
	if r == nil {
		return nil
	}
	return r.books.with(r.id, func(held Amount) (Amount, error) {
		if change != (Amount{}) {
			err = r.ledger.Reserve(ctx, r.id, change, Quota{})
		}
		held = held.plus(r.held.negative())
		r.held = Amount{}
		return held, err
	})
}

// undo ends a write of which nothing is left.
func (r *reservation) undo(ctx context.Context) error {
	if r == nil {
		return nil
	}
	return r.end(ctx, r.held.negative())
}

// Recount lists all that t has, and tells the ledger. It is for when files came
// or went past this package, and for what a process that died has left
// reserved.
//
// In this process files are held back from taking their place meanwhile, and
// what is reserved for them counts. Where other processes write for t at the
// same time, the count may miss what they do during the listing and what they
// have reserved, so it is best taken when they are quiet, or again later.
func (b *Buckets) Recount(ctx context.Context, t tenant.Tenant) (Amount, error) {
	reopen, err := b.writers.shut(ctx, t.ID)
	if err != nil {
		return Amount{}, err
	}
	defer reopen()
	used, err := b.Usage(ctx, t)
	if err != nil {
		return Amount{}, err
	}
	if err := b.counted(ctx, t, used.Amount()); err != nil {
		return Amount{}, fmt.Errorf("storage: setting what tenant %s has: %w", t.ID, err)
	}
	return used.Amount(), nil
}

// counted tells the ledger what t has stored. Nobody is changing that now.
func (b *Buckets) counted(ctx context.Context, t tenant.Tenant, stored Amount) error {
	return b.books.with(t.ID, func(held Amount) (Amount, error) {
		return held, b.opts.Ledger.Set(ctx, t.ID, stored.plus(held))
	})
}
