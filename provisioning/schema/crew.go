package schema

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// job is something that is done in many places.
type job struct {
	// arrive is called with a connection, and returns what does a task on it
	// and what is called when the connection has done its last one.
	arrive func(conn *pgx.Conn) (do func(q *queue, t *task), leave func(), err error)
	// missed is called for a task that no connection could be had for.
	missed func(q *queue, t *task, err error)
}

// crew does a job in all places of some tasks, with some workers on each server,
// and returns when every queue has ended, or ctx.
func (f *Fleet) crew(ctx context.Context, tasks []*task, j job) {
	var working sync.WaitGroup
	for _, list := range byServer(tasks) {
		q := newQueue(list)
		for range min(f.opts.Workers, len(list)) {
			working.Go(func() {
				for t := q.next(ctx); t != nil; {
					t = f.stay(ctx, q, t, j)
				}
			})
		}
	}
	working.Wait()
}

// stay connects to the database of a task, does it and those after it that are
// in the same database, and returns the next one.
func (f *Fleet) stay(ctx context.Context, q *queue, t *task, j job) (next *task) {
	if f.unreachable(q) {
		j.missed(q, t, fmt.Errorf("%w: %q", errUnreachable, t.Server))
		return q.next(ctx)
	}
	err := f.places.AtPlace(ctx, t.Target, func(conn *pgx.Conn) error {
		q.misses.Store(0)
		do, leave, err := j.arrive(conn)
		if err != nil {
			return err
		}
		defer leave()
		for database := t.Database; t != nil && t.Database == database; t = q.next(ctx) {
			do(q, t)
			if conn.IsClosed() {
				t = nil
				return nil
			}
		}
		next, t = t, nil
		return nil
	})
	if t != nil { // nobody has been there
		if lost(err) {
			q.misses.Add(1)
		}
		j.missed(q, t, err)
	}
	if next == nil {
		next = q.next(ctx)
	}
	return next
}

// unreachable reports whether so many connections to a server have failed in a
// row that nobody needs to wait for another one.
func (f *Fleet) unreachable(q *queue) bool {
	return q.misses.Load() >= int64(f.opts.Attempts*f.opts.Workers)
}

var errUnreachable = errors.New("schema: the server does not answer")
