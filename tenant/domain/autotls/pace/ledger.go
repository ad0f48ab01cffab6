package pace

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Take is what is taken out of one bucket.
type Take struct {
	// Key names the bucket. It is valid UTF-8 of at most 1,024 bytes.
	Key   string
	Limit Limit
	Rate  Rate
	// N is how many tokens are taken. Zero only looks whether Keep are there,
	// and a number below zero gives tokens back, until the bucket is full.
	N int
	// Keep is how many tokens must stay.
	Keep int
	// Force takes the tokens even if there are fewer; then none is left.
	Force bool
}

// from applies the take to a bucket that is full at the given time, and says
// how long it would have to wait. This is the generic cell rate algorithm, as
// in ITU-T I.371, with one time as all its state; Let's Encrypt counts so too.
func (t Take) from(full, now time.Time) (next time.Time, wait time.Duration) {
	if full.Before(now) {
		full = now
	}
	empty := now.Add(t.Rate.span())
	next = full.Add(time.Duration(t.N) * t.Rate.Refill)
	if t.Force && next.After(empty) {
		next = empty
	}
	if next.Before(now) {
		next = now
	}
	if t.Force || t.N < 0 {
		return next, 0
	}
	return next, next.Sub(empty) + time.Duration(t.Keep)*t.Rate.Refill
}

// Draw applies takes to the buckets that they name, all or none. It is what a
// Ledger does with its rows while it holds them: full is, for each take, the
// time at which its bucket is full, zero for one that nothing was taken from;
// next are the times to keep instead. If a bucket holds too little, the error
// is a *[WaitError] for the one that takes longest, and there is nothing to keep.
//
// The keys of the takes are all different.
func Draw(full []time.Time, takes []Take, now time.Time) (next []time.Time, err error) {
	if len(full) != len(takes) {
		return nil, fmt.Errorf("pace: %d buckets for %d takes", len(full), len(takes))
	}
	var worst time.Duration
	var short *WaitError
	next = make([]time.Time, len(takes))
	for i, take := range takes {
		var wait time.Duration
		next[i], wait = take.from(full[i], now)
		if wait > worst {
			worst, short = wait, &WaitError{Until: now.Add(wait), Wait: wait, Limit: take.Limit, Rate: take.Rate, Key: take.Key}
		}
	}
	if short != nil {
		return nil, short
	}
	return next, nil
}

// Ledger keeps the buckets of all nodes. It is safe for concurrent use.
type Ledger interface {
	// Take takes all of the takes or none. If a bucket holds too little the
	// error is a *[WaitError]; any other error says that nothing is known, and
	// nothing may be ordered. The takes are sorted by key, no key comes twice, and
	// there are at most a few hundred. A bucket that is full need not be kept.
	Take(ctx context.Context, takes []Take) error
}

// MemoryLedger is a [Ledger] in the memory of one process: for tests, and for a
// single node that may forget what it has ordered when it starts again.
type MemoryLedger struct {
	now func() time.Time

	mu    sync.Mutex
	full  map[string]time.Time
	sweep int // how many buckets there are when full ones are looked for next
}

// NewMemoryLedger makes an empty ledger. The clock is [time.Now] if it is nil.
func NewMemoryLedger(now func() time.Time) *MemoryLedger {
	if now == nil {
		now = time.Now
	}
	return &MemoryLedger{now: now, full: map[string]time.Time{}, sweep: 1024}
}

// Take implements [Ledger].
func (l *MemoryLedger) Take(ctx context.Context, takes []Take) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full := make([]time.Time, len(takes))
	for i, take := range takes {
		full[i] = l.full[take.Key]
	}
	next, err := Draw(full, takes, now)
	if err != nil {
		return err
	}
	for i, take := range takes {
		if next[i].After(now) {
			l.full[take.Key] = next[i]
		} else {
			delete(l.full, take.Key)
		}
	}
	l.forget(now)
	return nil
}

// forget drops the buckets that are full again. It looks each time that their
// number has doubled, so that a take costs the same however many there are.
func (l *MemoryLedger) forget(now time.Time) {
	if len(l.full) < l.sweep {
		return
	}
	for key, full := range l.full {
		if !full.After(now) {
			delete(l.full, key)
		}
	}
	l.sweep = max(1024, 2*len(l.full))
}
