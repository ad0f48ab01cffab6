package provisioning

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
	"github.com/partywall/partywall/tenant"
)

// Removal is the input of the operation "remove".
type Removal struct {
	// Grace is how long the tenant can still be brought back, by
	// [Engine.Cancel].
	Grace time.Duration `json:"grace"`
}

// Removed is the output of the operation "remove".
type Removed struct {
	// Before is the tenant's status until then.
	Before tenant.Status `json:"before"`
}

// Remove ends a tenant: it is not served from now on, and when the grace is
// over, all that there is of it in any resource is removed and it becomes a
// tombstone. Until then [Engine.Cancel] brings it back, suspended. It fails with
// [tenant.ErrNotFound], [tenant.ErrTransition], [ErrInvalid] and a
// [*BusyError].
func (e *Engine) Remove(ctx context.Context, id tenant.ID, grace time.Duration, r *Request) (h Handle[Removed], err error) {
	err = pgtx.Run(ctx, e.pool, func(tx pgx.Tx) error {
		h, err = e.RemoveTx(ctx, tx, id, grace, r)
		return err
	})
	if err == nil {
		e.offer(h.id)
	}
	return h, err
}

// RemoveTx is [Engine.Remove] within a transaction of the host's on the catalog.
func (e *Engine) RemoveTx(ctx context.Context, tx pgx.Tx, id tenant.ID, grace time.Duration, r *Request) (h Handle[Removed], err error) {
	l := e.lifecycle
	if l == nil {
		return h, invalid("Options.Lifecycle is needed to end tenants")
	}
	if grace < 0 {
		return h, invalid("grace is negative")
	}
	t, err := l.tenants.Refresh(ctx, tenant.ByID(id))
	if err != nil {
		return h, fmt.Errorf("provisioning: %w", err)
	}
	if !t.Status.CanBecome(tenant.Deleting) && t.Status != tenant.Deleting {
		return h, fmt.Errorf("provisioning: %w", &tenant.TransitionError{ID: id, From: t.Status, To: tenant.Deleting})
	}
	var request Request
	if r != nil {
		request = *r
	}
	request.Tenant = id
	return l.remove.StartTx(ctx, e, tx, Removal{Grace: grace}, &request)
}

// ending are the stages of the operation "remove".
func (l *lifecycle) ending() []Stage[Removal, Removed] {
	type step = Step[Removal, Removed]
	places := Stage[Removal, Removed]{l.ending1(stepCertificate, l.Certificate), l.ending1(stepDomain, l.Domain)}
	for _, name := range slices.Sorted(maps.Keys(l.Resources)) {
		places = append(places, l.ending1(name, l.Resources[name]))
	}
	return []Stage[Removal, Removed]{
		{step{Name: "announce", Do: l.announce, Compensate: l.bringBack}},
		{step{Name: "grace", Do: l.wait}},
		{step{Name: "commit", Final: true}},
		places,
		{l.ending1(stepDatabase, l.Database)},
		{step{Name: stepTenant, Do: l.entomb}},
	}
}

func (l *lifecycle) ending1(name string, r Resource) Step[Removal, Removed] {
	s := Step[Removal, Removed]{Name: name}
	if r != nil {
		s.Do = func(ctx context.Context, run *Run[Removal, Removed]) error {
			t, err := l.current(ctx, run.Tenant)
			if err != nil || t.Placement.Server == "" { // it was never placed
				return err
			}
			return r.Deprovision(ctx, t)
		}
	}
	return s
}

// announce stops serving the tenant.
func (l *lifecycle) announce(ctx context.Context, run *Run[Removal, Removed]) error {
	t, err := l.current(ctx, run.Tenant)
	if err != nil || t.Status == tenant.Deleting {
		return err
	}
	grace := run.Input.Grace
	run.Set(func(r *Removed) { r.Before = t.Status })
	run.WithStep(func(ctx context.Context, tx pgx.Tx) error {
		_, err := l.tenants.WithTx(tx).Delete(ctx, t.ID, grace)
		return err
	})
	return nil
}

// bringBack has the tenant suspended, if the removal had come to it.
func (l *lifecycle) bringBack(ctx context.Context, run *Run[Removal, Removed]) error {
	t, err := l.current(ctx, run.Tenant)
	if err != nil || t.Status != tenant.Deleting {
		return err
	}
	run.WithStep(func(ctx context.Context, tx pgx.Tx) error {
		_, err := l.tenants.WithTx(tx).Suspend(ctx, t.ID, "removal was cancelled")
		return err
	})
	return nil
}

var errGrace = errors.New("the tenant can still be brought back")

// wait comes back when the grace is over.
func (l *lifecycle) wait(ctx context.Context, run *Run[Removal, Removed]) error {
	t, err := l.current(ctx, run.Tenant)
	if err != nil {
		return err
	}
	if t.Status != tenant.Deleting {
		return Fail(fmt.Errorf("tenant %s (%s) is %s again", t.ID, t.Slug, t.Status))
	}
	if left := t.DeleteAfter.Sub(l.engine.opts.Clock()); left > 0 {
		return Later(left, errGrace)
	}
	return nil
}

// entomb makes the tenant a tombstone, with the step's completion.
func (l *lifecycle) entomb(ctx context.Context, run *Run[Removal, Removed]) error {
	t, err := l.current(ctx, run.Tenant)
	if err != nil || t.Status == tenant.Deleted {
		return err
	}
	run.WithStep(func(ctx context.Context, tx pgx.Tx) error {
		_, err := l.tenants.WithTx(tx).Bury(ctx, t.ID)
		return err
	})
	return nil
}
