package provisioning

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/fencing"
	"github.com/partywall/partywall/internal/pgtx"
)

// execution is one worker's work on one operation, for as long as it holds the
// lease.
type execution struct {
	worker *worker
	engine *Engine
	id     ID
	token  int64
	kind   definition
	before string // who had the lease and did not give it back

	held   context.Context // ends with the lease
	lost   context.CancelCauseFunc
	going  context.Context // ends when there is no going forward: cancelled, too late
	turn   context.CancelCauseFunc
	expiry *time.Timer // of the lease, by this process's clock
	end    *time.Timer // the deadline's

	mu       sync.Mutex // one writes in the journal at a time
	op       Operation
	progress map[string]float64 // of the steps that are under way
	reported time.Time
}

// adopt begins an execution of what was taken at a time.
func (x *execution) adopt(o Operation, asked time.Time) {
	x.id, x.token, x.kind = o.ID, o.Token, x.engine.kinds[o.Kind]
	x.op, x.progress = o, map[string]float64{}
	x.held, x.lost = context.WithCancelCause(x.worker.ctx)
	x.going, x.turn = context.WithCancelCause(x.held)
	x.expiry = time.AfterFunc(time.Until(asked.Add(x.engine.opts.Lease)), x.lose)
	x.engine.weights.load(x.engine, o.Kind)
}

// limit has the operation turned back at a time.
func (x *execution) limit(deadline time.Time) {
	left := time.Until(deadline)
	if left <= 0 {
		x.turnBack(ErrDeadline) // before anything begins
	}
	x.end = time.AfterFunc(left, func() { x.turnBack(ErrDeadline) })
}

// extend notes that the lease was renewed by a question that was asked at a
// time.
func (x *execution) extend(asked time.Time) {
	if x.held.Err() == nil {
		x.expiry.Reset(time.Until(asked.Add(x.engine.opts.Lease)))
	}
}

func (x *execution) lose() { x.lost(ErrLost) }

// heed does what somebody wishes of the operation; a pause waits for the steps
// that are under way.
func (x *execution) heed(wish string) {
	if wish == "cancel" {
		x.turnBack(ErrCanceled)
	}
}

// turnBack interrupts steps, unless there is no way back.
func (x *execution) turnBack(why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.op.Committed && x.op.State == Running {
		x.turn(why)
	}
}

func (x *execution) close() {
	x.expiry.Stop()
	if x.end != nil {
		x.end.Stop()
	}
	x.lost(context.Canceled)
	x.turn(context.Canceled)
}

// run works until the operation has ended, is to be continued later, or is
// lost.
func (x *execution) run() {
	err := x.work()
	x.engine.instruments.left(x, err)
	switch {
	case err == nil:
	case errors.Is(err, ErrLost), errors.Is(context.Cause(x.held), ErrLost):
		x.engine.opts.Logger.WarnContext(x.worker.ctx, "provisioning: operation was taken over", "operation", x.id, "kind", x.kind.name)
	default: // the lease ends by itself, and another worker goes on
		x.engine.opts.Logger.ErrorContext(x.worker.ctx, "provisioning: operation was let go", "operation", x.id, "kind", x.kind.name, "error", err)
	}
}

func (x *execution) work() error {
	if x.before != "" {
		if err := x.write(journal{events: []Event{{Type: TakenOver, Message: x.before}}}); err != nil {
			return err
		}
	}
	if x.op.State == Running {
		why, err := x.forward()
		if err != nil || why == nil {
			return err
		}
		if err := x.write(journal{undo: why.Error(), events: []Event{{Type: Undoing.event(), Message: why.Error()}}}); err != nil {
			return err
		}
	}
	return x.backward()
}

// forward does what is left of the steps. It returns why the operation is to be
// undone, if it is.
func (x *execution) forward() (why, err error) {
	for _, stage := range x.kind.stages {
		todo := slices.DeleteFunc(slices.Clone(stage), func(s step) bool { return x.stateOf(s) == "done" })
		if len(todo) == 0 {
			continue
		}
		if cause := x.turned(); cause != nil {
			return cause, nil
		}
		if x.wish() == "pause" {
			return nil, x.write(journal{pause: true, events: []Event{{Type: Paused.event()}}})
		}
		if x.worker.ending() {
			return nil, x.write(journal{park: true})
		}
		if worn := x.worn(todo); worn != nil {
			return worn, nil
		}
		if err := x.write(beginning(todo)); err != nil {
			return nil, err
		}
		end := x.stage(todo)
		if end.settled() {
			return end.undo, x.settle(end)
		}
	}
	return nil, x.write(journal{end: Succeeded, events: []Event{{Type: Succeeded.event()}}})
}

// turned is why there is no going forward, nil if there is. What was wished
// while nobody worked counts too.
func (x *execution) turned() error {
	x.heed(x.wish())
	if x.held.Err() != nil {
		return nil //nolint:nilerr // a lease that has ended is no reason to take anything back
	}
	return context.Cause(x.going)
}

