package provisioning

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// outcome says what comes of an attempt at a step, or at all steps of a stage.
// The zero outcome is success.
type outcome struct {
	undo  error         // take everything back, for this reason
	lost  error         // leave it to whoever has it now
	again bool          // try again, later
	after time.Duration // when
	stop  bool          // leave it to another worker, now
	free  []string      // steps whose attempt does not count
	step  string        // that failed, and how
	err   error
}

// errTurned interrupts the other steps of a stage when one of them has failed
// for good. What they fail with then says nothing.
var errTurned = errors.New("provisioning: another step has failed")

// settled reports whether the operation stops here for now.
func (o outcome) settled() bool { return o.undo != nil || o.lost != nil || o.again || o.stop }

// join returns what comes of two steps.
func (o outcome) join(p outcome) outcome {
	if o.undo == nil {
		o.undo = p.undo
	}
	if o.lost == nil {
		o.lost = p.lost
	}
	if o.err == nil {
		o.step, o.err = p.step, p.err
	}
	o.again, o.stop = o.again || p.again, o.stop || p.stop
	o.after = max(o.after, p.after)
	o.free = append(o.free, p.free...)
	return o
}

// judge says what comes of a step that failed.
func (x *execution) judge(ctx context.Context, s step, attempt int, err error) outcome {
	cause := context.Cause(ctx)
	committed := x.committed()
	x.engine.opts.Logger.WarnContext(ctx, "provisioning: step failed", "operation", x.id, "kind", x.kind.name, "step", s.name,
		"attempt", attempt, "error", err, "stack", stackOf(err))
	var later laterError
	switch {
	case errors.Is(err, ErrLost), errors.Is(cause, ErrLost):
		return outcome{lost: ErrLost}
	case errors.Is(cause, ErrStopping):
		return outcome{stop: true, free: []string{s.name}}
	case errors.Is(cause, errTurned):
		return outcome{again: true} // which the step that turned it overrules
	case !committed && (errors.Is(cause, ErrCanceled) || errors.Is(cause, ErrDeadline)):
		return outcome{undo: cause}
	case errors.As(err, &later):
		return outcome{again: true, after: later.after, free: []string{s.name}, step: s.name, err: err}
	}
	if !committed && (x.engine.classify(err) == Permanent || attempt >= s.attempts) {
		return outcome{undo: fmt.Errorf("%s: %w", s.name, err)}
	}
	return outcome{again: true, after: x.engine.opts.Backoff(attempt + 1), step: s.name, err: err}
}

// judgeUndoing says what comes of a step that could not be taken back.
func (x *execution) judgeUndoing(s step, err error) outcome {
	switch {
	case errors.Is(err, ErrLost), errors.Is(context.Cause(x.held), ErrLost):
		return outcome{lost: ErrLost}
	case errors.Is(context.Cause(x.held), ErrStopping):
		return outcome{stop: true}
	}
	x.engine.opts.Logger.WarnContext(x.held, "provisioning: taking a step back failed", "operation", x.id, "kind", x.kind.name,
		"step", s.name, "error", err, "stack", stackOf(err))
	tries := 1
	if at := x.find(s.name); at != nil {
		tries = at.Undoings
	}
	return outcome{again: true, after: x.engine.opts.Backoff(tries + 1), step: s.name, err: err}
}

// settle leaves the operation for later, or to others. An operation that is to
// be undone stays.
func (x *execution) settle(o outcome) error {
	switch {
	case o.lost != nil:
		return o.lost
	case o.undo != nil:
		return nil //nolint:nilerr // why it is undone is no error of settling
	case o.stop:
		return x.write(journal{park: true, free: o.free})
	}
	event := Event{Type: Failed, Step: o.step}
	if o.err != nil {
		event.Message = o.err.Error()
	}
	if err := x.write(journal{park: true, after: o.after, free: o.free, failure: &event, events: []Event{event}}); err != nil {
		return err
	}
	time.AfterFunc(o.after, func() { x.worker.offer(x.id) })
	return nil
}

// classify says what an error means for the step that failed with it.
func (e *Engine) classify(err error) Class {
	var marked permanentError
	if e.opts.Classify != nil && !errors.As(err, &marked) {
		if class, ok := e.opts.Classify(err); ok {
			return class
		}
	}
	return classify(err)
}

func (x *execution) committed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.op.Committed
}
