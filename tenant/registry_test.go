package tenant_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// The tests of this file run under synctest: its clock moves when everything
// waits, so hours of polling take no time and time.Sleep is no sleep.

func TestNewRegistry(t *testing.T) {
	t.Parallel()
	_, err := tenant.NewRegistry(nil, &tenant.Options{
		PollInterval: -1, MaxStale: time.Second, MissTTL: -1, Timeout: -1, EnvelopeMaxAge: -1,
		ReservedSlugs: []string{"Bad"}, EnvelopeKeys: &tenant.Keyring{Keys: []tenant.EnvelopeKey{{}, {}}},
	})
	if !errors.Is(err, tenant.ErrInvalid) {
		t.Fatal(err)
	}
	for _, what := range []string{
		"store is nil", "PollInterval", "MissTTL", "Timeout", "EnvelopeMaxAge", "ReservedSlugs", `"Bad"`,
		"installation", "shorter than 32", "there twice",
	} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("nothing is said of %q in: %v", what, err)
		}
	}
	_, err = tenant.NewRegistry(memtenant.New(), &tenant.Options{MaxStale: 14 * time.Second})
	if err == nil || !strings.Contains(err.Error(), "MaxStale is not longer") {
		t.Errorf("a MaxStale that polling cannot keep: %v", err)
	}
}

func TestStartAndClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		acme := mustCreate(t, store, "acme")
		r := newRegistry(t, store, quiet())
		if store.rounds.Load() != 0 {
			t.Error("NewRegistry asked the catalog")
		}

		// Not started, it asks each time.
		for range 2 {
			if got, err := r.Lookup(t.Context(), tenant.BySlug("acme")); err != nil || got.ID != acme.ID {
				t.Errorf("before Start: %v", err)
			}
		}
		if store.finds.Load() != 2 {
			t.Errorf("asked %d times", store.finds.Load())
		}

		store.down.Store(true)
		if err := r.Start(t.Context()); !errors.Is(err, tenant.ErrUnavailable) || !errors.Is(err, errDown) {
			t.Errorf("Start without a catalog: %v", err)
		}
		store.down.Store(false)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err == nil {
			t.Error("started twice")
		}
		h := r.Health()
		if h.Tenants != 1 || h.Err != nil || h.Confirmed.IsZero() {
			t.Errorf("health %+v", h)
		}
		synctest.Wait()
		if !r.Health().Watching {
			t.Error("is not watching")
		}

		r.Close()
		r.Close()
		if err := r.Start(t.Context()); err == nil {
			t.Error("started after Close")
		}
		if _, err := r.Lookup(t.Context(), tenant.BySlug("acme")); err != nil {
			t.Errorf("a hit after Close: %v", err)
		}
		if _, err := r.Lookup(t.Context(), tenant.BySlug("other")); !errors.Is(err, tenant.ErrUnavailable) {
			t.Errorf("a miss after Close: %v", err)
		}
		time.Sleep(16 * time.Minute)
		if _, err := r.Lookup(t.Context(), tenant.BySlug("acme")); !errors.Is(err, tenant.ErrUnavailable) {
			t.Errorf("a hit long after Close: %v", err)
		}
	})
}

func TestCloseInterruptsStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		store.hangs.Store(true)
		r := newRegistry(t, store, quiet())
		ended := make(chan error)
		go func() { ended <- r.Start(t.Context()) }()
		synctest.Wait()
		r.Close()
		if err := <-ended; err == nil {
			t.Error("started")
		}
	})
}