// worn returns an error for a step that was begun so often that it will not be
// begun again: whoever did may have died of it.
func (x *execution) worn(todo []step) error {
	if x.op.Committed {
		return nil
	}
	for _, s := range todo {
		if at := x.find(s.name); at != nil && at.Attempts >= s.attempts {
			if x.op.Error != "" {
				return fmt.Errorf("%s: gave up after %d attempts: %s", s.name, at.Attempts, x.op.Error)
			}
			return fmt.Errorf("%s: gave up after %d attempts", s.name, at.Attempts)
		}
	}
	return nil
}

// stage does steps at the same time, and says what comes of it.
func (x *execution) stage(todo []step) (end outcome) {
	ctx, stop := context.WithCancelCause(x.going)
	defer stop(nil)
	outcomes := make(chan outcome)
	for _, s := range todo {
		go func() {
			o := x.step(ctx, s)
			if o.undo != nil {
				stop(errTurned)
			}
			outcomes <- o
		}()
	}
	for range todo {
		end = end.join(<-outcomes)
	}
	return end
}

// step makes one attempt at a step.
func (x *execution) step(ctx context.Context, s step) outcome {
	w := x.newWork(s)
	ctx = fencing.NewContext(ctx, w.Token)
	ctx, done := context.WithTimeout(ctx, s.timeout)
	defer done()
	began := time.Now()
	err := attempt(ctx, s, w)
	if err == nil {
		err = x.finish(s, w)
	}
	x.engine.instruments.stepped(x, s, began, err)
	if err == nil {
		return outcome{}
	}
	return x.judge(ctx, s, w.Attempt, err)
}

// attempt checks, and does what there is to do.
func attempt(ctx context.Context, s step, w *Work) error {
	return careful(func() error {
		if s.check != nil {
			if done, err := s.check(ctx, w); err != nil || done {
				return err
			}
		}
		if s.perform == nil {
			return nil
		}
		return s.perform(ctx, w)
	})
}

// backward takes back what was begun, the last first. It is tried until it
// succeeds: half of a tenant is nobody's.
func (x *execution) backward() error {
	for _, s := range slices.Backward(x.kind.steps()) {
		if at := x.find(s.name); at == nil || at.State == "undone" {
			continue
		}
		if x.worker.ending() {
			return x.write(journal{park: true})
		}
		if err := x.write(journal{undoing: s.name}); err != nil {
			return err
		}
		w := x.newWork(s)
		ctx, done := context.WithTimeout(fencing.NewContext(x.held, w.Token), s.timeout)
		err := careful(func() error {
			if s.compensation == nil {
				return nil
			}
			return s.compensation(ctx, w)
		})
		done()
		if err == nil {
			err = x.write(journal{undone: s.name, with: w.with, events: []Event{{Type: StepUndone, Step: s.name}}})
		}
		if err != nil {
			return x.settle(x.judgeUndoing(s, err))
		}
	}
	return x.write(journal{end: Undone, events: []Event{{Type: Undone.event(), Message: x.op.Reason}}})
}

// newWork is what an attempt at a step gets.
func (x *execution) newWork(s step) *Work {
	x.mu.Lock()
	defer x.mu.Unlock()
	w := &Work{
		Operation: x.id, Kind: x.kind.name, Tenant: x.op.Tenant, Step: s.name,
		Token: Token{Subject: x.id, Number: x.token},
		input: x.op.Input, output: slices.Clone(x.op.Output),
		report: func(done float64, message string) { x.report(s.name, done, message) },
		guard:  x.guard,
	}
	if at := x.find(s.name); at != nil {
		w.Attempt = at.Attempts
	}
	return w
}

// finish writes down that a step is done, with all that it kept.
func (x *execution) finish(s step, w *Work) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return x.write(journal{
		done: s.name, final: s.final, with: w.with, change: w.apply, events: []Event{{Type: StepDone, Step: s.name}},
	})
}

// guard is [Work.Tx]. The lease is looked at last and held until the commit: a
// long transaction does not keep it from being renewed.
func (x *execution) guard(ctx context.Context, fn func(pgx.Tx) error) error {
	return pgtx.Run(ctx, x.engine.pool, func(tx pgx.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		var here bool
		err := tx.QueryRow(ctx, `
			SELECT true FROM partywall_operations.operation
			WHERE id = $1 AND token = $2 AND owner <> '' FOR SHARE`, x.id, x.token).Scan(&here)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrLost
		}
		if err != nil {
			return fmt.Errorf("provisioning: looking whether operation %s is still ours: %w", x.id, err)
		}
		return nil
	})
}

// find returns the state of a step, nil if it has not begun.
func (x *execution) find(name string) *StepState {
	for i := range x.op.Steps {
		if x.op.Steps[i].Name == name {
			return &x.op.Steps[i]
		}
	}
	return nil
}

func (x *execution) stateOf(s step) string {
	if at := x.find(s.name); at != nil {
		return at.State
	}
	return ""
}

func (x *execution) wish() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.op.wish
}
