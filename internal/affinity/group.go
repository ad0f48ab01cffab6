// Package affinity pools connections that remember whose they were. A caller
// names a key, and gets an idle connection that served the same key last if
// there is one: what that connection knows of the key need not be set up again.
//
// Pools of one [Group] share a budget of connections. When it is spent, an idle
// connection of another pool makes room; a busy one never does. Who finds
// neither waits in line, first come first served.
package affinity

import (
	"errors"
	"sync"
	"time"
)

// ErrClosed is returned by a pool that was closed.
var ErrClosed = errors.New("affinity: pool is closed")

// Group is a set of pools under one budget. It is safe for concurrent use, and
// so are its pools: one lock guards them all, held for no longer than it takes
// to move a connection from one list to another.
type Group[C any] struct {
	mu    sync.Mutex
	max   int
	used  int // connections open or being dialled, over all pools
	pools []*Pool[C]
	line  []*waiter[C] // who waits for a connection, longest first
	seq   uint64
	clock func() time.Time
}

// NewGroup returns a group whose pools have at most max connections together.
// The clock tells how long connections have been idle.
func NewGroup[C any](maxConns int, clock func() time.Time) *Group[C] {
	return &Group[C]{max: max(1, maxConns), clock: clock}
}

// Config says how a pool's connections are made and ended.
type Config[C any] struct {
	// Max is how many connections the pool may have within its group's
	// budget. Defaults to the whole budget.
	Max int
	// Close ends a connection, and returns when its server has let it go. It
	// is called outside of all locks.
	Close func(C)
	// Clear makes a connection nobody's, for [Pool.Drop], and reports whether
	// that worked. It is called outside of all locks, for a connection that
	// nobody has meanwhile. Defaults to never: what is dropped is closed.
	Clear func(C) bool
}

// NewPool adds a pool to the group.
func (g *Group[C]) NewPool(config Config[C]) *Pool[C] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if config.Max <= 0 || config.Max > g.max {
		config.Max = g.max
	}
	p := &Pool[C]{group: g, config: config, idle: map[int64][]*Item[C]{}, keys: map[int64]*share[C]{}}
	p.drained = sync.NewCond(&g.mu)
	g.pools = append(g.pools, p)
	return p
}

// Stats counts what a group or a pool has and has done.
type Stats struct {
	// Open connections, of which Idle wait for work. Waiting callers wait for
	// a connection.
	Open, Idle, Waiting int
	// Hits are acquisitions that found a connection of their key, Switches
	// those that took over another key's, and Dials those that made one.
	Hits, Switches, Dials uint64
	// Evictions are idle connections ended to make room in the budget, and Waits
	// acquisitions that had to wait, in line or at a cap.
	Evictions, Waits uint64
}

// Stats returns the sum over the pools of the group.
func (g *Group[C]) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := Stats{Waiting: len(g.line)}
	for _, p := range g.pools {
		s := p.stats()
		sum.Open += s.Open
		sum.Idle += s.Idle
		sum.Waiting += s.Waiting
		sum.Hits += s.Hits
		sum.Switches += s.Switches
		sum.Dials += s.Dials
		sum.Evictions += s.Evictions
		sum.Waits += s.Waits
	}
	return sum
}

// Sweep ends the connections that have been idle since before the time given.
func (g *Group[C]) Sweep(before time.Time) {
	g.mu.Lock()
	var dead []*Item[C]
	for _, p := range g.pools {
		for p.oldest != nil && p.oldest.since.Before(before) {
			dead = append(dead, p.end(p.oldest))
		}
	}
	g.mu.Unlock()
	closeAll(dead)
}

// dispatch serves whoever can be served, in the order of arrival.
func (g *Group[C]) dispatch() {
	kept := g.line[:0]
	for _, w := range g.line {
		item, ok := w.pool.take(w.key)
		if !ok {
			kept = append(kept, w)
			continue
		}
		w.grant <- grant[C]{item: item}
	}
	clear(g.line[len(kept):])
	g.line = kept
}

// room makes sure of one more connection in the budget. If that is what it
// takes, the one of the group that has been idle longest gives up its place, and
// is to be closed before the new one is dialled.
func (g *Group[C]) room() (victim *Item[C], ok bool) {
	if g.used < g.max {
		g.used++
		return nil, true
	}
	var oldest *Item[C]
	for _, p := range g.pools {
		if p.oldest != nil && (oldest == nil || p.oldest.since.Before(oldest.since)) {
			oldest = p.oldest
		}
	}
	if oldest == nil {
		return nil, false
	}
	oldest.pool.evictions++
	return oldest.pool.end(oldest), true
}

// closeAll closes connections that are out of their pools. Their places in the
// budget are free once that is done: a server counts a connection until it has
// gone.
func closeAll[C any](items []*Item[C]) {
	for _, it := range items {
		go func() {
			it.pool.config.Close(it.Conn)
			g := it.pool.group
			g.mu.Lock()
			defer g.mu.Unlock()
			it.closed()
			g.used--
			g.dispatch()
		}()
	}
}

// closed counts a connection that has been closed. The lock is held.
func (it *Item[C]) closed() {
	it.pool.closing--
	it.pool.drained.Broadcast()
}

// evict closes the connection whose place the item takes.
func (it *Item[C]) evict() *Item[C] {
	victim := it.victim
	if victim == nil {
		return it
	}
	it.victim = nil
	victim.pool.config.Close(victim.Conn)
	g := it.pool.group
	g.mu.Lock()
	defer g.mu.Unlock()
	victim.closed()
	return it
}