// The catalog goes down and comes back: serving goes on within MaxStale, and
// what is not known is not denied.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		acme := mustCreate(t, store, "acme")
		r := started(t, store, quiet())
		began := time.Now()
		known, unknown := tenant.ByID(acme.ID), tenant.BySlug("unknown")
		if _, err := r.Lookup(t.Context(), unknown); !errors.Is(err, tenant.ErrNotFound) {
			t.Fatalf("before: %v", err)
		}

		store.down.Store(true)
		time.Sleep(10 * time.Second)
		h := r.Health()
		if !errors.Is(h.Err, errDown) || h.Age < 5*time.Second || h.Age > 11*time.Second {
			t.Errorf("health %+v", h)
		}
		asked := time.Now()
		for range 3 {
			_, err := r.Lookup(t.Context(), unknown)
			if !errors.Is(err, tenant.ErrUnavailable) || errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("a miss during the outage: %v", err)
			}
		}
		if waited := time.Since(asked); waited != 0 {
			t.Errorf("misses during the outage waited %s", waited)
		}
		if _, err := r.Refresh(t.Context(), known); !errors.Is(err, tenant.ErrUnavailable) {
			t.Errorf("Refresh during the outage: %v", err)
		}
		if _, err := r.Create(t.Context(), tenant.Spec{Slug: "new"}); !errors.Is(err, tenant.ErrUnavailable) {
			t.Errorf("Create during the outage: %v", err)
		}
		time.Sleep(time.Until(r.Health().Confirmed.Add(15*time.Minute)) - time.Second)
		if got, err := r.Lookup(t.Context(), known); err != nil || got.ID != acme.ID {
			t.Errorf("a hit just within MaxStale: %v", err)
		}
		time.Sleep(2 * time.Second)
		_, err := r.Lookup(t.Context(), known)
		if !errors.Is(err, tenant.ErrUnavailable) || !errors.Is(err, errDown) {
			t.Errorf("a hit beyond MaxStale, after %s: %v", time.Since(began), err)
		}

		store.down.Store(false)
		mustCreate(t, store, "unknown")
		time.Sleep(6 * time.Second)
		for _, key := range []tenant.Key{known, unknown} {
			if _, err := r.Lookup(t.Context(), key); err != nil {
				t.Errorf("after the outage: %v", err)
			}
		}
		if h := r.Health(); h.Err != nil || !h.Watching || h.Tenants != 2 {
			t.Errorf("health %+v", h)
		}
	})
}

// A network that swallows packets is an outage too, and found out in time.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		acme := mustCreate(t, store, "acme")
		r := started(t, store, quiet())
		time.Sleep(time.Second)
		store.hangs.Store(true)
		began := time.Now()
		_, err := r.Lookup(t.Context(), tenant.BySlug("unknown"))
		if took := time.Since(began); !errors.Is(err, tenant.ErrUnavailable) || took > 11*time.Second {
			t.Errorf("a miss: %v after %s", err, took)
		}
		if _, err := r.Lookup(t.Context(), tenant.ByID(acme.ID)); err != nil {
			t.Errorf("a hit: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Refresh(ctx, tenant.ByID(acme.ID)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Refresh: %v", err)
		}
		store.hangs.Store(false)
		time.Sleep(20 * time.Second)
		if h := r.Health(); h.Err != nil {
			t.Errorf("afterwards: %v", h.Err)
		}
	})
}

// A waiting Lookup ends with its own ctx.
func TestLookupCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		r := started(t, store, quiet())
		time.Sleep(time.Second)
		store.hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Lookup(ctx, tenant.BySlug("unknown"))
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, tenant.ErrUnavailable) {
			t.Error(err)
		}
	})
}

// However many unknown names are asked for, the catalog is asked a few times,
// and memory does not grow.
func TestFloodOfUnknownNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		r := started(t, store, quiet())
		synctest.Wait()
		before := store.rounds.Load()
		for second := range 10 {
			var wg sync.WaitGroup
			for i := range 500 {
				wg.Go(func() {
					for _, key := range []tenant.Key{
						tenant.BySlug(fmt.Sprintf("random-%d-%d", second, i)), tenant.ByID(tenant.NewID(time.Now())),
						tenant.ByNumber(int64(1e6 + i)), tenant.BySlug("No Slug"), {},
					} {
						if _, err := r.Lookup(t.Context(), key); !errors.Is(err, tenant.ErrNotFound) {
							t.Errorf("%s: %v", key, err)
						}
					}
				})
			}
			wg.Wait()
			time.Sleep(time.Second)
		}
		now := store.rounds.Load()
		for _, key := range []tenant.Key{tenant.BySlug("No Slug"), tenant.ByNumber(-1), {}} {
			if _, err := r.Lookup(t.Context(), key); !errors.Is(err, tenant.ErrNotFound) || store.rounds.Load() != now {
				t.Errorf("%s: %v, or the catalog was asked for what nobody can be", key, err)
			}
		}
		if rounds, finds := store.rounds.Load()-before, store.finds.Load(); rounds > 15 || finds != 0 {
			t.Errorf("25,000 unknown names made %d rounds and %d questions", rounds, finds)
		}
		if h := r.Health(); h.Tenants != 0 {
			t.Errorf("%d tenants in memory", h.Tenants)
		}
	})
}

