package provisioning

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
)

// Cancel has an operation undone that has not passed its final step: a step that
// is under way is interrupted, within a third of the lease. who says for whom,
// for the records. It fails with [ErrNotFound], [ErrCommitted] and [ErrEnded].
func (e *Engine) Cancel(ctx context.Context, id ID, who string) error {
	return e.ask(ctx, id, "cancel", who)
}

// Pause has an operation wait, after the steps that are under way, until
// [Engine.Resume]. It fails as [Engine.Cancel] does.
func (e *Engine) Pause(ctx context.Context, id ID, who string) error {
	return e.ask(ctx, id, "pause", who)
}

// Resume has an operation go on that was paused, or that waits for another try,
// now. It fails with [ErrNotFound] and [ErrEnded].
func (e *Engine) Resume(ctx context.Context, id ID, who string) error {
	return e.ask(ctx, id, "resume", who)
}

func (e *Engine) ask(ctx context.Context, id ID, what, who string) error {
	err := pgtx.Run(ctx, e.pool, func(tx pgx.Tx) error {
		o, err := scanOperation(tx.QueryRow(ctx, `
			SELECT `+operationColumns+` FROM partywall_operations.operation o WHERE o.id = $1 FOR NO KEY UPDATE`, id))
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("%w: %s", ErrNotFound, id)
		case err != nil:
			return fmt.Errorf("provisioning: asking operation %s to %s: %w", id, what, err)
		case o.State.Ended():
			return fmt.Errorf("%w: %s %s", ErrEnded, o.Kind, id)
		case what != "resume" && o.Committed:
			return fmt.Errorf("%w: %s %s", ErrCommitted, o.Kind, id)
		case what == "pause" && o.State == Paused:
			return nil
		}
		return e.note(ctx, tx, o, what, who)
	})
	if err != nil {
		return err
	}
	e.followers.tell(id)
	e.offer(id)
	return nil
}

// note writes down what is wished of an operation. Unless it is to wait it is
// due at once, so that whoever takes it heeds it.
func (e *Engine) note(ctx context.Context, tx pgx.Tx, o Operation, what, who string) error {
	wish, state := what, o.State
	if what == "resume" {
		wish = ""
	}
	if what != "pause" && state == Paused {
		state = Running
	}
	message := what
	if who != "" {
		message += " by " + who
	}
	percent, _ := e.weights.estimate(e.kinds[o.Kind], o, nil)
	o.events++
	told := []Event{{Number: o.events, Type: Wished, Percent: percent, Message: presentable(message)}}
	var b pgx.Batch
	b.Queue(`
		UPDATE partywall_operations.operation SET wish = $2, state = $3, events = events + 1,
			due_at = CASE WHEN $4 THEN clock_timestamp() ELSE due_at END
		WHERE id = $1`, o.ID, wish, string(state), o.Owner == "" && what != "pause")
	queueEvents(&b, o, told)
	b.Queue(`SELECT pg_notify('partywall_operations', $1)`, o.ID.String())
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("provisioning: asking operation %s to %s: %w", o.ID, what, err)
	}
	return e.waker.Wake(ctx, tx, o.ID, e.opts.Clock())
}
