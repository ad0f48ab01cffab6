package affinity_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/affinity"
)

// link stands for a connection.
type link struct {
	id     int
	closed chan struct{} // closed with the link
}

// depot makes the links of a test, and the pools that lend them.
type depot struct {
	*affinity.Group[*link]

	mu   sync.Mutex
	made []*link
	now  time.Time
}

func newDepot(budget int) *depot {
	d := &depot{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	d.Group = affinity.NewGroup[*link](budget, d.tick)
	return d
}

// tick is a clock on which no two readings are the same, so that the order of
// idle connections is certain.
func (d *depot) tick() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(time.Second)
	return d.now
}

func (d *depot) pool(limit int) *affinity.Pool[*link] {
	return d.NewPool(affinity.Config[*link]{Max: limit, Close: func(l *link) { close(l.closed) }})
}

func (d *depot) dial() *link {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := &link{id: len(d.made) + 1, closed: make(chan struct{})}
	d.made = append(d.made, l)
	return l
}

type item = affinity.Item[*link]

// take lends a connection that must be there without waiting.
func (d *depot) take(t testing.TB, p *affinity.Pool[*link], key int64) *item {
	t.Helper()
	it, err := p.Acquire(&race{Context: t.Context()}, key, 0)
	if err != nil {
		t.Fatalf("Acquire(%d) has to wait", key)
	}
	if it.Fresh {
		it.Dialled(d.dial())
	}
	return it
}

// race is a context that ends as soon as somebody waits for it, which is
// between joining a line and being served; serve runs just before.
type race struct {
	context.Context

	serve func()
	ended bool
}

func (r *race) Done() <-chan struct{} {
	if !r.ended && r.serve != nil {
		r.serve()
	}
	r.ended = true
	done := make(chan struct{})
	close(done)
	return done
}

func (r *race) Err() error {
	if r.ended {
		return context.Canceled
	}
	return nil
}

// answer is what an Acquire came back with.
type answer struct {
	*item

	key int64
	err error
}

// ask acquires in a goroutine of its own, and sends what comes of it.
func (d *depot) ask(ctx context.Context, p *affinity.Pool[*link], key int64, limit int) <-chan answer {
	out := make(chan answer, 1)
	go func() {
		it, err := p.Acquire(ctx, key, limit)
		if err == nil && it.Fresh {
			it.Dialled(d.dial())
		}
		out <- answer{it, key, err}
	}()
	return out
}

// pending reports whether nothing has come yet. It is for after synctest.Wait.
func pending(out <-chan answer) bool { return len(out) == 0 }

func isClosed(l *link) bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}
