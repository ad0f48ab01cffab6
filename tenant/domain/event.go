package domain

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/outbox"
	"github.com/partywall/partywall/tenant"
)

// Event tells of a change of a domain. It was written with the change, and is
// told at least once, so that who minds keeps the ID.
type Event struct {
	// ID rises.
	ID int64 `json:"id"`
	// Topic is "domain." and the new [State], or "domain.primary".
	Topic  string    `json:"topic"`
	Tenant tenant.ID `json:"tenant"`
	Host   string    `json:"host"`
	// Reason is why; "" where nothing was wrong.
	Reason Reason    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

const topicPrimary = "domain.primary"

// announce notes what others are to be told, by whichever node tells them.
func (c *Catalog) announce(ctx context.Context, tx pgx.Tx, topic string, d Domain) error {
	_, err := tx.Exec(ctx, `INSERT INTO partywall_domains.event (topic, tenant_id, host, reason, at) VALUES ($1, $2, $3, $4, $5)`,
		topic, d.Tenant, d.Host, string(d.Reason), c.opts.Clock())
	return err
}

// box is where events wait to be told.
func (c *Catalog) box() *outbox.Box[Event] {
	return &outbox.Box[Event]{
		Pool: c.pool, Table: "partywall_domains.event", Columns: "id, topic, tenant_id, host, reason, at",
		Scan: func(row pgx.CollectableRow) (e Event, err error) {
			err = row.Scan(&e.ID, &e.Topic, &e.Tenant, &e.Host, (*string)(&e.Reason), &e.At)
			return e, err
		},
		Tell: func(ctx context.Context, e Event) error {
			return careful(func() error { return c.opts.Publish(ctx, e) })
		},
		Backoff: issuePause,
		Failed: func(ctx context.Context, e Event, err error) {
			c.opts.Logger.WarnContext(ctx, "domain: telling what happened", "topic", e.Topic, "host", e.Host, "error", err)
		},
	}
}

// eventLife is how long an event waits for somebody to be told of it.
const eventLife = 30 * 24 * time.Hour

// tidy forgets events that nobody was told of.
func (c *Catalog) tidy(ctx context.Context) error {
	_, err := c.pool.Exec(ctx, `DELETE FROM partywall_domains.event WHERE at < $1`, c.opts.Clock().Add(-eventLife))
	return translate(err)
}

// careful makes an error of a panic in the host's code.
func careful(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("domain: panic: %v", v)
		}
	}()
	return fn()
}
