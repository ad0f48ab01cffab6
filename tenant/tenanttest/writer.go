package tenanttest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
)

// steps is how a Writer brings a tenant to a status.
func steps(w *tenant.Registry, t *testing.T, id tenant.ID) map[tenant.Status]func() (tenant.Tenant, error) {
	return map[tenant.Status]func() (tenant.Tenant, error){
		tenant.Active:      func() (tenant.Tenant, error) { return w.Activate(t.Context(), id) },
		tenant.Suspended:   func() (tenant.Tenant, error) { return w.Suspend(t.Context(), id, "why") },
		tenant.Maintenance: func() (tenant.Tenant, error) { return w.Maintain(t.Context(), id, "why") },
		tenant.Archived:    func() (tenant.Tenant, error) { return w.Archive(t.Context(), id, "why") },
		tenant.Deleting:    func() (tenant.Tenant, error) { return w.Delete(t.Context(), id, 0) },
		tenant.Deleted:     func() (tenant.Tenant, error) { return w.Bury(t.Context(), id) },
	}
}

// paths leads to each status by legal steps from Pending.
var paths = map[tenant.Status][]tenant.Status{ //nolint:gochecknoglobals // a table
	tenant.Pending:     {},
	tenant.Active:      {tenant.Active},
	tenant.Suspended:   {tenant.Active, tenant.Suspended},
	tenant.Maintenance: {tenant.Active, tenant.Maintenance},
	tenant.Archived:    {tenant.Active, tenant.Archived},
	tenant.Deleting:    {tenant.Deleting},
	tenant.Deleted:     {tenant.Deleting, tenant.Deleted},
}

// Every pair of statuses is tried: the legal steps work, the others change
// nothing and say so.
func testTransitions(t *testing.T, s tenant.Store) {
	w := registry(t, s)
	for from, path := range paths {
		for to := range paths {
			if to == tenant.Pending {
				continue
			}
			made, err := w.Create(t.Context(), tenant.Spec{Slug: fmt.Sprintf("from-%s-to-%s", from, to)})
			if err != nil {
				t.Fatal(err)
			}
			step := steps(w, t, made.ID)
			for _, status := range path {
				if made, err = step[status](); err != nil {
					t.Fatalf("to %s on the way to %s: %v", status, from, err)
				}
			}
			got, err := step[to]()
			if from.CanBecome(to) {
				if err != nil || got.Status != to {
					t.Errorf("%s to %s: %s, %v", from, to, got.Status, err)
				}
				continue
			}
			refused, ok := errors.AsType[*tenant.TransitionError](err)
			if !ok || refused.From != from || refused.To != to || !errors.Is(err, tenant.ErrTransition) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			wantSame(t, "after a refusal", find(t, s, tenant.ByID(made.ID)), made)
		}
	}
}

// The epoch rises by exactly one with a change of placement or of the right to
// write, and with nothing else.
func testEpoch(t *testing.T, s tenant.Store) {
	w := registry(t, s)
	now, err := w.Create(t.Context(), tenant.Spec{Slug: "acme", Placement: tenant.Placement{
		Server: "eu-1", Strategy: tenant.Shared, Epoch: 99,
	}})
	if err != nil || now.Placement.Epoch != 1 {
		t.Fatalf("created with epoch %d, %v", now.Placement.Epoch, err)
	}
	step := steps(w, t, now.ID)
	name, slug := "Another", "another"
	there := tenant.Placement{Server: "us-1", Strategy: tenant.Schema, Schema: "acme", Epoch: 1234}
	for _, c := range []struct {
		what string
		do   func() (tenant.Tenant, error)
		rise int64
	}{
		{"activate", step[tenant.Active], 1},
		{"rename", func() (tenant.Tenant, error) {
			return w.Update(t.Context(), now.ID, now.Version, tenant.Patch{Name: &name, Slug: &slug})
		}, 0},
		{"place", func() (tenant.Tenant, error) { return w.Place(t.Context(), now.ID, now.Placement.Epoch, there) }, 1},
		{"place again", func() (tenant.Tenant, error) {
			return w.Place(t.Context(), now.ID, now.Placement.Epoch, there)
		}, 0},
		{"maintain", step[tenant.Maintenance], 1},
		{"suspend, unwritable already", step[tenant.Suspended], 0},
		{"activate again", step[tenant.Active], 1},
		{"archive", step[tenant.Archived], 1},
		{"place an archived one", func() (tenant.Tenant, error) {
			return w.Place(t.Context(), now.ID, now.Placement.Epoch, tenant.Placement{Server: "c", Strategy: tenant.Shared})
		}, 1},
		{"delete", step[tenant.Deleting], 0},
		{"bury", step[tenant.Deleted], 0},
	} {
		next, err := c.do()
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if rise := next.Placement.Epoch - now.Placement.Epoch; rise != c.rise {
			t.Errorf("%s: epoch rose by %d, want %d", c.what, rise, c.rise)
		}
		wantSame(t, c.what, find(t, s, tenant.ByID(now.ID)), next)
		now = next
	}
}

