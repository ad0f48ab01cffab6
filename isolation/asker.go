package isolation

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// asker asks every node to give back the leases of tenants that are to be
// fenced, over and over until their fences stand: who comes in between two times
// stands in line behind whoever waits for the lock. One connection serves all.
// It may fail in silence, because who does not answer is ended.
type asker struct {
	server *server

	mu      sync.Mutex
	wanted  map[*ask]bool
	stop    func() // ends the asking; nil while nothing is wanted
	working sync.WaitGroup
}

// ask is one tenant's fence that is to go up.
type ask struct {
	number int64
	over   bool
}

// askDelay is how long a fence has to go up by itself before anybody is asked,
// and askPause how long until they are asked again.
const (
	askDelay = 2 * time.Millisecond
	askPause = 20 * time.Millisecond
)

// ask has nodes asked for a tenant's leases, in a moment, until enough is
// called. Most often nobody holds one.
func (a *asker) ask(ctx context.Context, number int64) (enough func()) {
	one := &ask{number: number}
	timer := time.AfterFunc(askDelay, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if one.over {
			return
		}
		a.wanted[one] = true
		if a.stop == nil {
			asking, stop := context.WithCancel(context.WithoutCancel(ctx)) // the next may want it longer
			a.stop = stop
			a.working.Go(func() { a.run(asking) })
		}
	})
	return func() {
		timer.Stop()
		a.mu.Lock()
		defer a.mu.Unlock()
		one.over = true
		delete(a.wanted, one)
		if len(a.wanted) == 0 && a.stop != nil {
			a.stop()
			a.stop = nil
		}
	}
}

// run asks until ctx is done.
func (a *asker) run(ctx context.Context) {
	err := a.server.spares.hurried(ctx, a.server.app.Database, func(conn *pgx.Conn) error {
		key, err := a.key(ctx, conn)
		if err != nil {
			return err
		}
		again := time.NewTicker(askPause)
		defer again.Stop()
		for {
			for _, number := range a.numbers() {
				a.server.drop(number)
				n := notice{number: number, expires: a.server.opts.Clock().Add(noticeLife).Unix()}
				if _, err := conn.Exec(ctx, `SELECT pg_notify($1, $2)`, drainChannel, n.write(key)); err != nil {
					return err
				}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-again.C:
			}
		}
	})
	if err != nil && ctx.Err() == nil {
		a.server.opts.Logger.DebugContext(ctx, "isolation: asking nodes to let tenants go", "server", a.server.name, "error", err)
	}
}

// key is what notices are signed with.
func (a *asker) key(ctx context.Context, conn *pgx.Conn) (Key, error) {
	if keys := a.server.config.Keys; len(keys) > 0 {
		return keys[0], nil
	}
	return newestKey(ctx, conn)
}

// numbers are the tenants that are asked for.
func (a *asker) numbers() (out []int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for one := range a.wanted {
		out = append(out, one.number)
	}
	return out
}
