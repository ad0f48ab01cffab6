package storage

import (
	"context"
	"errors"
	"sync"

	"github.com/partywall/partywall/tenant"
)

// Amount is how much a tenant has, or has more or less than before.
type Amount struct {
	// Bytes are as stored: encrypted files are a little larger than what is in
	// them, and those in the trash count until they are swept.
	Bytes int64
	// Files are objects, those in the trash too.
	Files int64
}

func (a Amount) plus(b Amount) Amount { return Amount{a.Bytes + b.Bytes, a.Files + b.Files} }
func (a Amount) negative() Amount     { return Amount{-a.Bytes, -a.Files} }

// Quota is what a tenant may have. Zero is no limit.
type Quota struct {
	// Bytes limits all files together. A file that is replaced counts until the
	// new one is there, because until then both are.
	Bytes int64
	// Files limits their number.
	Files int64
	// File limits the bytes of one file.
	File int64
}

// allows reports whether used is within q where more adds to it. What takes
// away is always allowed, also from a tenant that is beyond a lowered quota.
func (q Quota) allows(used, more Amount) bool {
	sum := used.plus(more)
	return (more.Bytes <= 0 || q.Bytes == 0 || sum.Bytes <= q.Bytes) &&
		(more.Files <= 0 || q.Files == 0 || sum.Files <= q.Files)
}

// ErrUncounted is what a [Ledger] returns for a tenant of which it knows
// nothing yet. Then the tenant's files are counted, and the answer is Set.
var ErrUncounted = errors.New("storage: tenant is not counted yet")

// Ledger keeps what each tenant has, all that is being written included, so
// that writers who know nothing of each other cannot exceed a quota together.
//
// The one in memory, [Tally], is exact for the writers of one process. Hosts
// with several processes that write for the same tenants give one that these
// share, such as a row per tenant in PostgreSQL with one UPDATE … RETURNING.
// What two processes take away at once may be subtracted by both, so numbers
// must be let fall below zero; [Buckets.Recount] puts them right. Methods are
// called at any time from any goroutine.
type Ledger interface {
	// Reserve adds more, whose numbers may be negative, in one step. If a number
	// that grows would exceed the quota, nothing is added and a [*QuotaError]
	// is returned. It fails with [ErrUncounted] before the first Set.
	Reserve(ctx context.Context, id tenant.ID, more Amount, quota Quota) error
	// Set replaces what is known by what has been counted.
	Set(ctx context.Context, id tenant.ID, counted Amount) error
	// Used returns what the tenant has. It fails with [ErrUncounted] before the
	// first Set.
	Used(ctx context.Context, id tenant.ID) (Amount, error)
}

// Tally is a [Ledger] in memory. It starts empty with each process, which
// costs one listing of each tenant that writes.
type Tally struct {
	mu   sync.Mutex
	used map[tenant.ID]Amount
}

// NewTally returns a Tally that knows nobody yet.
func NewTally() *Tally { return &Tally{used: map[tenant.ID]Amount{}} }

// Reserve implements [Ledger].
func (l *Tally) Reserve(_ context.Context, id tenant.ID, more Amount, quota Quota) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	used, ok := l.used[id]
	switch {
	case !ok:
		return ErrUncounted
	case !quota.allows(used, more):
		return &QuotaError{Used: used, Wanted: more, Quota: quota}
	}
	l.used[id] = used.plus(more)
	return nil
}

// Set implements [Ledger].
func (l *Tally) Set(_ context.Context, id tenant.ID, counted Amount) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used[id] = counted
	return nil
}

// Used implements [Ledger].
func (l *Tally) Used(_ context.Context, id tenant.ID) (Amount, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	used, ok := l.used[id]
	if !ok {
		return Amount{}, ErrUncounted
	}
	return used, nil
}
