package affinity_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/partywall/partywall/internal/affinity"
)

func TestPrefersTheConnectionOfTheKey(t *testing.T) {
	t.Parallel()
	d := newDepot(4)
	p := d.pool(0)
	one, two, three := d.take(t, p, 1), d.take(t, p, 2), d.take(t, p, 1)
	first, newest := one.Conn, three.Conn
	p.Release(one, 1)
	p.Release(two, 2)
	p.Release(three, 1)

	got := d.take(t, p, 1)
	if got.Conn != newest {
		t.Errorf("key 1 got connection %d, want %d, the one it used last", got.Conn.id, newest.id)
	}
	if again := d.take(t, p, 1); again.Conn != first {
		t.Errorf("key 1 got connection %d, want %d, its other one", again.Conn.id, first.id)
	}
	if s := p.Stats(); s.Hits != 2 || s.Switches != 0 || s.Dials != 3 {
		t.Errorf("Stats() = %+v, want 2 hits and 3 dials", s)
	}
}

func TestTakesOverTheLongestIdle(t *testing.T) {
	t.Parallel()
	d := newDepot(3)
	p := d.pool(0)
	one, two, three := d.take(t, p, 1), d.take(t, p, 2), d.take(t, p, 3)
	p.Release(two, 2)
	p.Release(one, 1)
	p.Release(three, 3)
	for _, want := range []*link{two.Conn, one.Conn, three.Conn} {
		if got := d.take(t, p, 9); got.Conn != want {
			t.Errorf("key 9 got connection %d, want %d", got.Conn.id, want.id)
		}
	}
	if s := p.Stats(); s.Switches != 3 {
		t.Errorf("Stats() = %+v, want 3 switches", s)
	}
}

// A connection is whose the last user says it is: one that went through its
// hands without being bound is nobody's.
func TestReleaseSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	d := newDepot(2)
	p := d.pool(0)
	one, two := d.take(t, p, 1), d.take(t, p, 1)
	nobodys, mine := one.Conn, two.Conn
	p.Release(two, 1)
	p.Release(one, 0)
	if got := d.take(t, p, 1); got.Conn != mine {
		t.Errorf("key 1 got connection %d, want %d", got.Conn.id, mine.id)
	}
	if got := d.take(t, p, 1); got.Conn != nobodys {
		t.Errorf("key 1 got connection %d, want %d", got.Conn.id, nobodys.id)
	}
	if s := p.Stats(); s.Hits != 1 || s.Switches != 1 {
		t.Errorf("Stats() = %+v, want a hit and a switch", s)
	}
}

func TestDropEndsIdleConnectionsOfTheKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(4)
		p := d.pool(0)
		busy, idle, other := d.take(t, p, 1), d.take(t, p, 1), d.take(t, p, 2)
		p.Release(idle, 1)
		p.Release(other, 2)
		p.Drop(1)
		synctest.Wait()
		if !isClosed(idle.Conn) || isClosed(busy.Conn) || isClosed(other.Conn) {
			t.Errorf("closed: idle %v, busy %v, another key's %v; want only the idle one",
				isClosed(idle.Conn), isClosed(busy.Conn), isClosed(other.Conn))
		}
		if s := p.Stats(); s.Open != 2 || s.Idle != 1 {
			t.Errorf("Stats() = %+v, want 2 open, 1 idle", s)
		}
	})
}

func TestSweepEndsWhatIsIdleForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(4)
		p, q := d.pool(0), d.pool(0)
		old, busy, elsewhere, young := d.take(t, p, 1), d.take(t, p, 1), d.take(t, q, 1), d.take(t, p, 1)
		p.Release(old, 1)
		q.Release(elsewhere, 1)
		border := d.tick()
		p.Release(young, 1)
		d.Sweep(border)
		synctest.Wait()
		if !isClosed(old.Conn) || !isClosed(elsewhere.Conn) || isClosed(young.Conn) || isClosed(busy.Conn) {
			t.Error("Sweep did not end exactly what had been idle since before the border")
		}
		if s := d.Stats(); s.Open != 2 || s.Idle != 1 || s.Evictions != 0 {
			t.Errorf("Stats() = %+v, want 2 open, 1 idle, no evictions", s)
		}
		p.Release(busy, 1)
	})
}

func TestDiscardEndsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(1)
		p := d.pool(0)
		bad := d.take(t, p, 1)
		p.Discard(bad)
		synctest.Wait()
		if !isClosed(bad.Conn) {
			t.Error("the connection was not closed")
		}
		if got := d.take(t, p, 1); got.Conn == bad.Conn {
			t.Error("the connection came back")
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(3)
		p := d.pool(0)
		busy, idle, capped := d.take(t, p, 1), d.take(t, p, 2), d.take(t, p, 3)
		p.Release(idle, 2)
		over := d.ask(t.Context(), p, 3, 1)
		more := d.take(t, p, 4) // takes over the idle one
		inLine := d.ask(t.Context(), p, 5, 0)
		synctest.Wait()

		closed := make(chan struct{})
		go func() {
			p.Close()
			close(closed)
		}()
		synctest.Wait()
		for name, out := range map[string]<-chan answer{"over its cap": over, "in line": inLine} {
			if got := <-out; !errors.Is(got.err, affinity.ErrClosed) {
				t.Errorf("who was %s got %v, want ErrClosed", name, got.err)
			}
		}
		if _, err := p.Acquire(t.Context(), 1, 0); !errors.Is(err, affinity.ErrClosed) {
			t.Errorf("Acquire after Close = %v, want ErrClosed", err)
		}
		p.Release(busy, 1)
		p.Discard(capped)
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned while a connection was lent")
		default:
		}
		p.Release(more, 4)
		<-closed
		for _, l := range d.made {
			if !isClosed(l) {
				t.Errorf("Close returned before connection %d was closed", l.id)
			}
		}
		p.Close() // harmless
		if s := d.Stats(); s.Open != 0 || s.Waiting != 0 {
			t.Errorf("Stats() = %+v, want nothing open and nobody waiting", s)
		}
	})
}

// What a closed pool gives back to the budget serves the others.
func TestCloseMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(1)
		p, q := d.pool(0), d.pool(0)
		last := d.take(t, p, 1)
		waiting := d.ask(t.Context(), q, 1, 0)
		synctest.Wait()
		go p.Close()
		synctest.Wait()
		if !pending(waiting) {
			t.Fatal("a busy connection made room")
		}
		p.Release(last, 1)
		if got := <-waiting; got.err != nil {
			t.Error(got.err)
		} else {
			q.Release(got.item, 1)
		}
	})
}
