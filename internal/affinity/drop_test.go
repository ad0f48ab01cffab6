package affinity_test

import (
	"testing"
	"testing/synctest"

	"github.com/partywall/partywall/internal/affinity"
)

// clearing is a pool whose connections can be made nobody's, each when it is
// said how that went.
func (d *depot) clearing() (p *affinity.Pool[*link], went chan bool) {
	went = make(chan bool)
	return d.NewPool(affinity.Config[*link]{
		Close: func(l *link) { close(l.closed) },
		Clear: func(*link) bool { return <-went },
	}), went
}

// TestDropClears drops a key whose connection is idle, and one whose connection
// is lent: nobody has it until it is nobody's, and then it serves others.
func TestDropClears(t *testing.T) {
	t.Parallel()
	for name, lent := range map[string]bool{"idle": false, "lent": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDepot(1)
				p, went := d.clearing()
				it := d.take(t, p, 1)
				first := it.Conn
				if lent {
					p.Drop(1)
					p.Release(it, 1)
				} else {
					p.Release(it, 1)
					p.Drop(1)
				}
				next := d.ask(t.Context(), p, 1, 0)
				synctest.Wait()
				if !pending(next) {
					t.Fatal("a connection is lent while it is being cleared")
				}
				went <- true
				got := <-next
				if got.err != nil || got.Conn != first || isClosed(first) {
					t.Fatalf("after clearing: %+v, closed %v", got, isClosed(first))
				}
				if s := p.Stats(); s.Hits != 0 || s.Switches != 1 || s.Dials != 1 {
					t.Errorf("Stats() = %+v: a cleared connection is still its last key's", s)
				}
				p.Release(got.item, 1)
				p.Close()
			})
		})
	}
}

// TestDropThatCannotClear closes the connection, and its place goes to who
// waits.
func TestDropThatCannotClear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(1)
		p, went := d.clearing()
		it := d.take(t, p, 1)
		first := it.Conn
		p.Release(it, 1)
		p.Drop(1)
		next := d.ask(t.Context(), p, 2, 0)
		synctest.Wait()
		went <- false
		got := <-next
		if got.err != nil || got.Conn == first || !isClosed(first) {
			t.Fatalf("after failing to clear: %+v, closed %v", got, isClosed(first))
		}
		p.Release(got.item, 2)
		p.Close()
	})
}

// TestCloseWaitsForClearing closes a pool while a connection is being cleared:
// it ends with the others.
func TestCloseWaitsForClearing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(1)
		p, went := d.clearing()
		it := d.take(t, p, 1)
		first := it.Conn
		p.Release(it, 1)
		p.Drop(1)
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Fatal("closed while a connection is being cleared")
		default:
		}
		went <- true
		<-closed
		if !isClosed(first) {
			t.Error("a connection has outlived its pool")
		}
		if s := d.Stats(); s.Open != 0 {
			t.Errorf("Stats() = %+v after closing", s)
		}
	})
}

// TestNoisyNeighbour has one key fill its cap, and many more of it wait: nobody
// else waits for any of them.
func TestNoisyNeighbour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const budget, most, crowd = 4, 2, 20
		d := newDepot(budget)
		p := d.pool(0)
		var noise []<-chan answer
		for range crowd {
			noise = append(noise, d.ask(t.Context(), p, 1, most))
		}
		synctest.Wait()
		if s := p.Stats(); s.Waiting != crowd-most {
			t.Fatalf("Stats() = %+v, want %d of the noisy key waiting", s, crowd-most)
		}
		before := p.Stats().Waits
		for key := range int64(100) {
			one, other := d.take(t, p, key+2), d.take(t, p, key+3) // neither may wait
			p.Release(one, key+2)
			p.Release(other, key+3)
		}
		if s := p.Stats(); s.Waits != before {
			t.Errorf("%d waited beside the noisy key", s.Waits-before)
		}
		for range crowd { // and all of the noisy key are served in the end
			for i, out := range noise {
				select {
				case got := <-out:
					p.Release(got.item, 1)
					noise = append(noise[:i], noise[i+1:]...)
				default:
					continue
				}
				break
			}
			synctest.Wait()
		}
		if len(noise) > 0 {
			t.Errorf("%d of the noisy key are never served", len(noise))
		}
		p.Close()
	})
}
