package affinity_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/partywall/partywall/internal/affinity"
)

// house is callers who act one at a time, so that after each step it is certain
// who ought to wait, and for what.
type house struct {
	*depot

	t       *testing.T
	budget  int
	max     []int
	pools   []*affinity.Pool[*link]
	caps    []int
	waiting []*caller // in the order in which they came
	holding []*caller
}

type caller struct {
	pool, key int
	out       <-chan answer
	cancel    context.CancelFunc
	item      *item
}

// TestNobodyStarves holds the pools to two rules. Nobody waits who could be
// served. Nobody is served before somebody who came earlier, unless that one
// is kept by a cap of its own.
func TestNobodyStarves(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			h := &house{depot: newDepot(5), t: t, budget: 5, max: []int{5, 2, 3}, caps: []int{0, 1, 2, 3}}
			for _, limit := range h.max {
				h.pools = append(h.pools, h.pool(limit))
			}
			r := rand.New(rand.NewPCG(seed, 0))
			for n := 0; n < 400 && !t.Failed(); n++ {
				h.act(r)
				synctest.Wait()
				h.check()
			}
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
			h.goHome()
		})
	}
}

func (h *house) act(r *rand.Rand) {
	switch n := r.IntN(20); {
	case n < 9:
		ctx, cancel := context.WithCancel(h.t.Context())
		c := &caller{pool: r.IntN(len(h.pools)), key: r.IntN(len(h.caps)), cancel: cancel}
		c.out = h.ask(ctx, h.pools[c.pool], int64(c.key)+1, h.caps[c.key])
		h.waiting = append(h.waiting, c)
	case n < 17 && len(h.holding) > 0:
		i := r.IntN(len(h.holding))
		c := h.holding[i]
		h.holding = slices.Delete(h.holding, i, i+1)
		if n == 9 {
			h.pools[c.pool].Discard(c.item)
		} else {
			h.pools[c.pool].Release(c.item, int64(c.key)+1)
		}
	case n < 18 && len(h.waiting) > 0:
		h.waiting[r.IntN(len(h.waiting))].cancel()
	case n < 19:
		h.pools[r.IntN(len(h.pools))].Drop(1 + r.Int64N(int64(len(h.caps))))
	default:
		h.Sweep(h.tick())
	}
}

// check sorts out who was served, and whether that is right.
func (h *house) check() {
	var pending []*caller
	for _, c := range h.waiting {
		select {
		case got := <-c.out:
			if got.err != nil {
				continue // cancelled
			}
			c.item = got.item
			h.holding = append(h.holding, c)
			for _, earlier := range pending {
				defer func() {
					if !h.kept(earlier, pending) {
						h.t.Errorf("%v was served before %v, who came earlier", c.name(), earlier.name())
					}
				}()
			}
		default:
			pending = append(pending, c)
		}
	}
	h.waiting = pending
	all := h.Stats()
	if all.Open > h.budget || all.Waiting != len(pending) || all.Open-all.Idle != len(h.holding) {
		h.t.Errorf("Stats() = %+v with a budget of %d, %d waiting, %d lent", all, h.budget, len(pending), len(h.holding))
	}
	for _, c := range pending {
		own := h.pools[c.pool].Stats()
		if (own.Idle > 0 || all.Idle > 0 || all.Open < h.budget) && !h.kept(c, pending) {
			h.t.Errorf("%v waits and need not: %+v of %+v", c.name(), own, all)
		}
	}
}

func (c *caller) name() [2]int { return [2]int{c.pool, c.key} }

// kept reports whether c waits for something that others do not wait for: its
// key's cap, or a place in its pool.
func (h *house) kept(c *caller, pending []*caller) bool {
	ahead := 0
	for _, other := range h.holding {
		if other.name() == c.name() {
			ahead++
		}
	}
	for _, other := range pending {
		if other == c {
			break
		}
		if other.name() == c.name() {
			ahead++
		}
	}
	limit, own := h.caps[c.key], h.pools[c.pool].Stats()
	return limit > 0 && ahead >= limit || own.Idle == 0 && own.Open >= h.max[c.pool]
}

func (h *house) goHome() {
	for _, c := range h.waiting {
		c.cancel()
	}
	synctest.Wait()
	h.check()
	for _, c := range h.holding {
		h.pools[c.pool].Release(c.item, 0)
	}
	for _, p := range h.pools {
		p.Close()
	}
	if s := h.Stats(); s.Open != 0 || s.Waiting != 0 {
		h.t.Errorf("in the end: %+v", s)
	}
}
