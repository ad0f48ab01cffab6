package provisioning

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Notice tells others what happened. It was written with what it tells of, and
// is told at least once, so that who minds keeps the ID.
type Notice struct {
	// ID rises; notices of one operation are told in its order, unless one
	// could not be told and comes later.
	ID int64 `json:"id"`
	// Topic is "<kind>.succeeded", "<kind>.undone", or what a step has
	// announced.
	Topic     string    `json:"topic"`
	Operation ID        `json:"operation"`
	Kind      string    `json:"kind"`
	Tenant    tenant.ID `json:"tenant,omitzero"`
	At        time.Time `json:"at"`
	// Body is the operation's output, or what the step has announced, as JSON.
	Body json.RawMessage `json:"body"`
}

// Publisher tells a notice to others: a queue, a webhook, a function of the
// host's. What fails, or takes longer than 10 seconds, is told again, later.
type Publisher interface {
	Publish(ctx context.Context, n Notice) error
}

// PublisherFunc is a function that is a [Publisher].
type PublisherFunc func(ctx context.Context, n Notice) error

// Publish implements [Publisher].
func (f PublisherFunc) Publish(ctx context.Context, n Notice) error { return f(ctx, n) }

// Announce has a notice told to the host's publisher, if the step is done. Its
// body is made JSON.
func (w *Work) Announce(topic string, body any) {
	w.WithStep(func(ctx context.Context, tx pgx.Tx) error {
		text, err := json.Marshal(body)
		if err != nil {
			return Fail(fmt.Errorf("announcing %q: %w", topic, err))
		}
		_, err = tx.Exec(ctx, noticeSQL, w.Operation, w.Kind, orNull(w.Tenant), topic, text)
		return err
	})
}

const noticeSQL = `INSERT INTO partywall_operations.outbox (operation_id, kind, tenant_id, topic, body) VALUES ($1, $2, $3, $4, $5)`

// queueNotice adds what others are to be told to what is about to be written.
func queueNotice(b *pgx.Batch, o Operation, j journal) {
	switch j.end {
	case Succeeded:
		b.Queue(noticeSQL, o.ID, o.Kind, orNull(o.Tenant), o.Kind+".succeeded", o.Output)
	case Undone:
		b.Queue(noticeSQL, o.ID, o.Kind, orNull(o.Tenant), o.Kind+".undone", map[string]string{"reason": o.Reason})
	}
}

// noticesAtOnce is how many notices are told in one go.
const noticesAtOnce = 32

// publish tells notices until the worker has stopped. Several nodes share them.
func (w *worker) publish() {
	pause := time.NewTicker(w.engine.opts.Sweep)
	defer pause.Stop()
	for {
		for {
			told, err := w.publishSome()
			if err != nil && w.ctx.Err() == nil {
				w.engine.opts.Logger.WarnContext(w.ctx, "provisioning: telling what happened", "error", err)
			}
			if err != nil || told < noticesAtOnce {
				break
			}
		}
		select {
		case <-w.stopping:
			return
		case <-w.notices:
		case <-pause.C:
		}
	}
}

// tellTime is how long a publisher has for one notice.
const tellTime = 10 * time.Second

// tell tells one notice.
func (e *Engine) tell(ctx context.Context, n Notice) error {
	ctx, done := context.WithTimeout(ctx, tellTime)
	defer done()
	return careful(func() error { return e.opts.Publisher.Publish(ctx, n) })
}

// publishSome tells the notices that are due, and forgets those that were told.
// One that cannot be told does not keep the others.
func (w *worker) publishSome() (told int, err error) {
	e := w.engine
	err = pgx.BeginFunc(w.ctx, e.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(w.ctx, `
			SELECT id, topic, operation_id, kind, tenant_id, at, body, attempts FROM partywall_operations.outbox
			WHERE due_at <= clock_timestamp() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, noticesAtOnce)
		if err != nil {
			return err
		}
		type letter struct {
			Notice

			attempts int
		}
		letters, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l letter, err error) {
			var whose *tenant.ID
			err = row.Scan(&l.ID, &l.Topic, &l.Operation, &l.Kind, &whose, &l.At, &l.Body, &l.attempts)
			if whose != nil {
				l.Tenant = *whose
			}
			return l, err
		})
		if err != nil {
			return err
		}
		told = len(letters)
		var b pgx.Batch
		for _, l := range letters {
			if err := e.tell(w.ctx, l.Notice); err != nil {
				e.opts.Logger.WarnContext(w.ctx, "provisioning: telling what happened", "topic", l.Topic, "operation", l.Operation, "error", err, "stack", stackOf(err))
				b.Queue(`UPDATE partywall_operations.outbox SET attempts = attempts + 1, due_at = clock_timestamp() + $2 WHERE id = $1`,
					l.ID, e.opts.Backoff(l.attempts+2))
				continue
			}
			b.Queue(`DELETE FROM partywall_operations.outbox WHERE id = $1`, l.ID)
		}
		return tx.SendBatch(w.ctx, &b).Close()
	})
	return told, err
}
