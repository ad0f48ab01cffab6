package provisioning

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/outbox"
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

// publish tells notices until the worker has stopped. Several nodes share them.
func (w *worker) publish() {
	box := w.engine.outbox()
	pause := time.NewTicker(w.engine.opts.Sweep)
	defer pause.Stop()
	for {
		for {
			told, err := box.Empty(w.ctx)
			if err != nil && w.ctx.Err() == nil {
				w.engine.opts.Logger.WarnContext(w.ctx, "provisioning: telling what happened", "error", err)
			}
			if err != nil || told < outbox.AtOnce {
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

// outbox is where notices wait to be told.
func (e *Engine) outbox() *outbox.Box[Notice] {
	return &outbox.Box[Notice]{
		Pool: e.pool, Table: "partywall_operations.outbox", Columns: "id, topic, operation_id, kind, tenant_id, at, body",
		Scan: func(row pgx.CollectableRow) (n Notice, err error) {
			var whose *tenant.ID
			err = row.Scan(&n.ID, &n.Topic, &n.Operation, &n.Kind, &whose, &n.At, &n.Body)
			if whose != nil {
				n.Tenant = *whose
			}
			return n, err
		},
		Tell: func(ctx context.Context, n Notice) error {
			return careful(func() error { return e.opts.Publisher.Publish(ctx, n) })
		},
		Backoff: func(failures int) time.Duration { return e.opts.Backoff(failures + 1) },
		Failed: func(ctx context.Context, n Notice, err error) {
			e.opts.Logger.WarnContext(ctx, "provisioning: telling what happened", "topic", n.Topic, "operation", n.Operation, "error", err, "stack", stackOf(err))
		},
	}
}
