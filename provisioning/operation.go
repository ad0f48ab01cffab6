package provisioning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// State says how far an operation is.
type State string

// The states. Those of the last line are the end.
const (
	// Pending operations wait for a worker.
	Pending State = "pending"
	// Running operations are worked on, or wait for another try.
	Running State = "running"
	// Paused operations wait for [Engine.Resume].
	Paused State = "paused"
	// Undoing operations take back what they did.
	Undoing State = "undoing"

	// Succeeded operations did all their steps.
	Succeeded State = "succeeded"
	// Undone operations failed or were cancelled, and left nothing behind.
	Undone State = "undone"
)

// Ended reports whether nothing more happens.
func (s State) Ended() bool { return s == Succeeded || s == Undone }

// Operation is what the catalog knows of one operation.
type Operation struct {
	ID   ID
	Kind string
	// Tenant is whose it is, zero for none in particular.
	Tenant tenant.ID
	// Key is the idempotency key it was requested with, if any.
	Key string
	// Actor says who requested it, in the host's words.
	Actor string
	// Input and Output are the kind's, as JSON.
	Input, Output json.RawMessage
	State         State
	// Committed says that there is no way back any more.
	Committed bool
	// Reason says why it is being or was undone; Error what went wrong last.
	Reason, Error string
	// Owner and Token say who works on it; LeaseUntil for how long, unless it
	// says otherwise.
	Owner      string
	Token      int64
	LeaseUntil time.Time
	// DueAt is when it is to be worked on, if nobody does; zero is never.
	DueAt time.Time
	// CreatedAt, Deadline and EndedAt are in the catalog's time; zero is never.
	CreatedAt, Deadline, EndedAt time.Time
	// Steps are those that have begun, in the order that they were.
	Steps []StepState

	wish   string
	events int64
}

// StepState says how far a step is that has begun.
type StepState struct {
	Name string `json:"name"`
	// State is "begun", "done" or "undone".
	State string `json:"state"`
	// Attempts is how often it was begun, Undoings how often it was tried to
	// take it back.
	Attempts int `json:"attempts"`
	Undoings int `json:"undoings"`
	// BeganAt and EndedAt are in the catalog's time; zero is not yet.
	BeganAt time.Time `json:"began_at"`
	EndedAt time.Time `json:"ended_at,omitzero"`
}

// operationColumns are what [scanOperation] reads.
const operationColumns = `o.id, o.kind, o.tenant_id, coalesce(o.key, ''), o.actor, o.input, o.output, o.state, o.committed, o.reason, o.error,
	o.owner, o.token, o.lease_until, o.due_at, o.created_at, o.deadline, o.ended_at, o.wish, o.events,
	(SELECT coalesce(jsonb_agg(jsonb_build_object('name', s.name, 'state', s.state, 'attempts', s.attempts, 'undoings', s.undoings,
		'began_at', s.began_at, 'ended_at', s.ended_at) ORDER BY s.began_at, s.name), '[]')
	 FROM partywall_operations.step s WHERE s.operation_id = o.id)`

func scanOperation(row pgx.Row) (o Operation, err error) {
	var whose *tenant.ID
	var lease, due, deadline, ended *time.Time
	err = row.Scan(&o.ID, &o.Kind, &whose, &o.Key, &o.Actor, &o.Input, &o.Output, &o.State, &o.Committed, &o.Reason, &o.Error,
		&o.Owner, &o.Token, &lease, &due, &o.CreatedAt, &deadline, &ended, &o.wish, &o.events, &o.Steps)
	if whose != nil {
		o.Tenant = *whose
	}
	for to, from := range map[*time.Time]*time.Time{&o.LeaseUntil: lease, &o.DueAt: due, &o.Deadline: deadline, &o.EndedAt: ended} {
		if from != nil {
			*to = *from
		}
	}
	return o, err
}

// Get returns an operation as it is now. It fails with [ErrNotFound].
func (e *Engine) Get(ctx context.Context, id ID) (Operation, error) {
	o, err := scanOperation(e.pool.QueryRow(ctx, `SELECT `+operationColumns+` FROM partywall_operations.operation o WHERE o.id = $1`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return o, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return o, fmt.Errorf("provisioning: reading operation %s: %w", id, err)
	}
	return o, nil
}

// Query says which operations to list. Fields that are set must all match.
type Query struct {
	Kind   string
	Tenant tenant.ID
	State  State
	// Open leaves out those that have ended.
	Open bool
	// Before lists those that were started before this one.
	Before ID
	// Limit is how many at most. Defaults to 100, which is also the most.
	Limit int
}

// maxListed is how many operations one list has at most.
const maxListed = 100

// List returns operations, the latest first.
func (e *Engine) List(ctx context.Context, q Query) ([]Operation, error) {
	if q.Limit < 0 {
		return nil, invalid("Query.Limit is negative")
	}
	limit := min(q.Limit, maxListed)
	if limit == 0 {
		limit = maxListed
	}
	rows, err := e.pool.Query(ctx, `
		SELECT `+operationColumns+` FROM partywall_operations.operation o
		WHERE ($1 = '' OR o.kind = $1) AND ($2::uuid IS NULL OR o.tenant_id = $2) AND ($3 = '' OR o.state = $3)
		  AND (NOT $4 OR o.ended_at IS NULL) AND ($5::uuid IS NULL OR o.id < $5)
		ORDER BY o.id DESC LIMIT $6`, q.Kind, orNull(q.Tenant), string(q.State), q.Open, orNull(q.Before), limit)
	if err != nil {
		return nil, fmt.Errorf("provisioning: listing operations: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Operation, error) { return scanOperation(row) })
	if err != nil {
		return nil, fmt.Errorf("provisioning: listing operations: %w", err)
	}
	return found, nil
}

// orNull is id, and NULL for the zero ID.
func orNull[T interface {
	comparable
	IsZero() bool
}](id T) *T {
	if id.IsZero() {
		return nil
	}
	return &id
}