// Word of a change is lost: a miss finds a new tenant at once, polling the
// rest.
func TestLostNotification(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		store.deaf.Store(true)
		acme := mustCreate(t, store, "acme")
		r := started(t, store, quiet())
		synctest.Wait()
		if _, err := r.Lookup(t.Context(), tenant.BySlug("late")); !errors.Is(err, tenant.ErrNotFound) {
			t.Fatal(err)
		}
		mustCreate(t, store, "late")
		time.Sleep(300 * time.Millisecond) // MissTTL
		if _, err := r.Lookup(t.Context(), tenant.BySlug("late")); err != nil {
			t.Errorf("a tenant of another node: %v", err)
		}
		acme.Name = "changed"
		if _, err := store.Update(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second) // PollInterval and its jitter
		if got, err := r.Lookup(t.Context(), tenant.ByID(acme.ID)); err != nil || got.Name != "changed" {
			t.Errorf("%q, %v", got.Name, err)
		}
	})
}

// A storm of changes, of an import for example, is taken in gulps: the first
// one at once, the rest without asking for each.
func TestStormOfNotifications(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		r := started(t, store, quiet())
		time.Sleep(time.Second)
		before := store.rounds.Load()
		first := mustCreate(t, store, "first")
		synctest.Wait()
		if h := r.Health(); h.Tenants != 1 {
			t.Errorf("%d tenants at once", h.Tenants)
		}
		for i := range 2000 {
			mustCreate(t, store, fmt.Sprint("t-", i))
			time.Sleep(500 * time.Microsecond)
		}
		time.Sleep(50 * time.Millisecond)
		if h := r.Health(); h.Tenants != 2001 {
			t.Errorf("%d tenants", h.Tenants)
		}
		if rounds := store.rounds.Load() - before; rounds > 60 {
			t.Errorf("%d rounds for a second of changes", rounds)
		}
		if _, err := r.Lookup(t.Context(), tenant.ByID(first.ID)); err != nil {
			t.Error(err)
		}
	})
}

// An answer of the catalog that was overtaken by a write must not bring the
// earlier state back.
func TestWriteBackRace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		store.deaf.Store(true)
		r := started(t, store, quiet())
		acme, err := r.Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
		if err != nil {
			t.Fatal(err)
		}
		store.found = func(tenant.Tenant) {
			store.found = nil
			// The answer is on its way; meanwhile:
			if _, err := r.Suspend(t.Context(), acme.ID, "abuse"); err != nil {
				t.Error(err)
			}
		}
		got, err := r.Refresh(t.Context(), tenant.ByID(acme.ID))
		if err != nil || got.Status != tenant.Suspended {
			t.Errorf("Refresh returned %s, %v", got.Status, err)
		}
		got, err = r.Lookup(t.Context(), tenant.BySlug("acme"))
		if err != nil || got.Status != tenant.Suspended || got.Version != 2 {
			t.Errorf("Lookup returned version %d, %s, %v", got.Version, got.Status, err)
		}
	})
}

// A catalog that was restored to an earlier state replaces what is remembered.
func TestRewound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		store.deaf.Store(true)
		kept, lost := mustCreate(t, store, "kept"), mustCreate(t, store, "lost")
		kept.Name = "newer"
		kept, err := store.Update(t.Context(), kept)
		if err != nil {
			t.Fatal(err)
		}
		r := started(t, store, quiet())
		events := make(map[tenant.ID]tenant.Event)
		r.Subscribe(func(e tenant.Event) { events[e.Before.ID] = e })

		restored := memtenant.New()
		earlier := kept
		earlier.Name = "earlier"
		if _, err := restored.Create(t.Context(), earlier); err != nil {
			t.Fatal(err)
		}
		store.now.Store(restored)
		time.Sleep(6 * time.Second)
		synctest.Wait()

		got, err := r.Lookup(t.Context(), tenant.BySlug("kept"))
		if err != nil || got.Name != "earlier" || got.Version != 1 {
			t.Errorf("got %q, version %d, %v", got.Name, got.Version, err)
		}
		for _, key := range []tenant.Key{tenant.BySlug("lost"), tenant.ByID(lost.ID), tenant.ByNumber(lost.Number)} {
			if _, err := r.Lookup(t.Context(), key); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("%s: %v", key, err)
			}
		}
		if len(events) != 2 || events[kept.ID].After.Name != "earlier" || !events[lost.ID].After.ID.IsZero() {
			t.Errorf("told %+v", events)
		}
	})
}

