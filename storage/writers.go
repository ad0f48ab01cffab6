package storage

import (
	"context"
	"slices"
	"sync"

	"github.com/partywall/partywall/tenant"
)

// writers knows for which tenants files are taking their place, or leaving it,
// in this process, so that whoever counts or moves a tenant can wait for that
// and hold others back. Who only has a file open is not among them: nobody can
// say for how long. The zero value is ready.
type writers struct {
	mu    sync.Mutex
	gates map[tenant.ID]*gate
}

type gate struct {
	inside, waiting int
	shut            bool
	changed         chan struct{} // closed, and replaced, when any of these changes
}

// with runs fn on a tenant's gate with the lock held, and forgets a gate that
// nobody uses.
func (w *writers) with(id tenant.ID, fn func(*gate)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates == nil {
		w.gates = map[tenant.ID]*gate{}
	}
	g := w.gates[id]
	if g == nil {
		g = &gate{changed: make(chan struct{})}
		w.gates[id] = g
	}
	fn(g)
	if g.inside == 0 && g.waiting == 0 && !g.shut {
		delete(w.gates, id)
	}
}

// tell wakes who waits for a change. The lock is held.
func (g *gate) tell() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// await waits until try succeeds, which is called with the lock held.
func (w *writers) await(ctx context.Context, id tenant.ID, try func(*gate) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	waited := false
	for {
		var (
			done    bool
			changed chan struct{}
		)
		w.with(id, func(g *gate) {
			if waited {
				g.waiting--
			}
			if done = try(g); !done {
				g.waiting++
				changed = g.changed
			}
		})
		if done {
			return nil
		}
		waited = true
		select {
		case <-changed:
		case <-ctx.Done():
			w.with(id, func(g *gate) { g.waiting-- })
			return ctx.Err()
		}
	}
}

// enter lets a writer in, once the gate is open.
func (w *writers) enter(ctx context.Context, id tenant.ID) error {
	return w.await(ctx, id, func(g *gate) bool {
		if !g.shut {
			g.inside++
		}
		return !g.shut
	})
}

// leave is the end of a writer that was let in.
func (w *writers) leave(id tenant.ID) {
	w.with(id, func(g *gate) {
		g.inside--
		g.tell()
	})
}

// shut closes the gate, waits for all writers inside, and returns what opens
// it again. Only one caller has it shut at a time.
func (w *writers) shut(ctx context.Context, id tenant.ID) (reopen func(), err error) {
	err = w.await(ctx, id, func(g *gate) bool {
		mine := !g.shut
		g.shut = true
		return mine
	})
	if err != nil {
		return nil, err
	}
	reopen = func() {
		w.with(id, func(g *gate) {
			g.shut = false
			g.tell()
		})
	}
	if err := w.await(ctx, id, func(g *gate) bool { return g.inside == 0 }); err != nil {
		reopen()
		return nil, err
	}
	return reopen, nil
}

// locks are locks by name. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*named
}

type named struct {
	sync.Mutex

	name  string
	users int
}

// lock waits for all names that are not empty, and returns what gives them back.
// They are taken in one order, whoever asks.
func (l *locks) lock(names ...string) (unlock func()) {
	slices.Sort(names)
	var held []*named
	for _, name := range slices.Compact(names) {
		if name != "" {
			held = append(held, l.take(name))
		}
	}
	return func() {
		for _, n := range held {
			n.Unlock()
		}
		l.forget(held)
	}
}

// take waits for one name.
func (l *locks) take(name string) *named {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*named{}
	}
	n := l.held[name]
	if n == nil {
		n = &named{name: name}
		l.held[name] = n
	}
	n.users++
	l.mu.Unlock()
	n.Lock()
	return n
}

// forget drops the names that nobody waits for.
func (l *locks) forget(held []*named) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range held {
		if n.users--; n.users == 0 {
			delete(l.held, n.name)
		}
	}
}
