package affinity_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/partywall/partywall/internal/affinity"
)

// crowd is many callers of a few pools, who check each other.
type crowd struct {
	*depot

	t       *testing.T
	budget  int
	callers int
	steps   int
	pools   []*affinity.Pool[*link]
	caps    func(key int64) int

	mu    sync.Mutex
	lent  map[*link]bool
	inUse map[use]int
	busy  int
}

// use is what a cap counts.
type use struct {
	pool int
	key  int64
}

// TestModel lets callers do everything at random, in a bubble: were a wake-up
// lost, all of them would wait in the end, and synctest says so.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			c := &crowd{
				depot: newDepot(6), t: t, budget: 6, callers: 24, steps: 150,
				caps: func(key int64) int { return int(key) % 4 }, // 0 is no cap
				lent: map[*link]bool{}, inUse: map[use]int{},
			}
			c.pools = []*affinity.Pool[*link]{c.pool(0), c.pool(2), c.pool(5), c.pool(0)}
			c.run(seed)
		})
	}
}

func (c *crowd) run(seed uint64) {
	defer func() {
		if c.t.Failed() {
			c.t.Logf("seed %d", seed)
		}
	}()
	var callers sync.WaitGroup
	for i := range c.callers {
		callers.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range c.steps {
				c.step(r)
			}
		})
	}
	callers.Wait()
	for _, p := range c.pools {
		p.Close()
	}
	if s := c.Stats(); s.Open != 0 || s.Idle != 0 || s.Waiting != 0 || c.busy != 0 {
		c.t.Errorf("in the end: %+v, %d lent", s, c.busy)
	}
	for _, l := range c.made {
		if !isClosed(l) {
			c.t.Errorf("connection %d was never closed", l.id)
		}
	}
}

// step is one caller doing one thing.
func (c *crowd) step(r *rand.Rand) {
	n := r.IntN(len(c.pools))
	p, key := c.pools[n], 1+r.Int64N(7)
	switch r.IntN(40) {
	case 0:
		p.Drop(key)
		return
	case 1:
		c.Sweep(c.tick())
		return
	case 2:
		c.checkCounts()
		return
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	if r.IntN(4) == 0 {
		go cancel() // some time before, while or after it waits
	}
	it, err := p.Acquire(ctx, key, c.caps(key))
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			c.t.Errorf("Acquire: %v", err)
		}
		return
	}
	if it.Fresh {
		if runtime.Gosched(); r.IntN(8) == 0 { // a dial takes time, and may fail
			p.Discard(it)
			return
		}
		it.Dialled(c.dial())
	}
	c.enter(it.Conn, use{n, key})
	for range r.IntN(4) {
		runtime.Gosched()
	}
	c.leave(it.Conn, use{n, key})
	switch r.IntN(8) {
	case 0:
		p.Discard(it)
	case 1:
		p.Release(it, 0)
	default:
		p.Release(it, key)
	}
}

func (c *crowd) enter(l *link, u use) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lent[l] {
		c.t.Errorf("connection %d was lent twice", l.id)
	}
	if isClosed(l) {
		c.t.Errorf("connection %d was lent after it was closed", l.id)
	}
	c.lent[l] = true
	c.busy++
	c.inUse[u]++
	if limit := c.caps(u.key); limit > 0 && c.inUse[u] > limit {
		c.t.Errorf("key %d has %d connections of a pool, its cap is %d", u.key, c.inUse[u], limit)
	}
	if c.busy > c.budget {
		c.t.Errorf("%d connections are lent, the budget is %d", c.busy, c.budget)
	}
}

func (c *crowd) leave(l *link, u use) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isClosed(l) {
		c.t.Errorf("connection %d was closed while it was lent", l.id)
	}
	delete(c.lent, l)
	c.busy--
	c.inUse[u]--
}

func (c *crowd) checkCounts() {
	s := c.Stats()
	if s.Open > c.budget || s.Idle > s.Open || s.Idle < 0 || s.Waiting < 0 || s.Waiting > c.callers {
		c.t.Errorf("Stats() = %+v with a budget of %d", s, c.budget)
	}
	for i, p := range c.pools {
		if s := p.Stats(); i == 1 && s.Open > 2 {
			c.t.Errorf("a pool of at most 2 has %d connections", s.Open)
		}
	}
}
