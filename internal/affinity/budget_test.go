package affinity_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partywall/partywall/internal/affinity"
)

func TestBudgetEvictsTheLongestIdleOfAllPools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(3)
		p, q, r := d.pool(0), d.pool(0), d.pool(0)
		inP, inQ, busy := d.take(t, p, 1), d.take(t, q, 1), d.take(t, q, 2)
		q.Release(inQ, 1)
		p.Release(inP, 1)

		d.take(t, r, 1)
		synctest.Wait()
		if !isClosed(inQ.Conn) || isClosed(inP.Conn) {
			t.Errorf("closed: longest idle %v, other idle %v; want only the first", isClosed(inQ.Conn), isClosed(inP.Conn))
		}
		d.take(t, r, 1)
		synctest.Wait()
		if !isClosed(inP.Conn) || isClosed(busy.Conn) {
			t.Errorf("closed: idle %v, busy %v; want only the first", isClosed(inP.Conn), isClosed(busy.Conn))
		}
		if s := d.Stats(); s.Open != 3 || s.Evictions != 2 || s.Dials != 5 {
			t.Errorf("Stats() = %+v, want 3 open, 2 evictions, 5 dials", s)
		}
		if s := q.Stats(); s.Evictions != 1 {
			t.Errorf("the pool that lost a connection counts %d evictions, want 1", s.Evictions)
		}
	})
}

// With nothing idle, the next one waits, however many pools there are.
func TestBudgetNeverEvictsABusyConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(2)
		p, q := d.pool(0), d.pool(0)
		one, two := d.take(t, p, 1), d.take(t, p, 2)
		waiting := d.ask(t.Context(), q, 1, 0)
		synctest.Wait()
		if !pending(waiting) || isClosed(one.Conn) || isClosed(two.Conn) {
			t.Fatal("a busy connection was ended for somebody else")
		}
		if s := d.Stats(); s.Open != 2 || s.Waiting != 1 {
			t.Errorf("Stats() = %+v, want 2 open, 1 waiting", s)
		}
		p.Release(one, 1)
		got := <-waiting
		synctest.Wait()
		if got.err != nil || !isClosed(one.Conn) || isClosed(two.Conn) {
			t.Errorf("after a release: %v; closed: released %v, busy %v", got.err, isClosed(one.Conn), isClosed(two.Conn))
		}
		q.Release(got.item, 1)
		p.Release(two, 2)
	})
}

func TestPoolMax(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(4)
		p, q := d.pool(1), d.pool(0)
		only := d.take(t, p, 1)
		waiting := d.ask(t.Context(), p, 2, 0)
		synctest.Wait()
		if !pending(waiting) {
			t.Error("the pool went over its own maximum")
		}
		// Who waits for a full pool does not hold up the others, who come later.
		q.Release(d.take(t, q, 1), 1)
		p.Release(only, 1)
		got := <-waiting
		if got.err != nil || got.Conn != only.Conn {
			t.Errorf("got %+v, want the pool's only connection", got)
		}
		p.Release(got.item, 2)
	})
}

// Who is at its cap waits, while connections are idle and others take them.
func TestKeyCap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(8)
		p := d.pool(0)
		var held []*item
		for range 2 {
			got := <-d.ask(t.Context(), p, 1, 2)
			held = append(held, got.item)
		}
		third := d.ask(t.Context(), p, 1, 2)
		fourth := d.ask(t.Context(), p, 1, 2)
		synctest.Wait()
		if !pending(third) || !pending(fourth) {
			t.Fatal("key 1 went over its cap of 2")
		}
		if s := p.Stats(); s.Waiting != 2 {
			t.Errorf("Stats() = %+v, want 2 waiting", s)
		}
		other := d.take(t, p, 2)
		p.Release(held[0], 1)
		synctest.Wait()
		if pending(third) == pending(fourth) {
			t.Fatal("one release let in none, or both")
		}
		p.Discard(held[1])
		p.Release((<-third).item, 1)
		p.Release((<-fourth).item, 1)
		p.Release(other, 2)
	})
}

// A key without a cap of its own is bound by the pool alone.
func TestNoKeyCap(t *testing.T) {
	t.Parallel()
	d := newDepot(5)
	p := d.pool(0)
	for range 5 {
		d.take(t, p, 1)
	}
	if s := p.Stats(); s.Open != 5 {
		t.Errorf("Stats() = %+v, want 5 open", s)
	}
}

func TestBudgetIsAtLeastOne(t *testing.T) {
	t.Parallel()
	d := &depot{}
	d.Group = affinity.NewGroup[*link](0, d.tick)
	d.take(t, d.pool(-1), 1)
}

// TestServerNeverHasMore counts connections as a server does, which has one
// until it has let it go: the budget holds for those too, whoever is evicted,
// discarded, dropped or swept.
func TestServerNeverHasMore(t *testing.T) {
	t.Parallel()
	const budget, workers, rounds = 3, 8, 300
	var open, most atomic.Int64
	gone := func(*link) {
		time.Sleep(time.Millisecond / 4) // what it takes a server to notice
		open.Add(-1)
	}
	g := affinity.NewGroup[*link](budget, time.Now)
	var pools []*affinity.Pool[*link]
	for range 5 {
		pools = append(pools, g.NewPool(affinity.Config[*link]{Close: gone}))
	}
	var working sync.WaitGroup
	for w := range workers {
		working.Go(func() {
			for i := range rounds {
				p := pools[(w+i)%len(pools)]
				it, err := p.Acquire(t.Context(), int64(i%7), 0)
				if err != nil {
					t.Error(err)
					return
				}
				if it.Fresh {
					most.Store(max(most.Load(), open.Add(1)))
					it.Dialled(&link{})
				}
				switch i % 11 {
				case 3:
					p.Discard(it)
				case 5:
					p.Drop(int64(i % 7))
					fallthrough
				default:
					p.Release(it, int64(i%7))
				}
				if i%13 == 0 {
					g.Sweep(time.Now())
				}
			}
		})
	}
	working.Wait()
	for _, p := range pools {
		p.Close()
	}
	if most.Load() > budget || open.Load() != 0 {
		t.Errorf("%d at once with a budget of %d, %d are left", most.Load(), budget, open.Load())
	}
}
