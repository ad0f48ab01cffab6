package provisioning

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/fencing"
	"github.com/partywall/partywall/tenant"
)

// Token is a worker's right to an operation. Each worker that takes one over
// gets a higher number, so who keeps the highest that it has seen can refuse
// work of anybody who was given up on.
type Token = fencing.Token

// TokenOf returns the token that the context of a step carries, for what the
// host changes outside of PostgreSQL. [isolation.DB.Provision] and its like look
// at it by themselves.
func TokenOf(ctx context.Context) (Token, bool) { return fencing.FromContext(ctx) }

// Run is one attempt at a step, as the step sees it. Its methods may be called
// from any goroutine until the step returns.
type Run[In, Out any] struct {
	*Work

	// Input is what the operation was started with.
	Input In
	// Output is what the steps of earlier stages brought forth. To change this
	// copy changes nothing; see [Run.Set].
	Output Out
}

// Set keeps a change of the operation's output, to be made with the step's
// completion or not at all.
func (r *Run[In, Out]) Set(change func(*Out)) {
	r.change(func(raw json.RawMessage) (json.RawMessage, error) {
		var out Out
		if err := json.Unmarshal(raw, &out); err != nil {
			return nil, fmt.Errorf("reading the output: %w", err)
		}
		change(&out)
		return json.Marshal(out)
	})
}

// Work is what runs of all kinds have in common.
type Work struct {
	// Operation and Kind name the operation, Tenant whose it is; it is zero for
	// an operation of no one tenant.
	Operation ID
	Kind      string
	Tenant    tenant.ID
	// Step names the step, Attempt counts how often it was begun, from 1.
	Step    string
	Attempt int
	// Token is the worker's right to the operation.
	Token Token

	input, output json.RawMessage
	report        func(done float64, message string)
	guard         func(context.Context, func(pgx.Tx) error) error

	mu      sync.Mutex
	changes []func(json.RawMessage) (json.RawMessage, error)
	with    []func(context.Context, pgx.Tx) error
}

// Progress tells those who follow the operation how much of the step is done,
// from 0 to 1, and what is being done. It never fails and may be called often:
// what follows the last report too closely is left out.
func (w *Work) Progress(done float64, message string) { w.report(done, message) }

// WithStep has fn run in the catalog's transaction that completes the step: what
// it writes is there exactly if the step is done. An error fails the step. When
// the commit fails for a reason that may pass, fn is run again in another
// transaction: it must not go by what an earlier run has read or set. The server
// ends the transaction when fn says nothing in it for 15 seconds.
func (w *Work) WithStep(fn func(context.Context, pgx.Tx) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.with = append(w.with, fn)
}

// Tx runs fn in a transaction on the catalog that commits only while the worker
// has its operation; it fails with [ErrLost] otherwise. The server ends the
// transaction when fn says nothing in it for 15 seconds, so that a node which is
// stopped does not keep its locks: what takes long elsewhere goes before it.
func (w *Work) Tx(ctx context.Context, fn func(pgx.Tx) error) error { return w.guard(ctx, fn) }

func (w *Work) change(fn func(json.RawMessage) (json.RawMessage, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, fn)
}

// apply makes the changes that the step kept.
func (w *Work) apply(output json.RawMessage) (json.RawMessage, error) {
	for _, change := range w.changes {
		var err error
		if output, err = change(output); err != nil {
			return nil, Fail(err)
		}
	}
	return output, nil
}
