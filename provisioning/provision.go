package provisioning

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
	"github.com/partywall/partywall/tenant"
)

// Birth is the input of the operation "provision".
type Birth struct {
	Slug   string        `json:"slug"`
	Plan   tenant.Plan   `json:"plan,omitempty"`
	Region tenant.Region `json:"region,omitempty"`
	// Placement is what was asked for; zero leaves it to [Lifecycle.Place].
	Placement tenant.Placement `json:"placement,omitzero"`
}

// Born is the output of the operation "provision".
type Born struct {
	Tenant    tenant.ID        `json:"tenant,omitzero"`
	Placement tenant.Placement `json:"placement,omitzero"`
}

// provisionTimeout is how long a tenant may take to be made.
const provisionTimeout = 15 * time.Minute

// lifecycle makes and ends tenants.
type lifecycle struct {
	Lifecycle

	engine    *Engine
	tenants   Catalog
	provision Kind[Birth, Born]
	remove    Kind[Removal, Removed]
	stock     Kind[Spare, struct{}]
}

func newLifecycle(e *Engine, tenants Catalog, o Lifecycle) (*lifecycle, error) {
	l := &lifecycle{Lifecycle: o, engine: e, tenants: tenants}
	var errs []error
	if tenants == nil {
		errs = append(errs, invalid("Options.Lifecycle needs the catalog of tenants"))
	}
	if o.Database == nil {
		errs = append(errs, invalid("Lifecycle.Database is nil"))
	}
	for name, r := range o.Resources {
		if r == nil {
			errs = append(errs, invalid("Lifecycle.Resources: %q is nil", name))
		}
	}
	if o.Stock != nil {
		errs = append(errs, o.Stock.validate())
	}
	l.stock = l.stocking()
	l.provision = Kind[Birth, Born]{Name: "provision", Timeout: provisionTimeout, Stages: l.making()}
	l.remove = Kind[Removal, Removed]{Name: "remove", Timeout: -1, Stages: l.ending()}
	return l, errors.Join(errs...)
}

// kinds are the operations that this node works on: not the stock's, which
// another node may have begun, where it keeps none.
func (l *lifecycle) kinds() []Definition {
	kinds := []Definition{l.provision, l.remove}
	if l.Stock != nil {
		kinds = append(kinds, l.stock)
	}
	return kinds
}

// making are the stages of the operation "provision".
func (l *lifecycle) making() []Stage[Birth, Born] {
	type step = Step[Birth, Born]
	places := Stage[Birth, Born]{l.making1(stepDomain, l.Domain), l.making1(stepCertificate, l.Certificate)}
	for _, name := range slices.Sorted(maps.Keys(l.Resources)) {
		places = append(places, l.making1(name, l.Resources[name]))
	}
	return []Stage[Birth, Born]{
		{step{Name: stepTenant, Do: l.settle, Compensate: l.bury}},
		{l.making1(stepDatabase, l.Database)},
		places,
		{step{Name: stepSeed, Do: l.seed}},
		{step{Name: stepVerify, Do: l.verify}},
		{step{Name: stepActivate, Do: l.activate, Final: true}},
	}
}

// making1 is the step that makes a tenant's place in one resource.
func (l *lifecycle) making1(name string, r Resource) Step[Birth, Born] {
	s := Step[Birth, Born]{Name: name}
	if r == nil {
		return s
	}
	s.Do = func(ctx context.Context, run *Run[Birth, Born]) error {
		t, err := l.current(ctx, run.Tenant)
		if err != nil {
			return err
		}
		return r.Provision(ctx, t)
	}
	s.Compensate = func(ctx context.Context, run *Run[Birth, Born]) error {
		t, err := l.current(ctx, run.Tenant)
		if err != nil {
			return err
		}
		return r.Deprovision(ctx, t)
	}
	return s
}

// Provision makes a tenant: it is there, and Pending, when Provision returns,
// and Active when the operation has succeeded. An operation that does not leaves
// nothing of it but a tombstone without its slug.
//
// It fails with [tenant.ErrSlugTaken], also for the second of two who ask for
// one at the same moment, unless they use the same [Request.Key]; and with
// [tenant.ErrInvalid] and as [Kind.Start] does.
func (e *Engine) Provision(ctx context.Context, spec tenant.Spec, r *Request) (h Handle[Born], err error) {
	err = pgtx.Run(ctx, e.pool, func(tx pgx.Tx) error {
		h, err = e.ProvisionTx(ctx, tx, spec, r)
		return err
	})
	if err == nil {
		e.offer(h.id)
	}
	return h, err
}