// Of 16 movers that saw one epoch, one places the tenant.
func testPlaceRace(t *testing.T, s tenant.Store) {
	w := registry(t, s)
	made, err := w.Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	errs := race(16, func(i int) error {
		_, err := w.Place(t.Context(), made.ID, 1, tenant.Placement{
			Server: fmt.Sprintf("server-%d", i), Strategy: tenant.Shared,
		})
		return err
	})
	winner := slices.Index(errs, nil)
	for i, err := range errs {
		if i != winner {
			wantError(t, "a loser", err, tenant.ErrConflict)
		}
	}
	now := find(t, s, tenant.ByID(made.ID))
	if winner < 0 || now.Placement.Server != fmt.Sprintf("server-%d", winner) || now.Placement.Epoch != 2 {
		t.Errorf("winner %d, placement %+v", winner, now.Placement)
	}
}

func testTombstone(t *testing.T, s tenant.Store) {
	w := registry(t, s)
	made, err := w.Create(t.Context(), tenant.Spec{
		Slug: "acme", Name: "Jane Doe", Status: tenant.Active, Labels: tenant.NewLabels(map[string]string{"a": "b"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	deleting, err := w.Delete(t.Context(), made.ID, time.Hour)
	if err != nil || time.Until(deleting.DeleteAfter) < 59*time.Minute || deleting.Status != tenant.Deleting {
		t.Fatalf("got %+v, %v", deleting, err)
	}
	_, err = w.Bury(t.Context(), made.ID)
	early, ok := errors.AsType[*tenant.TransitionError](err)
	if !ok || !early.NotBefore.Equal(deleting.DeleteAfter) {
		t.Errorf("Bury before its time: %v", err)
	}
	back, err := w.Suspend(t.Context(), made.ID, "changed their mind")
	if err != nil || !back.DeleteAfter.IsZero() || back.Name != "Jane Doe" {
		t.Errorf("brought back: %+v, %v", back, err)
	}
	if _, err := w.Delete(t.Context(), made.ID, 0); err != nil {
		t.Fatal(err)
	}
	dead, err := w.Bury(t.Context(), made.ID)
	if err != nil || dead.Name != "" || dead.Labels.Len() != 0 || dead.Reason != "" || dead.Slug != "acme" {
		t.Fatalf("buried: %+v, %v", dead, err)
	}
	for _, key := range []tenant.Key{tenant.ByID(made.ID), tenant.BySlug("acme"), tenant.ByNumber(made.Number)} {
		found, err := w.Lookup(t.Context(), key)
		if err != nil || found.Status != tenant.Deleted {
			t.Errorf("Lookup(%s): %s, %v", key, found.Status, err)
		}
	}
	_, err = w.Create(t.Context(), tenant.Spec{Slug: "acme"})
	wantError(t, "the slug of a tombstone", err, tenant.ErrSlugTaken)
	name := "Risen"
	_, err = w.Update(t.Context(), dead.ID, dead.Version, tenant.Patch{Name: &name})
	wantError(t, "changing a tombstone", err, tenant.ErrDeleted)
	_, err = w.Place(t.Context(), dead.ID, dead.Placement.Epoch, tenant.Placement{Server: "x", Strategy: tenant.Shared})
	wantError(t, "placing a tombstone", err, tenant.ErrDeleted)
}
