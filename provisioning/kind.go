package provisioning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/partywall/partywall/tenant"
)

// Kind is a kind of operation: what it is given, what it brings forth, and the
// steps in between. In and Out are kept as JSON; a program that is newer than
// an operation must be able to read what the earlier one wrote.
type Kind[In, Out any] struct {
	// Name names the kind for ever, such as "provision"; see
	// [tenant.ValidateName].
	Name string
	// Stages are done one after the other, the steps of one stage at the same
	// time.
	Stages []Stage[In, Out]
	// Timeout is how long an operation may take before it is undone. Defaults
	// to one hour; -1 is for ever.
	Timeout time.Duration
	// Beside lets operations of this kind run while the tenant is busy with
	// another, and another while it is busy with this.
	Beside bool
}

// Stage is steps that do not need each other.
type Stage[In, Out any] []Step[In, Out]

// Step is one step of an operation. It may be begun any number of times, on
// any node, after another was killed in the middle of it: so Do adopts what is
// there already, under names that follow from the input, and Compensate takes
// back what may be there or half there.
//
// All functions get a context that ends when the step's time is up, when the
// worker loses the operation to another, and when somebody cancels it;
// context.Cause says which. It carries the worker's token; see [TokenOf].
type Step[In, Out any] struct {
	// Name names the step within its kind, such as "database".
	Name string
	// Check reports whether there is nothing left to do. Defaults to asking Do.
	Check func(context.Context, *Run[In, Out]) (bool, error)
	// Do is the work. Defaults to nothing, for a step that is to be filled later.
	Do func(context.Context, *Run[In, Out]) error
	// Compensate takes back what Do did, or may have. It is called for every
	// step that was begun, last to first, and tried until it succeeds. Defaults
	// to nothing.
	Compensate func(context.Context, *Run[In, Out]) error
	// Final says that there is no way back once the step is done: from then on
	// the operation cannot be cancelled, and what fails is tried until it
	// succeeds. A stage with a final step has no other.
	Final bool
	// Timeout is how long one attempt may take. Defaults to 10 minutes.
	Timeout time.Duration
	// Attempts is how often the step is begun before it counts as failed.
	// Defaults to 8.
	Attempts int
}

// What a kind and a step may leave out.
const (
	defaultTimeout     = time.Hour
	defaultStepTimeout = 10 * time.Minute
	defaultAttempts    = 8
)

// Definition is a [Kind] of whatever input and output.
type Definition interface{ define() (definition, error) }

// definition is a kind as the engine sees it: input and output are JSON.
type definition struct {
	name    string
	stages  [][]step
	timeout time.Duration
	beside  bool
}

type step struct {
	name                  string
	final                 bool
	timeout               time.Duration
	attempts              int
	check                 func(context.Context, *Work) (bool, error)
	perform, compensation func(context.Context, *Work) error
}

// steps are all steps in order.
func (d definition) steps() (all []step) {
	for _, stage := range d.stages {
		all = append(all, stage...)
	}
	return all
}

// define checks a kind, and tells all mistakes at once.
func (k Kind[In, Out]) define() (definition, error) {
	d := definition{name: k.Name, timeout: k.Timeout, beside: k.Beside}
	if d.timeout == 0 {
		d.timeout = defaultTimeout
	}
	var errs []error
	if err := tenant.ValidateName("kind", k.Name); err != nil {
		errs = append(errs, err)
	}
	seen := map[string]bool{}
	for _, stage := range k.Stages {
		var steps []step
		for _, s := range stage {
			if err := tenant.ValidateName("step", s.Name); err != nil {
				errs = append(errs, fmt.Errorf("kind %q: %w", k.Name, err))
			}
			if seen[s.Name] {
				errs = append(errs, fmt.Errorf("kind %q: two steps are called %q", k.Name, s.Name))
			}
			seen[s.Name] = true
			if s.Final && len(stage) > 1 {
				errs = append(errs, fmt.Errorf("kind %q: final step %q is not alone in its stage", k.Name, s.Name))
			}
			if s.Timeout < 0 || s.Attempts < 0 {
				errs = append(errs, fmt.Errorf("kind %q: step %q: a limit is negative", k.Name, s.Name))
			}
			steps = append(steps, s.erase())
		}
		if len(steps) > 0 {
			d.stages = append(d.stages, steps)
		}
	}
	var nothing Out
	if text, err := json.Marshal(nothing); err != nil {
		errs = append(errs, fmt.Errorf("kind %q: output: %w", k.Name, err))
	} else if err := json.Unmarshal(text, &nothing); err != nil {
		errs = append(errs, fmt.Errorf("kind %q: output: %w", k.Name, err))
	}
	if len(d.stages) == 0 {
		errs = append(errs, fmt.Errorf("kind %q: no steps", k.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return d, invalid("%w", err)
	}
	return d, nil
}

// erase makes a step of a kind one of the engine's.
func (s Step[In, Out]) erase() step {
	out := step{name: s.Name, final: s.Final, timeout: s.Timeout, attempts: s.Attempts}
	if out.timeout == 0 {
		out.timeout = defaultStepTimeout
	}
	if out.attempts == 0 {
		out.attempts = defaultAttempts
	}
	if s.Check != nil {
		out.check = func(ctx context.Context, w *Work) (done bool, err error) {
			err = typed(ctx, w, func(ctx context.Context, r *Run[In, Out]) error {
				done, err = s.Check(ctx, r)
				return err
			})
			return done, err
		}
	}
	if s.Do != nil {
		out.perform = func(ctx context.Context, w *Work) error { return typed(ctx, w, s.Do) }
	}
	if s.Compensate != nil {
		out.compensation = func(ctx context.Context, w *Work) error { return typed(ctx, w, s.Compensate) }
	}
	return out
}

// typed calls fn with w's input and output as what they are.
func typed[In, Out any](ctx context.Context, w *Work, fn func(context.Context, *Run[In, Out]) error) error {
	r := &Run[In, Out]{Work: w}
	if err := json.Unmarshal(w.input, &r.Input); err != nil {
		return Fail(fmt.Errorf("reading the input of %s: %w", w.Kind, err))
	}
	if err := json.Unmarshal(w.output, &r.Output); err != nil {
		return Fail(fmt.Errorf("reading the output of %s: %w", w.Kind, err))
	}
	return fn(ctx, r)
}
