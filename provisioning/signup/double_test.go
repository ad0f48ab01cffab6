package signup_test

import (
	"context"
	"iter"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// double is an engine for what a real one does not do on request.
type double struct {
	err  error           // of Provision, nil for what is wrong with the tenant
	gone chan struct{}   // closed when who follows the events has left
	last *tenant.Spec    // what was asked for
	id   provisioning.ID // of the operation that there is
}

func (d *double) Provision(_ context.Context, spec tenant.Spec, _ *provisioning.Request) (h provisioning.Handle[provisioning.Born], err error) {
	if d.last != nil {
		*d.last = spec
	}
	if d.err != nil {
		return h, d.err
	}
	return h, spec.Validate()
}

func (d *double) Get(_ context.Context, id provisioning.ID) (provisioning.Operation, error) {
	if d.id.IsZero() {
		return provisioning.Operation{}, provisioning.ErrNotFound
	}
	return provisioning.Operation{ID: id, Kind: "provision", Actor: "signup", State: provisioning.Running}, nil
}

// Events yields events for as long as somebody listens.
func (d *double) Events(context.Context, provisioning.ID, int64) iter.Seq2[provisioning.Event, error] {
	return func(yield func(provisioning.Event, error) bool) {
		defer close(d.gone)
		for n := int64(1); yield(provisioning.Event{Number: n, Type: provisioning.Progressed}, nil); n++ {
		}
	}
}
