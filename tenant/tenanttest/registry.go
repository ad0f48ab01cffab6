package tenanttest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/partywall/partywall/tenant"
)

// A registry knows what was there before it, and what is written through it at
// once.
func testRegistry(t *testing.T, s tenant.Store) {
	old := create(t, s, "old")
	r := registry(t, s)
	for _, key := range []tenant.Key{tenant.ByID(old.ID), tenant.BySlug("old"), tenant.ByNumber(old.Number)} {
		got, err := r.Lookup(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "Lookup "+key.String(), got, old)
	}
	made, err := r.Create(t.Context(), tenant.Spec{Slug: "made"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Lookup(t.Context(), tenant.BySlug("made")); err != nil || got.ID != made.ID {
		t.Errorf("Lookup after Create: %+v, %v", got, err)
	}
	_, err = r.Lookup(t.Context(), tenant.BySlug("unknown"))
	wantError(t, "an unknown slug", err, tenant.ErrNotFound)

	n := 0
	for _, err := range r.All(t.Context(), tenant.Query{Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("All yielded %d tenants", n)
	}
}

// What one registry writes, the other learns of, in the order of versions.
func testTwoRegistries(t *testing.T, s tenant.Store) {
	here, there := registry(t, s), registry(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	told := make(chan tenant.Event, 100)
	t.Cleanup(there.Subscribe(func(e tenant.Event) { told <- e }))

	made, err := here.Create(ctx, tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	until := func(version int64) tenant.Event {
		t.Helper()
		last := int64(-1)
		for {
			select {
			case e := <-told:
				if e.After.Version <= last {
					t.Errorf("version %d after %d", e.After.Version, last)
				}
				if last = e.After.Version; last >= version {
					return e
				}
			case <-ctx.Done():
				t.Fatalf("not told of version %d", version)
			}
		}
	}
	until(1)
	for i := range 20 {
		name := fmt.Sprint("name ", i)
		if made, err = here.Update(ctx, made.ID, made.Version, tenant.Patch{Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	slug := "other"
	if made, err = here.Update(ctx, made.ID, made.Version, tenant.Patch{Slug: &slug}); err != nil {
		t.Fatal(err)
	}
	until(made.Version)
	got, err := there.Lookup(ctx, tenant.BySlug("other"))
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "on the other node", got, made)
	_, err = there.Lookup(ctx, tenant.BySlug("acme"))
	wantError(t, "the earlier slug", err, tenant.ErrNotFound)

	made, err = here.Suspend(ctx, made.ID, tenant.ReasonPayment)
	if err != nil {
		t.Fatal(err)
	}
	if e := until(made.Version); !e.Moved() || e.Before.Status != tenant.Active {
		t.Errorf("a suspension was told as %+v", e)
	}
}

// Two nodes of one installation read each other's envelopes.
func testEnvelopeKeys(t *testing.T, s tenant.Store) {
	source, ok := s.(tenant.KeySource)
	if !ok {
		t.Log("the store keeps no keys; nothing to prove")
		return
	}
	first, err := source.EnvelopeKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := source.EnvelopeKeys(t.Context())
	if err != nil || again.Installation != first.Installation || !bytes.Equal(again.Keys[0].Secret, first.Keys[0].Secret) {
		t.Fatalf("the keys change by themselves, %v", err)
	}
	made := create(t, s, "acme")
	envelope, err := registry(t, s).Envelope(tenant.NewContext(t.Context(), made))
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := registry(t, s).Resume(t.Context(), envelope)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tenant.FromContext(ctx); err != nil || got.ID != made.ID {
		t.Errorf("resumed %s, %v", got.ID, err)
	}
}
