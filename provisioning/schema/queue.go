package schema

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// task is a place that has to be gone to.
type task struct {
	*site

	known    entry // what the catalog has of it
	attempts int   // that count
	waits    int   // for somebody else at work there
	took     time.Duration
	ran      []int64 // in all attempts
	settled  bool
}

// queue holds the tasks of one server. Each is in it at most once, so that
// nobody waits to put one back.
type queue struct {
	todo   chan *task
	left   atomic.Int64
	ended  chan struct{}
	end    sync.Once
	misses atomic.Int64 // failures to connect since the last success
}

func newQueue(tasks []*task) *queue {
	q := &queue{todo: make(chan *task, len(tasks)), ended: make(chan struct{})}
	q.left.Store(int64(len(tasks)))
	for _, t := range tasks {
		q.todo <- t
	}
	return q
}

// next returns a task, nil when there are no more or ctx has ended.
func (q *queue) next(ctx context.Context) *task {
	if ctx.Err() != nil {
		return nil
	}
	select {
	case t := <-q.todo:
		return t
	case <-q.ended:
	case <-ctx.Done():
	}
	return nil
}

// again puts a task back after a while.
func (q *queue) again(t *task, after time.Duration) { time.AfterFunc(after, func() { q.todo <- t }) }

// done takes a task off for good.
func (q *queue) done() {
	if q.left.Add(-1) == 0 {
		q.end.Do(func() { close(q.ended) })
	}
}

// byServer sorts tasks by where they are.
func byServer(tasks []*task) map[string][]*task {
	sorted := map[string][]*task{}
	for _, t := range tasks {
		sorted[t.Server] = append(sorted[t.Server], t)
	}
	return sorted
}
