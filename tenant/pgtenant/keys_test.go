package pgtenant_test

import (
	"errors"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// After a rotation, nodes that have not heard of it open what the new key
// signed, and a key that was dropped opens nothing.
func TestRotation(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, pgtenant.Template(t))
	here, there := open(t, db.Pool(t), nil), open(t, db.Pool(t), nil)
	acme, err := here.Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	seal := func(c *pgtenant.Catalog) string {
		t.Helper()
		envelope, err := c.Envelope(tenant.NewContext(t.Context(), acme))
		if err != nil {
			t.Fatal(err)
		}
		return envelope
	}
	old := seal(here)
	if _, err := there.Resume(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if n, err := here.DropEnvelopeKeys(t.Context(), 0); n != 0 || err != nil {
		t.Fatalf("dropped %d keys of one, %v", n, err)
	}
	if id, err := here.RotateEnvelopeKey(t.Context()); id != 2 || err != nil {
		t.Fatalf("rotated to %d, %v", id, err)
	}
	fresh := old
	eventually(t, "the new key signs", func() bool {
		fresh = seal(here)
		return fresh[:7] != old[:7] // version and key
	})
	for _, envelope := range []string{fresh, old} {
		if _, err := there.Resume(t.Context(), envelope); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
	}
	if n, err := here.DropEnvelopeKeys(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("dropped %d keys that may be in use, %v", n, err)
	}
	if n, err := here.DropEnvelopeKeys(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("dropped %d keys, %v", n, err)
	}
	eventually(t, "the old key is gone everywhere", func() bool {
		_, err := there.Resume(t.Context(), old)
		return errors.Is(err, tenant.ErrForged)
	})
	if _, err := there.Resume(t.Context(), fresh); err != nil {
		t.Error(err)
	}
}

// There is room for 32 keys: one more would be of no use to any node.
func TestRotationHasAnEnd(t *testing.T) {
	t.Parallel()
	c := open(t, pgtest.New(t, pgtenant.Template(t)).Pool(t), nil)
	for want := uint32(2); want <= 32; want++ {
		if id, err := c.RotateEnvelopeKey(t.Context()); id != want || err != nil {
			t.Fatalf("rotated to %d, %v; want %d", id, err, want)
		}
	}
	if id, err := c.RotateEnvelopeKey(t.Context()); id != 0 || !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("rotated to %d, %v", id, err)
	}
	if n, err := c.DropEnvelopeKeys(t.Context(), 0); n != 31 || err != nil {
		t.Errorf("dropped %d keys, %v", n, err)
	}
	if id, err := c.RotateEnvelopeKey(t.Context()); id != 33 || err != nil {
		t.Errorf("rotated to %d, %v", id, err)
	}
}
