package tenant_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partywall/partywall/tenant"
)

// keyring has the keys of these IDs, all different.
func keyring(installation string, ids ...uint32) *tenant.Keyring {
	ring := &tenant.Keyring{Installation: installation}
	for _, id := range ids {
		ring.Keys = append(ring.Keys, tenant.EnvelopeKey{ID: id, Secret: fmt.Appendf(nil, "%032d %s", id, installation)})
	}
	return ring
}

func withKeys(ring *tenant.Keyring) *tenant.Options {
	o := quiet()
	o.EnvelopeKeys = ring
	return o
}

func mustSeal(t *testing.T, r *tenant.Registry, who tenant.Tenant) string {
	t.Helper()
	envelope, err := r.Envelope(tenant.NewContext(t.Context(), who))
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	acme, globex := mustCreate(t, store, "acme"), mustCreate(t, store, "globex")
	r := newRegistry(t, store, withKeys(keyring("one", 1)))
	envelope := mustSeal(t, r, acme)

	inJSON, err := json.Marshal(envelope)
	if err != nil || len(envelope) > 160 || string(inJSON) != `"`+envelope+`"` || url.QueryEscape(envelope) != envelope {
		t.Errorf("%d characters: %s", len(envelope), envelope)
	}
	ctx, err := r.Resume(t.Context(), envelope)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tenant.FromContext(ctx); err != nil || got.ID != acme.ID || got.Number != acme.Number {
		t.Errorf("resumed %s, %v", got.Slug, err)
	}
	if _, err := r.Resume(tenant.NewContext(t.Context(), acme), envelope); err != nil {
		t.Errorf("within the same tenant: %v", err)
	}
	if _, err := r.Resume(tenant.NewContext(t.Context(), globex), envelope); !errors.Is(err, tenant.ErrTwoTenants) {
		t.Errorf("within another tenant: %v", err)
	}
	if _, err := r.Envelope(t.Context()); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("of no tenant: %v", err)
	}
	acme.Status = tenant.Suspended
	if _, err := r.Envelope(tenant.NewContext(t.Context(), acme)); !errors.Is(err, tenant.ErrSuspended) {
		t.Errorf("of a suspended tenant: %v", err)
	}
}

// No bit of an envelope can be changed, and no other text is one.
func TestEnvelopeForged(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	r := newRegistry(t, store, withKeys(keyring("one", 1)))
	envelope := mustSeal(t, r, mustCreate(t, store, "acme"))
	raw, err := base64.RawURLEncoding.DecodeString(envelope)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		raw[bit/8] ^= 1 << (bit % 8)
		_, err := r.Resume(t.Context(), base64.RawURLEncoding.EncodeToString(raw))
		want := tenant.ErrForged
		if bit/8 >= 5 && bit/8 < 21 { // says that it is of another installation
			want = tenant.ErrForeign
		}
		if !errors.Is(err, want) {
			t.Errorf("bit %d: %v", bit, err)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
	impostor := newRegistry(t, store, withKeys(&tenant.Keyring{
		Installation: "one", Keys: []tenant.EnvelopeKey{{ID: 1, Secret: []byte(strings.Repeat("x", 32))}},
	}))
	acme, err := store.Find(t.Context(), tenant.BySlug("acme"))
	if err != nil {
		t.Fatal(err)
	}
	// Of the last character two bits count; it has one form all the same.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, c := range alphabet {
		if text := envelope[:len(envelope)-1] + string(c); text != envelope {
			if _, err := r.Resume(t.Context(), text); !errors.Is(err, tenant.ErrForged) {
				t.Errorf("with %c at the end: %v", c, err)
			}
		}
	}
	for _, text := range []string{
		"", "x", envelope + "A", envelope[1:], envelope + "=", " " + envelope, envelope + "\n",
		strings.Repeat("A", len(envelope)), strings.Repeat("A", 1<<20), strings.Repeat("\x00", len(envelope)),
		envelope[:50] + "\r\n" + envelope[50:], mustSeal(t, impostor, acme),
	} {
		if _, err := r.Resume(t.Context(), text); !errors.Is(err, tenant.ErrForged) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	other := newRegistry(t, store, withKeys(keyring("two", 1)))
	if _, err := r.Resume(t.Context(), mustSeal(t, other, acme)); !errors.Is(err, tenant.ErrForeign) {
		t.Errorf("of another installation: %v", err)
	}
}

func TestEnvelopeAge(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	opts := withKeys(keyring("one", 1))
	opts.Clock = func() time.Time { return now }
	opts.EnvelopeMaxAge = time.Hour
	r := newRegistry(t, store, opts)
	envelope := mustSeal(t, r, mustCreate(t, store, "acme"))
	made := now
	for _, c := range []struct {
		later time.Duration
		want  error
	}{
		{0, nil}, {time.Hour, nil}, {time.Hour + time.Second, tenant.ErrStale}, {1000 * time.Hour, tenant.ErrStale},
		{-time.Minute, nil}, {-time.Minute - time.Second, tenant.ErrStale}, {-1000 * time.Hour, tenant.ErrStale},
	} {
		now = made.Add(c.later)
		if _, err := r.Resume(t.Context(), envelope); !errors.Is(err, c.want) {
			t.Errorf("%s later: %v, want %v", c.later, err, c.want)
		}
	}
}

// What happened to the tenant since is what counts.
func TestResumeAfterChanges(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	store.deaf.Store(true) // this node hears of nothing
	elsewhere := newRegistry(t, store, quiet())
	acme, err := elsewhere.Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	r := started(t, store, quiet())
	old := mustSeal(t, elsewhere, acme)
	place := tenant.Placement{Server: "us-1", Strategy: tenant.Shared}
	if acme, err = elsewhere.Place(t.Context(), acme.ID, 1, place); err != nil {
		t.Fatal(err)
	}
	fresh := mustSeal(t, elsewhere, acme)

	// The envelope knows of a newer epoch than this node: it asks.
	for _, envelope := range []string{fresh, old} {
		ctx, err := r.Resume(t.Context(), envelope)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tenant.FromContext(ctx); err != nil || got.Placement.Server != "us-1" || got.Placement.Epoch != 2 {
			t.Errorf("resumed at %+v, %v", got.Placement, err)
		}
	}
	ahead := acme
	ahead.Placement.Epoch = 99
	if _, err := r.Resume(t.Context(), mustSeal(t, r, ahead)); !errors.Is(err, tenant.ErrStale) {
		t.Errorf("of an epoch that the catalog never had: %v", err)
	}
	nobody := active("nobody", 9)
	if _, err := r.Resume(t.Context(), mustSeal(t, r, nobody)); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	for _, c := range []struct {
		change func() (tenant.Tenant, error)
		want   error
	}{
		{func() (tenant.Tenant, error) { return r.Suspend(t.Context(), acme.ID, "abuse") }, tenant.ErrSuspended},
		{func() (tenant.Tenant, error) { return r.Maintain(t.Context(), acme.ID, "") }, tenant.ErrMaintenance},
		{func() (tenant.Tenant, error) { return r.Activate(t.Context(), acme.ID) }, nil},
		{func() (tenant.Tenant, error) { return r.Archive(t.Context(), acme.ID, "") }, tenant.ErrArchived},
		{func() (tenant.Tenant, error) { return r.Delete(t.Context(), acme.ID, 0) }, tenant.ErrDeleted},
		{func() (tenant.Tenant, error) { return r.Bury(t.Context(), acme.ID) }, tenant.ErrDeleted},
	} {
		now, err := c.change()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Resume(t.Context(), old); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", now.Status, err)
		}
	}
}

