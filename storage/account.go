package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/partywall/partywall/tenant"
)

// reserveStep is how far ahead of what is written bytes are reserved, so that
// a shared ledger is not asked for each few kilobytes. Near the quota it is
// only what is needed.
const reserveStep = 256 << 10

// reservation is what one write has taken from its tenant's quota. Who began
// it ends it, by keep or by undo.
type reservation struct {
	ledger Ledger
	id     tenant.ID
	quota  Quota

	held    Amount
	written int64
}

// reserve begins a reservation for a tenant; nil where there is no quota.
func (b *Buckets) reserve(ctx context.Context, t tenant.Tenant) (*reservation, error) {
	if b.opts.Quota == nil {
		return nil, nil //nolint:nilnil // a nil reservation reserves nothing
	}
	r := &reservation{ledger: b.opts.Ledger, id: t.ID, quota: b.opts.Quota(t)}
	return r, r.ledger.Reserve(ctx, r.id, Amount{}, r.quota)
}

// write reserves n bytes more.
func (r *reservation) write(ctx context.Context, n int64) error {
	if r == nil {
		return nil
	}
	if sum := r.written + n; r.quota.File > 0 && sum > r.quota.File {
		return &QuotaError{Wanted: Amount{Bytes: sum, Files: 1}, Quota: r.quota}
	}
	if missing := r.written + n - r.held.Bytes; missing > 0 {
		if err := r.take(ctx, missing); err != nil {
			return err
		}
	}
	r.written += n
	return nil
}

// take reserves a step, or what is missing if a step is too much.
func (r *reservation) take(ctx context.Context, missing int64) error {
	ahead := max(missing, reserveStep)
	err := r.more(ctx, Amount{Bytes: ahead})
	if ahead > missing && errors.Is(err, ErrQuota) {
		err = r.more(ctx, Amount{Bytes: missing})
	}
	return err
}

// more changes what is held.
func (r *reservation) more(ctx context.Context, a Amount) error {
	if r == nil || a == (Amount{}) {
		return nil
	}
	err := r.ledger.Reserve(ctx, r.id, a, r.quota)
	if err == nil {
		r.held = r.held.plus(a)
	}
	return err
}

// keep ends a write that has taken place: what was reserved ahead goes back,
// and what the file has replaced.
func (r *reservation) keep(ctx context.Context, replaced Amount) error {
	if r == nil {
		return nil
	}
	surplus := Amount{Bytes: r.held.Bytes - r.written}
	return r.more(ctx, replaced.plus(surplus).negative())
}

// undo ends a write of which nothing is left.
func (r *reservation) undo(ctx context.Context) error {
	if r == nil {
		return nil
	}
	return r.more(ctx, r.held.negative())
}

// begin lets a write for t in, and begins its reservation. The caller ends it
// by b.writers.leave. A tenant that the ledger does not know is counted first.
func (b *Buckets) begin(ctx context.Context, t tenant.Tenant) (*reservation, error) {
	for {
		if err := b.writers.enter(ctx, t.ID); err != nil {
			return nil, err
		}
		r, err := b.reserve(ctx, t)
		if err == nil {
			return r, nil
		}
		b.writers.leave(t.ID)
		if !errors.Is(err, ErrUncounted) {
			return nil, err
		}
		if _, err := b.Recount(ctx, t); err != nil {
			return nil, err
		}
	}
}

// Recount lists all that t has, and tells the ledger. It is for when files came
// or went past this package, and for what a process that died has left
// reserved. Where other processes write for t at the same time, the count may
// miss what they do during the listing.
//
// It waits for the writes of this process that are under way, and holds new
// ones back meanwhile. Who has a file open must not open a second one then, or
// the two wait for each other until the context ends.
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
	if err := b.opts.Ledger.Set(ctx, t.ID, used.Amount()); err != nil {
		return Amount{}, fmt.Errorf("storage: setting what tenant %s has: %w", t.ID, err)
	}
	return used.Amount(), nil
}
