package provisioning_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

func TestProvisionAndRemove(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.open(t, nil)
	for plan, strategy := range plans() {
		ops, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme-" + string(plan), Plan: plan, Region: "eu"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		born, err := ops.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		who, err := h.tenants.Refresh(t.Context(), tenant.ByID(born.Tenant))
		if err != nil || who.Status != tenant.Active || who.Placement.Strategy != strategy {
			t.Fatalf("%s: %+v, %v", plan, who, err)
		}
		if got := h.orders(t, who); got != "welcome" {
			t.Errorf("%s: orders are %q", plan, got)
		}
		gone, err := h.engine.Remove(t.Context(), who.ID, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gone.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if who, err = h.tenants.Refresh(t.Context(), tenant.ByID(born.Tenant)); err != nil || who.Status != tenant.Deleted {
			t.Errorf("%s: %+v, %v", plan, who, err)
		}
	}
	if own, shared := h.places(t); own+shared > 0 {
		t.Errorf("%d places and %d rows are left", own, shared)
	}
}

// TestFailedTenantLeavesNothing has each step fail in turn, for each strategy.
func TestFailedTenantLeavesNothing(t *testing.T) {
	t.Parallel()
	why := errors.New("not today")
	for _, at := range []string{"seed", "verify", "index"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			h := site(t)
			h.open(t, func(o *provisioning.Options) {
				l := o.Lifecycle
				seed := l.Seed
				fail := func(step string) error {
					if step == at {
						return provisioning.Fail(why)
					}
					return nil
				}
				l.Seed = func(ctx context.Context, who tenant.Tenant, progress func(float64, string)) error {
					return errors.Join(seed(ctx, who, progress), fail("seed"))
				}
				l.Verify = func(context.Context, tenant.Tenant) error { return fail("verify") }
				l.Resources = map[string]provisioning.Resource{"index": index{made: func() error { return fail("index") }}}
			})
			for plan := range plans() {
				slug := "acme-" + string(plan)
				op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: slug, Plan: plan}, nil)
				if err != nil {
					t.Fatal(err)
				}
				var undone *provisioning.UndoneError
				if _, err := op.Wait(t.Context()); !errors.As(err, &undone) || undone.Reason != at+": "+why.Error() {
					t.Errorf("%s: ended with %v", plan, err)
				}
				o, err := h.engine.Get(t.Context(), op.ID())
				if err != nil {
					t.Fatal(err)
				}
				if who, err := h.tenants.Refresh(t.Context(), tenant.ByID(o.Tenant)); err != nil || who.Status != tenant.Deleted {
					t.Errorf("%s: %+v, %v", plan, who, err)
				}
				if _, err := h.tenants.Refresh(t.Context(), tenant.BySlug(slug)); !errors.Is(err, tenant.ErrNotFound) {
					t.Errorf("%s: the slug is not free: %v", plan, err)
				}
			}
			if own, shared := h.places(t); own+shared > 0 {
				t.Errorf("%d places and %d rows are left", own, shared)
			}
		})
	}
}

// index is a resource of the host's.
type index struct{ made func() error }

func (i index) Provision(context.Context, tenant.Tenant) error   { return i.made() }
func (i index) Deprovision(context.Context, tenant.Tenant) error { return nil }

// TestSignUpTwice has many ask for one slug at the same moment: one gets it.
func TestSignUpTwice(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.open(t, nil)
	const many = 12
	var all sync.WaitGroup
	var mu sync.Mutex
	var won []provisioning.Handle[provisioning.Born]
	for range many {
		all.Go(func() {
			op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme"}, nil)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won = append(won, op)
			case !errors.Is(err, tenant.ErrSlugTaken):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(won) != 1 {
		t.Fatalf("%d got it", len(won))
	}
	if _, err := won[0].Wait(t.Context()); err != nil {
		t.Error(err)
	}
	// With a key it is the same sign-up.
	ids := map[provisioning.ID]bool{}
	for range many {
		all.Go(func() {
			op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "globex"}, &provisioning.Request{Key: "form 7"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[op.ID()] = true
		})
	}
	all.Wait()
	if len(ids) != 1 {
		t.Errorf("started %d", len(ids))
	}
	if _, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "initech"}, &provisioning.Request{Key: "form 7"}); !errors.Is(err, provisioning.ErrKeyUsed) {
		t.Error(err)
	}
	if _, err := h.tenants.Refresh(t.Context(), tenant.BySlug("initech")); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("a request that was refused has made a tenant: %v", err)
	}
}

// TestRemovalCanBeTakenBack cancels a removal while its grace lasts.
func TestRemovalCanBeTakenBack(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.open(t, nil)
	op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme", Plan: "pro"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	born, err := op.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone, err := h.engine.Remove(t.Context(), born.Tenant, time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	for v, err := range gone.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if v.Type == provisioning.Failed && strings.Contains(v.Message, "brought back") {
			break
		}
	}
	if err := h.engine.Cancel(t.Context(), gone.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := gone.Wait(t.Context()); !errors.As(err, &undone) {
		t.Errorf("ended with %v", err)
	}
	who, err := h.tenants.Activate(t.Context(), born.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.orders(t, who); got != "welcome" {
		t.Errorf("orders are %q", got)
	}
}

func TestHostileTenants(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.open(t, nil)
	for _, slug := range []string{"", "..", "a/b", "A B", "www", "xn--80ak6aa92e", strings.Repeat("a", 64), "a\x00b", "'; DROP TABLE x", "7"} {
		if _, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: slug}, nil); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("%q: %v", slug, err)
		}
	}
	for name, spec := range map[string]tenant.Spec{
		"active already": {Slug: "acme", Status: tenant.Active},
		"name":           {Slug: "acme", Name: strings.Repeat("n", 300)},
	} {
		if _, err := h.engine.Provision(t.Context(), spec, nil); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "far-away", Region: "mars"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := op.Wait(t.Context()); !errors.As(err, &undone) || !strings.Contains(undone.Reason, "no server has room") {
		t.Errorf("ended with %v", err)
	}
	if _, err := h.engine.Remove(t.Context(), tenant.NewID(time.Now()), 0, nil); !errors.Is(err, tenant.ErrNotFound) {
		t.Error(err)
	}
	if list, err := h.tenants.List(t.Context(), tenant.Query{Status: []tenant.Status{tenant.Pending, tenant.Active}}); err != nil || len(list.Tenants) > 0 {
		t.Errorf("%d tenants, %v", len(list.Tenants), err)
	}
}

// TestCancelledBeforeAnybodyCame gives a tenant up that no worker has seen: its
// slug is free again, as if it had failed.
func TestCancelledBeforeAnybodyCame(t *testing.T) {
	t.Parallel()
	h := site(t)
	h.open(t, nil)
	op, err := h.engine.Provision(t.Context(), tenant.Spec{Slug: "acme"}, &provisioning.Request{At: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.engine.Cancel(t.Context(), op.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := op.Wait(t.Context()); !errors.As(err, &undone) {
		t.Errorf("ended with %v", err)
	}
	if _, err := h.tenants.Refresh(t.Context(), tenant.BySlug("acme")); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("the slug is not free: %v", err)
	}
	h.nothingElse(t, true)
}