// Keys rotate: the newest signs, all verify, one that is gone does not.
func TestEnvelopeRotation(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	acme := mustCreate(t, store, "acme")
	one := newRegistry(t, store, withKeys(keyring("i", 1)))
	both := newRegistry(t, store, withKeys(keyring("i", 2, 1)))
	two := newRegistry(t, store, withKeys(keyring("i", 2)))
	first, second := mustSeal(t, one, acme), mustSeal(t, both, acme)
	for _, c := range []struct {
		name     string
		r        *tenant.Registry
		envelope string
		want     error
	}{
		{"old key, both known", both, first, nil},
		{"new key, both known", both, second, nil},
		{"new key, alone", two, second, nil},
		{"old key, gone", two, first, tenant.ErrForged},
		{"new key, not known", one, second, tenant.ErrForged},
	} {
		if _, err := c.r.Resume(t.Context(), c.envelope); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// Envelopes with invented keys make a node look for new keys, a few times in a
// second and no more.
func TestEnvelopeInventedKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		r := started(t, store, quiet())
		ring, err := store.EnvelopeKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ring.Keys[0].ID = 4711
		impostor := newRegistry(t, store, withKeys(&ring))
		envelope := mustSeal(t, impostor, mustCreate(t, store, "acme"))
		synctest.Wait()
		before, began := store.keys.Load(), time.Now()
		for range 20 {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if _, err := r.Resume(t.Context(), envelope); !errors.Is(err, tenant.ErrForged) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		asked, took := store.keys.Load()-before, time.Since(began)
		if most := int64(took/(250*time.Millisecond)) + 3; asked > most {
			t.Errorf("asked for the keys %d times in %s", asked, took)
		}
	})
}

func TestEnvelopeWithoutKeys(t *testing.T) {
	t.Parallel()
	acme := active("acme", 1)
	bare := newRegistry(t, manyTenants{}, quiet())
	if _, err := bare.Envelope(tenant.NewContext(t.Context(), acme)); !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("a store without keys: %v", err)
	}
	store := newCatalog()
	store.down.Store(true)
	r := newRegistry(t, store, quiet())
	if _, err := r.Envelope(tenant.NewContext(t.Context(), acme)); !errors.Is(err, tenant.ErrUnavailable) {
		t.Errorf("a catalog that is down: %v", err)
	}
	store.down.Store(false)
	for range 3 {
		mustSeal(t, r, acme)
	}
	if n := store.keys.Load(); n != 2 {
		t.Errorf("asked for the keys %d times", n)
	}
}

// Whatever text comes, Resume returns one of its errors and never a tenant
// that the text does not prove.
func FuzzEnvelope(f *testing.F) {
	store := newCatalog()
	acme := active("acme", 0)
	acme.ID = tenant.ID{6: 0x70, 8: 0x80} // the workers of the fuzzer share the seeds
	acme, err := store.Create(context.Background(), acme)
	if err != nil {
		f.Fatal(err)
	}
	opts := withKeys(keyring("one", 1))
	opts.Clock = func() time.Time { return time.Unix(1_790_000_000, 0) }
	r, err := tenant.NewRegistry(store, opts)
	if err != nil {
		f.Fatal(err)
	}
	genuine, err := r.Envelope(tenant.NewContext(context.Background(), acme))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(genuine)
	f.Add(genuine[:113] + "A")
	f.Add("")
	f.Add(strings.Repeat("A", 114))
	f.Add(strings.ToLower(genuine))
	f.Fuzz(func(t *testing.T, envelope string) {
		ctx, err := r.Resume(context.Background(), envelope)
		if err == nil {
			if envelope != genuine {
				t.Fatalf("%q was taken for genuine", envelope)
			}
			return
		}
		if ctx != nil || !errors.Is(err, tenant.ErrForged) && !errors.Is(err, tenant.ErrForeign) {
			t.Fatalf("%v, %v", ctx, err)
		}
	})
}
