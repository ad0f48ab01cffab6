package provisioning

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// worker works on operations of one process.
type worker struct {
	engine *Engine

	ctx       context.Context // of all steps
	interrupt context.CancelCauseFunc
	slots     chan struct{}
	kicks     chan struct{} // there may be something to do
	notices   chan struct{} // there may be something to tell
	claims    chan struct{} // the stock may have become smaller
	stopping  chan struct{}
	looking   sync.WaitGroup
	loops     sync.WaitGroup
	running   sync.WaitGroup

	mu   sync.Mutex
	held map[ID]*execution
}

func newWorker(e *Engine) *worker {
	w := &worker{
		engine: e, slots: make(chan struct{}, max(e.opts.Workers, 0)), kicks: make(chan struct{}, 1), notices: make(chan struct{}, 1), claims: make(chan struct{}, 1),
		stopping: make(chan struct{}), held: map[ID]*execution{},
	}
	w.ctx, w.interrupt = context.WithCancelCause(context.Background())
	return w
}

func (w *worker) start() {
	w.looking.Go(w.look)
	w.loops.Go(w.renew)
	if w.engine.opts.Publisher != nil {
		w.loops.Go(w.publish)
	}
	if l := w.engine.lifecycle; l != nil && l.Stock != nil && cap(w.slots) > 0 {
		w.loops.Go(w.keepStock)
	}
}

func (w *worker) stop(ctx context.Context) error {
	close(w.stopping)
	done := make(chan struct{})
	go func() {
		w.looking.Wait() // it may be taking one more, which goes back at once
		w.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		w.interrupt(ErrStopping)
		<-done
	}
	w.interrupt(ErrStopping)
	w.loops.Wait()
	return err
}

// offer says that there may be something to do. The operation itself does not
// matter: whatever is due first is taken.
func (w *worker) offer(ID) {
	kick(w.kicks)
}

// kick says something that may have been said already.
func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// look takes operations that are due, whenever there is word of one, and from
// time to time.
func (w *worker) look() {
	sweep := time.NewTicker(w.engine.opts.Sweep)
	defer sweep.Stop()
	for {
		w.takeAll()
		select {
		case <-w.stopping:
			return
		case <-w.kicks:
		case <-sweep.C:
		}
	}
}

// takeAll takes as many operations as there are, or as it has slots for.
func (w *worker) takeAll() {
	for !w.ending() {
		select {
		case w.slots <- struct{}{}:
		default:
			return // who leaves a slot kicks
		}
		x, err := w.take()
		if err != nil {
			<-w.slots
			if !errors.Is(err, errIdle) && w.ctx.Err() == nil {
				w.engine.opts.Logger.WarnContext(w.ctx, "provisioning: looking for operations", "error", err)
			}
			return
		}
		w.running.Go(func() {
			defer w.offer(ID{})
			defer func() { <-w.slots }()
			defer w.drop(x)
			x.run()
			kick(w.notices)
			kick(w.claims)
		})
	}
}

// ending reports whether the worker begins nothing new.
func (w *worker) ending() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

// takeSQL takes the operation that is due first, with a token that is higher
// than all before. What it returns first is whether somebody else had it, and
// how many seconds are left until its deadline.
const takeSQL = `
	WITH due AS (
		SELECT id, owner FROM partywall_operations.operation
		WHERE ended_at IS NULL AND state <> 'paused' AND due_at <= clock_timestamp() AND kind = ANY ($3)
		  AND (lease_until IS NULL OR lease_until <= clock_timestamp())
		ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
	), o AS (
		UPDATE partywall_operations.operation o
		SET owner = $1, token = token + 1, lease_until = clock_timestamp() + $2,
		    state = CASE o.state WHEN 'pending' THEN 'running' ELSE o.state END
		FROM due WHERE o.id = due.id RETURNING o.*
	)
	SELECT (SELECT owner FROM due), extract(epoch FROM o.deadline - clock_timestamp())::float8, ` + operationColumns + ` FROM o`

// takeTime is how long the catalog has to answer who asks for something to do.
const takeTime = 10 * time.Second

// errIdle says that no operation is due.
var errIdle = errors.New("provisioning: nothing to do")

// take takes one operation, or fails with errIdle.
func (w *worker) take() (*execution, error) {
	e := w.engine
	asked := time.Now()
	// What is taken is to be known here, also when the worker is interrupted.
	ctx, done := context.WithTimeout(context.WithoutCancel(w.ctx), min(e.opts.Lease, takeTime))
	defer done()
	x := &execution{worker: w, engine: e}
	var seconds *float64
	row := e.pool.QueryRow(ctx, takeSQL, e.opts.Name, e.opts.Lease, e.names)
	o, err := scanOperation(ahead{row, []any{&x.before, &seconds}})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errIdle
	}
	if err != nil {
		return nil, err
	}
	x.adopt(o, asked)
	if seconds != nil {
		x.limit(asked.Add(time.Duration(*seconds * float64(time.Second))))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[o.ID] = x
	return x, nil
}

func (w *worker) drop(x *execution) {
	x.close()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held[x.id] == x {
		delete(w.held, x.id)
	}
}

// ahead is a row with columns ahead of those that are scanned.
type ahead struct {
	row   pgx.Row
	first []any
}

func (a ahead) Scan(dest ...any) error { return a.row.Scan(append(a.first, dest...)...) }
