package provisioning

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Handle is an operation that was started, with the type of what it brings
// forth. It holds nothing and may be dropped.
type Handle[Out any] struct {
	engine *Engine
	id     ID
}

// Handle returns the handle of an operation of the kind, whoever started it.
func (k Kind[In, Out]) Handle(e *Engine, id ID) Handle[Out] { return Handle[Out]{engine: e, id: id} }

// ID names the operation.
func (h Handle[Out]) ID() ID { return h.id }

// Events yields what happens to the operation, from its beginning to its end;
// see [Engine.Events].
func (h Handle[Out]) Events(ctx context.Context) iter.Seq2[Event, error] {
	return h.engine.Events(ctx, h.id, 0)
}

// Wait returns what the operation brought forth, once it has ended. It fails
// with an [*UndoneError] when it did not succeed, and with ctx's error.
func (h Handle[Out]) Wait(ctx context.Context) (out Out, err error) {
	for _, err := range h.engine.Events(ctx, h.id, 0) {
		if err != nil {
			return out, err
		}
	}
	o, err := h.engine.Get(ctx, h.id)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(o.Output, &out); err != nil {
		return out, fmt.Errorf("provisioning: reading the output of operation %s: %w", h.id, err)
	}
	if o.State != Succeeded {
		return out, &UndoneError{Operation: o.ID, Kind: o.Kind, Reason: o.Reason}
	}
	return out, nil
}
