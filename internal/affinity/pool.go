package affinity

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Pool hands out the connections to one database. Make one with
// [Group.NewPool].
type Pool[C any] struct {
	group  *Group[C]
	config Config[C]

	total  int // open or being dialled
	idle   map[int64][]*Item[C]
	idles  int
	oldest *Item[C] // of the idle ones, longest idle first
	newest *Item[C]
	keys   map[int64]*share[C]

	spare     []*share[C]  // forgotten shares, to be used again
	spareIdle [][]*Item[C] // the same of idle

	closed  bool
	closing int        // taken out of the pool, and not closed yet
	drained *sync.Cond // when total or closing falls

	hits, switches, dials, evictions, waits uint64
}

// share is what one key holds of a pool: connections lent or lined up for, and
// callers over the key's cap, who are not in line yet.
type share[C any] struct {
	inUse   int
	waiting []*waiter[C]
	dropped uint64 // when the key was dropped last, in the group's count
}

// Item is one connection lent by a pool. It is used by one goroutine at a time
// and given back once, by [Pool.Release] or [Pool.Discard].
type Item[C any] struct {
	// Conn is the connection. It is the zero value when the pool had none to
	// give and the caller is to make one; see [Pool.Acquire].
	Conn C
	// Fresh says that the caller is to dial Conn.
	Fresh bool

	pool   *Pool[C]
	victim *Item[C] // out of its pool, to be closed before this one is dialled

	key   int64 // whose it was when it was last given back
	held  int64 // whose it is now
	lent  uint64
	since time.Time

	prev, next *Item[C] // neighbours among the idle: older, newer
}

// IdleSince returns when the connection was last given back.
func (it *Item[C]) IdleSince() time.Time { return it.since }

type waiter[C any] struct {
	pool  *Pool[C]
	key   int64
	seq   uint64
	grant chan grant[C] // buffered: the giver does not wait
}

type grant[C any] struct {
	item *Item[C]
	err  error
}

// Acquire lends a connection to key, at most limit of them at a time (no limit
// if it is 0). It prefers the one that was last given back for the same key,
// then the one that has been idle longest. If there is none and the budget
// allows, it lends an empty item that is Fresh: the caller dials, sets Conn and
// goes on, or discards the item.
//
// It waits until ctx is done, and then fails with its error; it fails with
// [ErrClosed] once the pool is closed.
func (p *Pool[C]) Acquire(ctx context.Context, key int64, limit int) (*Item[C], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g := p.group
	g.mu.Lock()
	if p.closed {
		g.mu.Unlock()
		return nil, ErrClosed
	}
	own := p.share(key)
	if limit > 0 && own.inUse >= limit {
		w := g.newWaiter(p, key)
		own.waiting = append(own.waiting, w)
		g.mu.Unlock()
		return p.wait(ctx, w)
	}
	own.inUse++
	item, ok := p.take(key)
	if !ok {
		w := g.newWaiter(p, key)
		g.line = append(g.line, w)
		g.mu.Unlock()
		return p.wait(ctx, w)
	}
	g.mu.Unlock()
	return item.evict(), nil
}

// Try is [Pool.Acquire] for callers who would rather not wait: it reports
// whether there was anything to lend at once.
func (p *Pool[C]) Try(key int64, limit int) (*Item[C], bool) {
	p.group.mu.Lock()
	own := p.share(key)
	if p.closed || limit > 0 && own.inUse >= limit {
		p.forget(key)
		p.group.mu.Unlock()
		return nil, false
	}
	item, ok := p.take(key)
	if ok {
		own.inUse++
	}
	p.forget(key)
	p.group.mu.Unlock()
	if !ok {
		return nil, false
	}
	return item.evict(), true
}

func (g *Group[C]) newWaiter(p *Pool[C], key int64) *waiter[C] {
	g.seq++
	p.waits++
	return &waiter[C]{pool: p, key: key, seq: g.seq, grant: make(chan grant[C], 1)}
}

// wait blocks until w is served or ctx is done.
func (p *Pool[C]) wait(ctx context.Context, w *waiter[C]) (*Item[C], error) {
	select {
	case got := <-w.grant:
		if got.item == nil {
			return nil, got.err
		}
		return got.item.evict(), got.err
	case <-ctx.Done():
	}
	g := p.group
	g.mu.Lock()
	if own := p.keys[w.key]; own != nil {
		if i := slices.Index(own.waiting, w); i >= 0 {
			own.waiting = slices.Delete(own.waiting, i, i+1)
			p.forget(w.key)
			g.mu.Unlock()
			return nil, ctx.Err()
		}
	}
	if i := slices.Index(g.line, w); i >= 0 {
		g.line = slices.Delete(g.line, i, i+1)
		p.leave(w.key)
		g.dispatch()
		g.mu.Unlock()
		return nil, ctx.Err()
	}
	g.mu.Unlock()
	// It was served in the same moment: give it back.
	if got := <-w.grant; got.item != nil {
		if got.item.Fresh {
			p.Discard(got.item)
		} else {
			p.Release(got.item, got.item.key)
		}
	}
	return nil, ctx.Err()
}