// What is written while everything is loaded anew is not lost by it.
func TestWriteDuringReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		store.deaf.Store(true)
		var r *tenant.Registry
		var made tenant.Tenant
		var armed atomic.Bool
		reads := 0
		store.caughtUp = func() {
			if !armed.Load() {
				return
			}
			if reads++; reads != 2 { // the first one finds the mark foreign
				return
			}
			var err error
			if made, err = r.Create(t.Context(), tenant.Spec{Slug: "made"}); err != nil {
				t.Error(err)
			}
			store.down.Store(true) // so that no later round brings it
		}
		r = started(t, store, quiet())
		synctest.Wait()
		store.now.Store(memtenant.New())
		armed.Store(true)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got, err := r.Lookup(t.Context(), tenant.BySlug("made")); err != nil || got.ID != made.ID {
			t.Errorf("%s, %v", got.ID, err)
		}
	})
}

// A method that was given no version starts over when somebody else was
// faster; one that was given a version does not.
func TestConflicts(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	r := newRegistry(t, store, quiet())
	acme, err := r.Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	faster := 3
	store.found = func(found tenant.Tenant) {
		if faster--; faster >= 0 {
			found.Name += "+"
			if _, err := store.Update(t.Context(), found); err != nil {
				t.Error(err)
			}
		}
	}
	got, err := r.Suspend(t.Context(), acme.ID, "abuse")
	if err != nil || got.Version != 5 || got.Name != "acme+++" || got.Placement.Epoch != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	faster = 1
	name := "mine"
	if _, err := r.Update(t.Context(), acme.ID, 5, tenant.Patch{Name: &name}); !errors.Is(err, tenant.ErrConflict) {
		t.Errorf("Update: %v", err)
	}
	faster = 1 << 30
	if _, err := r.Activate(t.Context(), acme.ID); !errors.Is(err, tenant.ErrConflict) {
		t.Errorf("Activate against an endless loop: %v", err)
	}
}

// A reserved slug is not to be had by renaming either, and may be kept.
func TestReservedSlugByRename(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	opts := quiet()
	opts.ReservedSlugs = []string{"mine"}
	r := newRegistry(t, store, opts)
	acme, err := r.Create(t.Context(), tenant.Spec{Slug: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	for _, slug := range []string{"mine", "www", "Bad"} {
		if _, err := r.Create(t.Context(), tenant.Spec{Slug: slug}); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("Create %q: %v", slug, err)
		}
		if _, err := r.Update(t.Context(), acme.ID, 1, tenant.Patch{Slug: &slug}); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("Update to %q: %v", slug, err)
		}
	}
	old, name, slug := mustCreate(t, store, "www"), "Still www", "www"
	if _, err := r.Update(t.Context(), old.ID, 1, tenant.Patch{Name: &name, Slug: &slug}); err != nil {
		t.Errorf("a tenant that has a reserved slug: %v", err)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	store := newCatalog()
	r := newRegistry(t, store, quiet())
	for i := range 5 {
		mustCreate(t, store, fmt.Sprint("t-", i))
	}
	all := r.All(t.Context(), tenant.Query{Limit: 2})
	for range 2 { // a sequence can be walked twice
		var slugs []string
		for got, err := range all {
			if err != nil {
				t.Fatal(err)
			}
			slugs = append(slugs, got.Slug)
		}
		if strings.Join(slugs, " ") != "t-0 t-1 t-2 t-3 t-4" {
			t.Error(slugs)
		}
	}
	for got := range all {
		if got.Slug == "t-1" {
			break
		}
	}
	n := 0
	for _, err := range r.All(t.Context(), tenant.Query{Plan: "not a plan"}) {
		if n++; !errors.Is(err, tenant.ErrInvalid) {
			t.Error(err)
		}
	}
	store.down.Store(true)
	for _, err := range all {
		if n++; !errors.Is(err, tenant.ErrUnavailable) {
			t.Error(err)
		}
	}
	if n != 2 {
		t.Errorf("yielded %d times", n)
	}
}
