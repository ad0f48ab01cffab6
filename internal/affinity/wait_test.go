package affinity_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/partywall/partywall/internal/affinity"
)

func TestFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(1)
		p, q := d.pool(0), d.pool(0)
		held, from := d.take(t, p, 1), p
		var line []<-chan answer
		for i := range 10 {
			to := []*affinity.Pool[*link]{p, q}[i%2]
			line = append(line, d.ask(t.Context(), to, int64(i%3), 0))
			synctest.Wait() // in line before the next one comes
		}
		for i, out := range line {
			from.Release(held, 1)
			synctest.Wait()
			for j, later := range line[i+1:] {
				if !pending(later) {
					t.Fatalf("caller %d was served before caller %d", i+1+j, i)
				}
			}
			got := <-out
			held, from = got.item, []*affinity.Pool[*link]{p, q}[i%2]
		}
		from.Release(held, 1)
	})
}

// Who waits at a cap has its place in line by when it came, not by when the
// cap let it in.
func TestWaitingAtACapKeepsThePlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(2)
		p := d.pool(0)
		mine, other := d.take(t, p, 1), d.take(t, p, 2)
		early := d.ask(t.Context(), p, 1, 1) // at its cap
		synctest.Wait()
		late := d.ask(t.Context(), p, 3, 0) // in line
		synctest.Wait()
		p.Release(mine, 1)
		synctest.Wait()
		if pending(early) || !pending(late) {
			t.Fatal("who came later was served first")
		}
		p.Release(other, 2)
		p.Release((<-late).item, 3)
		p.Release((<-early).item, 1)
	})
}

func TestDialFailureWakesTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(1)
		p, q := d.pool(0), d.pool(0)
		fresh, err := p.Acquire(t.Context(), 1, 1)
		if err != nil || !fresh.Fresh || fresh.Conn != nil {
			t.Fatalf("Acquire = %+v, %v, want an empty item", fresh, err)
		}
		capped, inLine := d.ask(t.Context(), p, 1, 1), d.ask(t.Context(), q, 1, 0)
		synctest.Wait()
		if !pending(capped) || !pending(inLine) {
			t.Fatal("a slot that is being dialled was given away")
		}
		p.Discard(fresh)
		synctest.Wait()
		if pending(capped) == pending(inLine) {
			t.Fatal("a dial that failed woke nobody, or two")
		}
		for range 2 { // whoever was first
			select {
			case got := <-capped:
				p.Release(got.item, 1)
			case got := <-inLine:
				q.Release(got.item, 1)
			}
		}
	})
}

func TestCancelledBeforeItBegan(t *testing.T) {
	t.Parallel()
	d := newDepot(1)
	p := d.pool(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Acquire(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire = %v, want Canceled", err)
	}
	assertWhole(t, d, p, 1)
}

func TestCancelledAtACap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(2)
		p := d.pool(0)
		held := d.take(t, p, 1)
		ctx, cancel := context.WithCancel(t.Context())
		quits := d.ask(ctx, p, 1, 1)
		synctest.Wait()
		stays := d.ask(t.Context(), p, 1, 1)
		synctest.Wait()
		cancel()
		if got := <-quits; !errors.Is(got.err, context.Canceled) {
			t.Errorf("got %v, want Canceled", got.err)
		}
		synctest.Wait()
		if !pending(stays) {
			t.Error("who gave up made room that it never had")
		}
		p.Release(held, 1)
		p.Release((<-stays).item, 1)
		assertWhole(t, d, p, 2)
	})
}

func TestCancelledInLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(1)
		p := d.pool(0)
		held := d.take(t, p, 1)
		ctx, cancel := context.WithCancel(t.Context())
		quits := d.ask(ctx, p, 2, 1) // counts towards the cap of key 2
		synctest.Wait()
		stays := d.ask(t.Context(), p, 2, 1)
		synctest.Wait()
		cancel()
		if got := <-quits; !errors.Is(got.err, context.Canceled) {
			t.Errorf("got %v, want Canceled", got.err)
		}
		synctest.Wait()
		p.Release(held, 1)
		if got := <-stays; got.err != nil { // the cap was given back
			t.Error(got.err)
		} else {
			p.Release(got.item, 2)
		}
		assertWhole(t, d, p, 1)
	})
}

// A caller that was served in the moment it gave up hands on what it got. The
// runtime tosses a coin over which it sees first, so this takes some rounds.
func TestCancelledWhileBeingServed(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(*affinity.Pool[*link], *item){
		"with a connection": func(p *affinity.Pool[*link], it *item) { p.Release(it, 1) },
		"with the right to one": func(p *affinity.Pool[*link], it *item) {
			it.Fresh = true // as if it had never been dialled: nothing has to be closed first
			p.Discard(it)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var gaveUp, got int
			for range 64 {
				d := newDepot(1)
				p := d.pool(0)
				held := d.take(t, p, 1)
				it, err := p.Acquire(&race{Context: t.Context(), serve: func() { serve(p, held) }}, 2, 1)
				if err == nil {
					got++
					p.Discard(it)
				} else if gaveUp++; !errors.Is(err, context.Canceled) {
					t.Fatalf("Acquire = %v, want Canceled", err)
				}
				assertWhole(t, d, p, 1)
			}
			if gaveUp == 0 || got == 0 {
				t.Errorf("gave up %d times, got one %d times: one of the ways was not taken", gaveUp, got)
			}
		})
	}
}

// assertWhole proves that everything that a pool may lend can be lent, at
// once and to one key: nothing was lost on the way here.
func assertWhole(t *testing.T, d *depot, p *affinity.Pool[*link], budget int) {
	t.Helper()
	var held []*item
	for range budget {
		got := <-d.ask(t.Context(), p, 2, 0) // what is being closed still has its place
		if got.err != nil {
			t.Fatal(got.err)
		}
		held = append(held, got.item)
	}
	if s := d.Stats(); s.Open != budget || s.Waiting != 0 {
		t.Errorf("Stats() = %+v, want %d open and nobody waiting", s, budget)
	}
	for _, it := range held {
		p.Release(it, 2)
	}
	if it, err := p.Acquire(&race{Context: t.Context()}, 1, 1); err != nil {
		t.Errorf("a key with nothing lent is at its cap: %v", err)
	} else {
		p.Release(it, 1)
	}
}
