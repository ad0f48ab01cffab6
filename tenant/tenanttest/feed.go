package tenanttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/partywall/partywall/tenant"
)

func testChanges(t *testing.T, s tenant.Store) {
	a, b := create(t, s, "alpha"), create(t, s, "beta")
	all, mark, err := collect(t.Context(), s, "")
	if err != nil || len(all) != 2 {
		t.Fatalf("from the beginning: %d tenants, %v", len(all), err)
	}
	wantSame(t, "alpha", all[a.ID], a)

	b = rename(t, s, b, "Beta")
	c := create(t, s, "gamma")
	since, next, err := collect(t.Context(), s, mark)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "beta", since[b.ID], b)
	wantSame(t, "gamma", since[c.ID], c)
	if _, err := s.Find(t.Context(), tenant.BySlug("beta")); err != nil {
		t.Error(err)
	}

	// A tombstone is a change like any other: what is not told of lives on.
	dead := c
	dead.Status, dead.Name, dead.Labels = tenant.Deleted, "", tenant.Labels{}
	dead.Placement.Epoch++ // it may not write any more
	if dead, err = s.Update(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	for what, from := range map[string]tenant.Mark{"since": next, "from the beginning": ""} {
		found, _, err := collect(t.Context(), s, from)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "a tombstone "+what, found[c.ID], dead)
	}

	// The same mark yields the same again, so nothing is lost with an answer.
	again, _, err := collect(t.Context(), s, mark)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "beta, again", again[b.ID], b)
	if _, _, err := collect(t.Context(), s, next); err != nil {
		t.Error(err)
	}
}

func testChangesFail(t *testing.T, s tenant.Store) {
	create(t, s, "alpha")
	broken := errors.New("broken")
	_, err := s.Changes(t.Context(), "", func(tenant.Tenant) error { return broken })
	wantError(t, "an error of each", err, broken)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.Changes(ctx, "", func(tenant.Tenant) error { cancel(); return ctx.Err() })
	wantError(t, "a cancellation during each", err, context.Canceled)
	if all, _, err := collect(t.Context(), s, ""); err != nil || len(all) != 1 {
		t.Errorf("afterwards: %d tenants, %v", len(all), err)
	}
}

func testChangesRewound(t *testing.T, s tenant.Store) {
	create(t, s, "alpha")
	_, mark, err := collect(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []tenant.Mark{"odd", "x" + mark, mark + "0000000", "\x00"} {
		_, err := s.Changes(t.Context(), foreign, func(tenant.Tenant) error {
			t.Error("each was called for a mark of another history")
			return nil
		})
		wantError(t, fmt.Sprintf("mark %q", foreign), err, tenant.ErrRewound)
	}
}

// One reader follows the feed while 8 writers write, and misses nothing.
func testChangesRace(t *testing.T, s tenant.Store) {
	const writers, each = 8, 10
	seen := make(map[tenant.ID]tenant.Tenant)
	var mark tenant.Mark
	follow := func() error {
		found, next, err := collect(t.Context(), s, mark)
		for id, now := range found {
			if now.Version > seen[id].Version {
				seen[id] = now
			}
		}
		mark = next
		return err
	}

	done := make(chan []error)
	go func() {
		done <- race(writers, func(i int) error {
			made, err := s.Create(t.Context(), draft(fmt.Sprintf("writer-%d", i)))
			for n := 0; n < each && err == nil; n++ {
				made.Name = fmt.Sprint("change ", n)
				made, err = s.Update(t.Context(), made)
			}
			return err
		})
	}()
	var errs []error
	for writing := true; writing; {
		select {
		case errs = <-done:
			writing = false
		default:
		}
		if err := follow(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if len(seen) != writers {
		t.Errorf("saw %d of %d tenants", len(seen), writers)
	}
	for _, now := range seen {
		if now.Version != 1+each {
			t.Errorf("%s was last seen at version %d of %d", now.Slug, now.Version, 1+each)
		}
	}
}

// A transaction that began before the mark and commits after it is the one
// that feeds by time or by sequence miss.
func testChangesLateCommit(t *testing.T, s tenant.Store) {
	holder, ok := s.(Holder)
	if !ok {
		t.Log("the store holds no transactions; nothing to prove")
		return
	}
	known := create(t, s, "known")
	early, endEarly := holder.Hold(t)
	late, endLate := holder.Hold(t)
	never, endNever := holder.Hold(t)
	born := create(t, early, "born-early")
	changed := rename(t, late, known, "changed late")
	create(t, never, "never-born")
	create(t, s, "meanwhile") // later transaction, earlier commit

	all, mark, err := collect(t.Context(), s, "")
	if err != nil || len(all) != 2 {
		t.Fatalf("saw %d tenants, %v; want the two that are committed", len(all), err)
	}
	endEarly(true)
	found, mark, err := collect(t.Context(), s, mark)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "the first late commit", found[born.ID], born)
	endNever(false)
	create(t, s, "after")
	if _, mark, err = collect(t.Context(), s, mark); err != nil {
		t.Fatal(err)
	}
	endLate(true)
	found, _, err = collect(t.Context(), s, mark)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "the second late commit", found[changed.ID], changed)
	for _, now := range found {
		if now.Slug == "never-born" {
			t.Error("saw what was rolled back")
		}
	}
}

func testWatch(t *testing.T, s tenant.Store) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	woken := make(chan struct{}, 1)
	ended := make(chan error, 2)
	var wg sync.WaitGroup
	wg.Go(func() {
		ended <- s.Watch(ctx, func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
	})
	wg.Go(func() { ended <- s.Watch(ctx, func() {}) }) // a second one disturbs nobody
	wake := func(what string) {
		t.Helper()
		select {
		case <-woken:
		case err := <-ended:
			t.Fatalf("Watch ended before the wake %s: %v", what, err)
		case <-ctx.Done():
			t.Fatalf("no wake %s", what)
		}
	}
	wake("at the beginning")
	mark := tenant.Mark("")
	created := create(t, s, "alpha")
	// A wake may be one of before; the change itself is what counts.
	until := func(version int64) {
		t.Helper()
		for seen := int64(0); seen < version; {
			wake(fmt.Sprintf("for version %d", version))
			found, next, err := collect(ctx, s, mark)
			if err != nil {
				t.Fatal(err)
			}
			seen, mark = max(seen, found[created.ID].Version), next
		}
	}
	until(1)
	rename(t, s, created, "changed")
	until(2)
	cancel()
	wg.Wait()
	for range 2 {
		wantError(t, "Watch after ctx ended", <-ended, context.Canceled)
	}
}
