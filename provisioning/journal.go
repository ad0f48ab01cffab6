package provisioning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
)

// journal is what is written down of an operation at once, in one transaction
// that is void when the worker has lost it.
type journal struct {
	begin   []string // steps
	done    string   // a step
	final   bool     // and there is no way back from it
	change  func(json.RawMessage) (json.RawMessage, error)
	undo    string // why everything is taken back from now on
	undoing string // a step
	undone  string // a step
	pause   bool
	end     State
	park    bool // for a time, so that any worker goes on then
	after   time.Duration
	free    []string // steps whose attempt does not count
	failure *Event
	with    []func(context.Context, pgx.Tx) error
	events  []Event
}

// beginning writes down that steps begin.
func beginning(todo []step) journal {
	var j journal
	for _, s := range todo {
		j.begin = append(j.begin, s.name)
		j.events = append(j.events, Event{Type: StepBegun, Step: s.name})
	}
	return j
}

// write writes a journal, and what follows from it here. While the catalog
// cannot be reached it tries again for as long as the lease lasts.
func (x *execution) write(j journal) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for attempt := 2; ; attempt++ {
		next, err := x.commit(j)
		if err == nil {
			x.op = next
			x.engine.followers.tell(x.id)
			return nil
		}
		if own, ok := errors.AsType[stepError](err); ok {
			return own.error
		}
		if errors.Is(err, ErrLost) || x.engine.classify(err) == Permanent || x.held.Err() != nil {
			return err
		}
		select {
		case <-x.held.Done():
			return context.Cause(x.held)
		case <-time.After(x.engine.opts.Backoff(attempt)):
		}
	}
}

// commit is one attempt of write. An attempt whose answer was lost may have
// been made; the next one then finds the step done, and does nothing twice.
func (x *execution) commit(j journal) (next Operation, err error) {
	// An interrupted step still says how far it came.
	ctx, done := context.WithTimeout(context.WithoutCancel(x.held), x.engine.opts.Lease)
	defer done()
	err = pgtx.Run(ctx, x.engine.pool, func(tx pgx.Tx) error {
		made, err := x.already(ctx, tx, j)
		if err != nil {
			return err
		}
		if !made {
			for _, fn := range j.with {
				if err := careful(func() error { return fn(ctx, tx) }); err != nil {
					return stepError{err}
				}
			}
		}
		if next, err = x.lock(ctx, tx); err != nil || made {
			return err
		}
		if err := j.apply(&next); err != nil {
			return err
		}
		x.describe(&next, j.events)
		return x.save(ctx, tx, j, next)
	})
	return next, err
}

// stepError is an error of what a step had written with its completion.
type stepError struct{ error }

// already reports whether an earlier attempt at a journal that completes a step
// was made after all.
func (x *execution) already(ctx context.Context, tx pgx.Tx, j journal) (made bool, err error) {
	name, state := j.done, "done"
	if j.undone != "" {
		name, state = j.undone, "undone"
	}
	if name == "" {
		return false, nil
	}
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM partywall_operations.step WHERE operation_id = $1 AND name = $2 AND state = $3)`,
		x.id, name, state).Scan(&made)
	return made, err
}

// lock takes the operation's row, and fails with ErrLost when it is somebody
// else's.
func (x *execution) lock(ctx context.Context, tx pgx.Tx) (Operation, error) {
	o, err := scanOperation(tx.QueryRow(ctx, `
		SELECT `+operationColumns+` FROM partywall_operations.operation o
		WHERE o.id = $1 AND o.token = $2 AND o.owner <> '' FOR NO KEY UPDATE`, x.id, x.token))
	if errors.Is(err, pgx.ErrNoRows) {
		return o, ErrLost
	}
	return o, err
}

// apply makes of an operation what the journal says.
func (j journal) apply(o *Operation) (err error) {
	if j.change != nil {
		if o.Output, err = j.change(o.Output); err != nil {
			return err
		}
	}
	for i := range o.Steps {
		s := &o.Steps[i]
		if slices.Contains(j.free, s.Name) {
			s.Attempts--
		}
		switch s.Name {
		case j.done:
			s.State = "done"
		case j.undone:
			s.State = "undone"
		case j.undoing:
			s.Undoings++
		}
	}
	for _, name := range j.begin {
		o.begin(name)
	}
	o.Committed = o.Committed || j.final
	switch {
	case j.end != "":
		o.State = j.end
	case j.undo != "":
		o.State, o.Reason = Undoing, presentable(j.undo)
	case j.pause:
		o.State, o.wish = Paused, ""
	}
	if j.failure != nil {
		o.Error = presentable(j.failure.Step + ": " + j.failure.Message)
	}
	return nil
}

// begin notes one more attempt at a step.
func (o *Operation) begin(name string) {
	for i := range o.Steps {
		if o.Steps[i].Name == name {
			o.Steps[i].State = "begun"
			o.Steps[i].Attempts++
			return
		}
	}
	o.Steps = append(o.Steps, StepState{Name: name, State: "begun", Attempts: 1})
}

// save writes an operation as it is to be.
func (x *execution) save(ctx context.Context, tx pgx.Tx, j journal, o Operation) error {
	id := o.ID
	var b pgx.Batch
	b.Queue(`
		UPDATE partywall_operations.operation SET state = $2, output = $3, committed = $4, reason = $5, error = $6, wish = $7,
			events = events + $8,
			owner = CASE WHEN $9 THEN '' ELSE owner END, lease_until = CASE WHEN $9 THEN NULL ELSE lease_until END,
			due_at = CASE
				WHEN $10 AND state = 'running' AND NOT committed THEN least(clock_timestamp() + $11, deadline)
				WHEN $10 THEN clock_timestamp() + $11
				WHEN $9 THEN NULL ELSE due_at END,
			ended_at = CASE WHEN $12 THEN clock_timestamp() END
		WHERE id = $1`,
		id, string(o.State), o.Output, o.Committed, o.Reason, o.Error, o.wish, len(j.events),
		j.park || j.pause || o.State.Ended(), j.park, j.after, o.State.Ended())
	if len(j.begin) > 0 {
		b.Queue(`
			INSERT INTO partywall_operations.step AS s (operation_id, name, state) SELECT $1, unnest($2::text[]), 'begun'
			ON CONFLICT (operation_id, name) DO UPDATE SET attempts = s.attempts + 1, state = 'begun', ended_at = NULL`, id, j.begin)
	}
	if len(j.free) > 0 {
		b.Queue(`UPDATE partywall_operations.step SET attempts = attempts - 1 WHERE operation_id = $1 AND name = ANY ($2)`, id, j.free)
	}
	if j.undoing != "" {
		b.Queue(`UPDATE partywall_operations.step SET undoings = undoings + 1 WHERE operation_id = $1 AND name = $2`, id, j.undoing)
	}
	if name := j.done + j.undone; name != "" {
		state := "done"
		if j.undone != "" {
			state = "undone"
		}
		b.Queue(`UPDATE partywall_operations.step SET state = $3, ended_at = clock_timestamp() WHERE operation_id = $1 AND name = $2`, id, name, state)
	}
	queueEvents(&b, o, j.events)
	queueNotice(&b, o, j)
	b.Queue(`SELECT pg_notify('partywall_operations', $1)`, id.String())
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("provisioning: writing down operation %s: %w", id, err)
	}
	if !j.park {
		return nil
	}
	var at time.Time // now, by another worker
	if j.after > 0 {
		at = x.engine.opts.Clock().Add(j.after)
	}
	return x.engine.waker.Wake(ctx, tx, id, at)
}
