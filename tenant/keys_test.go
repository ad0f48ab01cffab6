package tenant_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partywall/partywall/tenant"
)

// A catalog that tells of its tenants and falls silent when it is asked for the
// keys is an outage too: it is noticed, and MaxStale holds.
func TestSilenceAboutKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		acme := mustCreate(t, store, "acme")
		r := started(t, store, quiet())
		synctest.Wait()
		store.mute.Store(true)
		time.Sleep(20 * time.Second)
		if h := r.Health(); !errors.Is(h.Err, tenant.ErrUnavailable) {
			t.Errorf("health %+v", h)
		}
		time.Sleep(15 * time.Minute)
		if _, err := r.Lookup(t.Context(), tenant.ByID(acme.ID)); !errors.Is(err, tenant.ErrUnavailable) {
			t.Errorf("a hit beyond MaxStale: %v", err)
		}
		store.mute.Store(false)
		time.Sleep(20 * time.Second)
		if h := r.Health(); h.Err != nil {
			t.Errorf("afterwards: %v", h.Err)
		}
	})
}

// Who waits for the keys waits no longer than its own ctx says, although
// somebody else with more patience asked before.
func TestKeysCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		r := newRegistry(t, store, quiet())
		in := tenant.NewContext(t.Context(), mustCreate(t, store, "acme"))
		store.mute.Store(true)
		patient := make(chan error)
		go func() {
			_, err := r.Envelope(in)
			patient <- err
		}()
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(in, time.Second)
		defer cancel()
		_, err := r.Envelope(ctx)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
			t.Errorf("%v after %s", err, took)
		}
		if err := <-patient; !errors.Is(err, tenant.ErrUnavailable) {
			t.Errorf("the patient one: %v", err)
		}
	})
}

// Keys that break the rules stop envelopes until they are mended, and nothing
// else: tenants are served on.
func TestKeysThatAreNoGood(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*tenant.Keyring){
		"too many": func(k *tenant.Keyring) {
			for id := uint32(2); len(k.Keys) < 33; id++ {
				k.Keys = append(k.Keys, tenant.EnvelopeKey{ID: id, Secret: fmt.Appendf(nil, "%032d", id)})
			}
		},
		"none":  func(k *tenant.Keyring) { k.Keys = nil },
		"short": func(k *tenant.Keyring) { k.Keys[0].Secret = k.Keys[0].Secret[:31] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newCatalog()
				acme := mustCreate(t, store, "acme")
				r := started(t, store, quiet())
				synctest.Wait()
				envelope := mustSeal(t, r, acme)
				store.spoil.Store(&spoil)
				time.Sleep(16 * time.Minute) // longer than MaxStale
				if _, err := r.Lookup(t.Context(), tenant.ByID(acme.ID)); err != nil {
					t.Errorf("a hit: %v", err)
				}
				if _, err := r.Lookup(t.Context(), tenant.BySlug("unknown")); !errors.Is(err, tenant.ErrNotFound) {
					t.Errorf("a miss: %v", err)
				}
				if h := r.Health(); h.Err != nil {
					t.Errorf("health %+v", h)
				}
				// A job that meets them waits: nothing is wrong with its envelope.
				if _, err := r.Resume(t.Context(), envelope); !errors.Is(err, tenant.ErrUnavailable) {
					t.Errorf("Resume: %v", err)
				}
				if _, err := r.Envelope(tenant.NewContext(t.Context(), acme)); !errors.Is(err, tenant.ErrUnavailable) {
					t.Errorf("Envelope: %v", err)
				}
				store.spoil.Store(nil)
				time.Sleep(10 * time.Second)
				if _, err := r.Resume(t.Context(), envelope); err != nil {
					t.Errorf("mended: %v", err)
				}
			})
		})
	}
}

// A registry that is not started has no rounds that would bring better keys: it
// asks for them when it needs them.
func TestKeysMendedWithoutStart(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	r := newRegistry(t, store, quiet())
	in := tenant.NewContext(t.Context(), mustCreate(t, store, "acme"))
	spoil := func(k *tenant.Keyring) { k.Keys = nil }
	store.spoil.Store(&spoil)
	for range 2 {
		if _, err := r.Envelope(in); !errors.Is(err, tenant.ErrUnavailable) || !errors.Is(err, tenant.ErrInvalid) {
			t.Error(err)
		}
	}
	store.spoil.Store(nil)
	if _, err := r.Envelope(in); err != nil {
		t.Errorf("mended: %v", err)
	}
}