// ProvisionTx is [Engine.Provision] within a transaction of the host's on the
// catalog.
func (e *Engine) ProvisionTx(ctx context.Context, tx pgx.Tx, spec tenant.Spec, r *Request) (h Handle[Born], err error) {
	l := e.lifecycle
	if l == nil {
		return h, invalid("Options.Lifecycle is needed to make tenants")
	}
	if spec.Status != "" && spec.Status != tenant.Pending {
		return h, invalid("a tenant that is to be provisioned is not %s yet", spec.Status)
	}
	if spec.Placement == (tenant.Placement{}) && l.Place == nil {
		return h, invalid("neither the tenant nor Lifecycle.Place says where tenant %q goes", spec.Slug)
	}
	var request Request
	if r != nil {
		request = *r
	}
	birth := Birth{Slug: spec.Slug, Plan: spec.Plan, Region: spec.Region, Placement: spec.Placement}
	if found, err := l.asked(ctx, tx, request, birth); err != nil || !found.id.IsZero() {
		return found, err
	}
	t, err := l.tenants.WithTx(tx).Create(ctx, spec)
	if errors.Is(err, tenant.ErrSlugTaken) { // perhaps by the same request, a moment ago
		if found, askErr := l.asked(ctx, tx, request, birth); askErr != nil || !found.id.IsZero() {
			return found, askErr
		}
	}
	if err != nil {
		return h, fmt.Errorf("provisioning: %w", err)
	}
	request.Tenant = t.ID
	if h, err = l.provision.StartTx(ctx, e, tx, birth, &request); err != nil {
		return h, err
	}
	// The tenant is there: whatever becomes of the operation, also before a worker
	// has seen it, the tenant's step is to be taken back.
	_, err = tx.Exec(ctx, `INSERT INTO partywall_operations.step (operation_id, name, state, attempts) VALUES ($1, $2, 'begun', 0)`,
		h.id, stepTenant)
	if err != nil {
		return h, fmt.Errorf("provisioning: %w", err)
	}
	return h, nil
}

// asked returns the operation that an earlier request with the same key has
// started, and the zero Handle if there was none.
func (l *lifecycle) asked(ctx context.Context, tx pgx.Tx, r Request, birth Birth) (h Handle[Born], err error) {
	if r.Key == "" {
		return h, nil
	}
	id, same, err := l.engine.byKey(ctx, tx, l.provision.Name, r.Key, birth)
	if err == nil && !id.IsZero() && !same {
		err = fmt.Errorf("%w: %s %s", ErrKeyUsed, l.provision.Name, id)
	}
	return l.provision.Handle(l.engine, id), err
}

// current is a tenant as the catalog knows it; this node's registry knows it
// from then on too.
func (l *lifecycle) current(ctx context.Context, id tenant.ID) (tenant.Tenant, error) {
	return l.tenants.Refresh(ctx, tenant.ByID(id))
}

// settle places a tenant, unless it was placed when it was created.
func (l *lifecycle) settle(ctx context.Context, run *Run[Birth, Born]) error {
	t, err := l.current(ctx, run.Tenant)
	if err != nil {
		return err
	}
	place := t.Placement
	if place.Server == "" {
		wanted, err := l.Place(ctx, t)
		if err != nil {
			return err
		}
		run.WithStep(func(ctx context.Context, tx pgx.Tx) error {
			// From what was wanted each time: what an attempt has taken that did not
			// commit is in the stock still, and another's to take.
			if place, err = l.take(ctx, tx, wanted); err != nil {
				return err
			}
			_, err = l.tenants.WithTx(tx).Place(ctx, t.ID, t.Placement.Epoch, place)
			return err
		})
	}
	run.Set(func(b *Born) { b.Tenant, b.Placement = t.ID, place })
	return nil
}

// bury makes a tombstone of a tenant that came to nothing, and gives its slug
// back: nobody has ever known the tenant by it.
func (l *lifecycle) bury(ctx context.Context, run *Run[Birth, Born]) error {
	t, err := l.current(ctx, run.Tenant)
	if err != nil {
		return err
	}
	run.WithStep(func(ctx context.Context, tx pgx.Tx) error {
		w := l.tenants.WithTx(tx)
		if t.Status == tenant.Pending {
			nobody := "undone-" + strconv.FormatInt(t.Number, 10) + "-" + t.ID.String()[:8]
			if _, err := w.Update(ctx, t.ID, t.Version, tenant.Patch{Slug: &nobody}); err != nil {
				return err
			}
			if _, err := w.Delete(ctx, t.ID, 0); err != nil {
				return err
			}
		}
		_, err := w.Bury(ctx, t.ID)
		return err
	})
	return nil
}

// prepare returns the context in which the tenant is worked on. Nobody else has
// any business with it: whoever began before may be asleep in a transaction.
func (l *lifecycle) prepare(ctx context.Context, run *Run[Birth, Born]) (context.Context, tenant.Tenant, error) {
	t, err := l.current(ctx, run.Tenant)
	if err == nil && run.Attempt > 1 {
		err = l.Database.Evict(ctx, t)
	}
	return tenant.Prepare(ctx, t), t, err
}

func (l *lifecycle) seed(ctx context.Context, run *Run[Birth, Born]) error {
	if l.Seed == nil {
		return nil
	}
	ctx, t, err := l.prepare(ctx, run)
	if err != nil {
		return err
	}
	return l.Seed(ctx, t, run.Progress)
}

func (l *lifecycle) verify(ctx context.Context, run *Run[Birth, Born]) error {
	ctx, t, err := l.prepare(ctx, run)
	if err != nil {
		return err
	}
	if err := l.Database.Verify(ctx); err != nil {
		return err
	}
	if l.Verify == nil {
		return nil
	}
	return l.Verify(ctx, t)
}

// activate lets a tenant be served, with the step's completion.
func (l *lifecycle) activate(_ context.Context, run *Run[Birth, Born]) error {
	id := run.Tenant
	run.WithStep(func(ctx context.Context, tx pgx.Tx) error {
		_, err := l.tenants.WithTx(tx).Activate(ctx, id)
		return err
	})
	return nil
}
