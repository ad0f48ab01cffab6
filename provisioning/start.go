package provisioning

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
	"github.com/partywall/partywall/tenant"
)

// Request says more of an operation that is to be started. Nil is good.
type Request struct {
	// Tenant is whose operation it is. One tenant has one at a time, unless the
	// kind is Beside. Defaults to nobody's.
	Tenant tenant.ID
	// Key makes starting idempotent: a request whose kind and key were seen
	// before is answered with the operation of that time. It has at most 200
	// bytes. Defaults to none.
	Key string
	// Actor says who wants it, for the records; at most 200 bytes.
	Actor string
	// At is when to begin. Defaults to now.
	At time.Time
	// Timeout replaces the kind's.
	Timeout time.Duration
}

// maxInput bounds what an operation is given.
const maxInput = 1 << 20

// Start starts an operation of the kind on e, which need not be a worker. It
// fails with [ErrInvalid], with a [*BusyError], and with [ErrKeyUsed].
func (k Kind[In, Out]) Start(ctx context.Context, e *Engine, in In, r *Request) (Handle[Out], error) {
	var h Handle[Out]
	err := pgtx.Run(ctx, e.pool, func(tx pgx.Tx) (err error) {
		h, err = k.StartTx(ctx, e, tx, in, r)
		return err
	})
	if err != nil {
		return h, err
	}
	e.offer(h.id)
	return h, nil
}

// StartTx is [Kind.Start] within a transaction of the host's on the catalog: the
// operation is there when it commits. What fails with a [*BusyError] or with
// [ErrKeyUsed] leaves tx usable.
func (k Kind[In, Out]) StartTx(ctx context.Context, e *Engine, tx pgx.Tx, in In, r *Request) (Handle[Out], error) {
	d, err := e.definition(k.Name)
	if err != nil {
		return Handle[Out]{}, err
	}
	input, err := json.Marshal(in)
	if err != nil {
		return Handle[Out]{}, invalid("input of %s: %w", k.Name, err)
	}
	var back In
	if err := json.Unmarshal(input, &back); err != nil {
		return Handle[Out]{}, invalid("input of %s: %w", k.Name, err)
	}
	var zero Out
	output, err := json.Marshal(zero)
	if err != nil {
		return Handle[Out]{}, invalid("output of %s: %w", k.Name, err)
	}
	if r == nil {
		r = &Request{}
	}
	id, err := e.start(ctx, tx, d, *r, input, output)
	return Handle[Out]{engine: e, id: id}, err
}

// check tells all that is wrong with a request.
func (r Request) check(input []byte) error {
	var errs []error
	if len(r.Key) > 200 {
		errs = append(errs, invalid("Request.Key is longer than 200 bytes"))
	}
	if len(r.Actor) > 200 {
		errs = append(errs, invalid("Request.Actor is longer than 200 bytes"))
	}
	if r.Timeout < 0 {
		errs = append(errs, invalid("Request.Timeout is negative"))
	}
	if len(input) > maxInput {
		errs = append(errs, invalid("input has %d bytes, %d are allowed", len(input), maxInput))
	}
	if bytes.Contains(input, []byte(`\u0000`)) {
		errs = append(errs, invalid("input has a NUL character, which PostgreSQL does not keep"))
	}
	return errors.Join(errs...)
}

func (e *Engine) start(ctx context.Context, tx pgx.Tx, d definition, r Request, input, output []byte) (ID, error) {
	if err := r.check(input); err != nil {
		return ID{}, err
	}
	timeout := d.timeout
	if r.Timeout > 0 {
		timeout = r.Timeout
	}
	var seconds *float64 // NULL is for ever
	if timeout > 0 {
		s := timeout.Seconds()
		seconds = &s
	}
	var at *time.Time
	if !r.At.IsZero() {
		at = &r.At
	}
	id := newID(e.opts.Clock())
	var made bool
	err := tx.QueryRow(ctx, `
		WITH made AS (
			INSERT INTO partywall_operations.operation (id, kind, tenant_id, key, actor, input, output, state, beside, due_at, deadline, events)
			SELECT $1, $2, $3, nullif($4, ''), $5, $6, $7, 'pending', $8, due, due + make_interval(secs => $10), 1
			FROM coalesce($9::timestamptz, clock_timestamp()) due
			ON CONFLICT DO NOTHING RETURNING id
		), told AS (
			INSERT INTO partywall_operations.event (operation_id, number, type, step, percent, message, token)
			SELECT id, 1, 'requested', '', 0, $5, 0 FROM made RETURNING 1
		)
		SELECT EXISTS (SELECT FROM told)`,
		id, d.name, orNull(r.Tenant), r.Key, r.Actor, input, output, d.beside, at, seconds).Scan(&made)
	if err != nil {
		return ID{}, fmt.Errorf("provisioning: starting %s: %w", d.name, err)
	}
	if !made {
		return e.startedBefore(ctx, tx, d, r, input)
	}
	return id, e.waker.Wake(ctx, tx, id, r.At)
}

// byKey returns the operation that a key has started, if there is one, and
// whether its input was the same.
func (e *Engine) byKey(ctx context.Context, tx pgx.Tx, kind, key string, input any) (id ID, same bool, err error) {
	text, err := json.Marshal(input)
	if err != nil {
		return id, false, invalid("input of %s: %w", kind, err)
	}
	err = tx.QueryRow(ctx, `SELECT id, input = $3 FROM partywall_operations.operation WHERE kind = $1 AND key = $2`,
		kind, key, text).Scan(&id, &same)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return id, false, fmt.Errorf("provisioning: looking for an earlier %s: %w", kind, err)
	}
	return id, same, nil
}

// startedBefore finds the operation that stood in the way of a new one.
func (e *Engine) startedBefore(ctx context.Context, tx pgx.Tx, d definition, r Request, input []byte) (ID, error) {
	if r.Key != "" {
		var whose *tenant.ID
		id, same, err := e.byKey(ctx, tx, d.name, r.Key, json.RawMessage(input))
		if err == nil && !id.IsZero() {
			err = tx.QueryRow(ctx, `SELECT tenant_id FROM partywall_operations.operation WHERE id = $1`, id).Scan(&whose)
		}
		switch {
		case err != nil:
			return ID{}, err
		case !id.IsZero() && same && (whose == nil && r.Tenant.IsZero() || whose != nil && *whose == r.Tenant):
			return id, nil
		case !id.IsZero():
			return ID{}, fmt.Errorf("%w: %s %s", ErrKeyUsed, d.name, id)
		}
	}
	busy := &BusyError{Tenant: r.Tenant}
	err := tx.QueryRow(ctx, `
		SELECT id, kind FROM partywall_operations.operation
		WHERE tenant_id = $1 AND ended_at IS NULL AND NOT beside`, r.Tenant).Scan(&busy.Operation, &busy.Kind)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // it may have ended since
		return ID{}, fmt.Errorf("provisioning: starting %s: %w", d.name, err)
	}
	return ID{}, busy
}