// take finds key a connection, or the right to dial one. The group's lock is
// held; the caller evicts whom the item takes the place of once it is free.
func (p *Pool[C]) take(key int64) (item *Item[C], ok bool) {
	if same := p.idle[key]; len(same) > 0 {
		p.hits++
		return p.lend(same[len(same)-1], key), true
	}
	if p.oldest != nil {
		p.switches++
		return p.lend(p.oldest, key), true
	}
	if p.total >= p.config.Max {
		return nil, false
	}
	victim, ok := p.group.room()
	if !ok {
		return nil, false
	}
	p.total++
	p.dials++
	p.group.seq++
	return &Item[C]{pool: p, victim: victim, Fresh: true, held: key, lent: p.group.seq}, true
}

func (p *Pool[C]) lend(it *Item[C], key int64) *Item[C] {
	p.unlink(it)
	p.group.seq++
	it.held, it.lent = key, p.group.seq
	return it
}

// Release gives a connection back, that belongs to key from now on; 0 is
// nobody's.
func (p *Pool[C]) Release(it *Item[C], key int64) {
	g := p.group
	g.mu.Lock()
	void := p.keys[it.held].dropped > it.lent
	p.leave(it.held)
	it.key, it.Fresh, it.since = key, false, g.clock()
	var dead, dropped []*Item[C]
	switch {
	case p.closed:
		dead = append(dead, p.retire(it))
	case void:
		dropped = append(dropped, it)
	default:
		p.link(it)
	}
	g.dispatch()
	g.mu.Unlock()
	closeAll(dead)
	clearAll(dropped)
}

// Discard takes a connection out of the pool and ends it, unless it was never
// dialled.
func (p *Pool[C]) Discard(it *Item[C]) {
	g := p.group
	g.mu.Lock()
	p.leave(it.held)
	var dead []*Item[C]
	switch {
	case !it.Fresh:
		dead = append(dead, p.retire(it))
	case it.victim != nil: // whose place is free once it is closed
		p.total--
		dead = append(dead, it.victim)
	default:
		p.total--
		g.used--
	}
	p.drained.Broadcast()
	g.dispatch()
	g.mu.Unlock()
	closeAll(dead)
}

// Dialled marks a fresh item's connection as made.
func (it *Item[C]) Dialled(conn C) { it.Conn, it.Fresh = conn, false }

// Close ends the idle connections, turns away who waits, and returns when all
// lent connections have been given back and every connection is closed.
// Closing twice is harmless.
func (p *Pool[C]) Close() {
	g := p.group
	g.mu.Lock()
	defer g.mu.Unlock()
	p.closed = true
	var dead []*Item[C]
	for p.oldest != nil {
		dead = append(dead, p.end(p.oldest))
	}
	// Who is over a cap first, so that nobody moves up from there.
	for key, own := range p.keys {
		for _, w := range own.waiting {
			w.grant <- grant[C]{err: ErrClosed}
		}
		own.waiting = nil
		p.forget(key)
	}
	g.line = slices.DeleteFunc(g.line, func(w *waiter[C]) bool {
		if w.pool == p {
			p.leave(w.key)
			w.grant <- grant[C]{err: ErrClosed}
		}
		return w.pool == p
	})
	closeAll(dead)
	g.dispatch()
	for p.total > 0 || p.closing > 0 {
		p.drained.Wait()
	}
	g.pools = slices.DeleteFunc(g.pools, func(other *Pool[C]) bool { return other == p })
}

// Stats returns the pool's counts.
func (p *Pool[C]) Stats() Stats {
	p.group.mu.Lock()
	defer p.group.mu.Unlock()
	s := p.stats()
	for _, w := range p.group.line {
		if w.pool == p {
			s.Waiting++
		}
	}
	return s
}

func (p *Pool[C]) stats() Stats {
	s := Stats{
		Open: p.total, Idle: p.idles, Hits: p.hits, Switches: p.switches,
		Dials: p.dials, Evictions: p.evictions, Waits: p.waits,
	}
	for _, own := range p.keys {
		s.Waiting += len(own.waiting)
	}
	return s
}
