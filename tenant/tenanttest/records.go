package tenanttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
)

func testCreate(t *testing.T, s tenant.Store) {
	given := draft("acme")
	before := time.Now().Add(-time.Minute)
	got, err := s.Create(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	if got.Number < 1 || got.Version != 1 || got.CreatedAt.Before(before) || !got.UpdatedAt.Equal(got.CreatedAt) {
		t.Errorf("number %d, version %d, created %s, updated %s", got.Number, got.Version, got.CreatedAt, got.UpdatedAt)
	}
	if got.CreatedAt.Location() != time.UTC {
		t.Errorf("created at %s, want UTC", got.CreatedAt)
	}
	given.Number, given.Version, given.CreatedAt, given.UpdatedAt = got.Number, 1, got.CreatedAt, got.UpdatedAt
	wantSame(t, "Create", got, given)
	for _, key := range []tenant.Key{tenant.ByID(got.ID), tenant.BySlug("acme"), tenant.ByNumber(got.Number)} {
		wantSame(t, "Find "+key.String(), find(t, s, key), got)
	}

	bare := tenant.Tenant{
		ID: tenant.NewID(time.Now()), Slug: "bare", Status: tenant.Deleting,
		Placement: tenant.Placement{Epoch: 1}, DeleteAfter: time.Date(2031, 2, 3, 4, 5, 6, 789000, time.UTC),
	}
	second, err := s.Create(t.Context(), bare)
	if err != nil {
		t.Fatal(err)
	}
	if second.Number <= got.Number || !second.DeleteAfter.Equal(bare.DeleteAfter) || second.Labels.Len() != 0 {
		t.Errorf("got %+v", second)
	}
	wantSame(t, "Find", find(t, s, tenant.ByID(bare.ID)), second)
}

// Of 32 that want one slug, exactly one gets it.
func testCreateRace(t *testing.T, s tenant.Store) {
	errs := race(32, func(int) error {
		_, err := s.Create(t.Context(), draft("wanted"))
		return err
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantError(t, "a loser", err, tenant.ErrSlugTaken)
		}
	}
	if won != 1 {
		t.Errorf("%d won the slug", won)
	}
}

func testCreateTwice(t *testing.T, s tenant.Store) {
	first := create(t, s, "first")
	again := draft("second")
	again.ID = first.ID
	_, err := s.Create(t.Context(), again)
	wantError(t, "the ID of another", err, tenant.ErrConflict)
	_, err = s.Create(t.Context(), draft("first"))
	wantError(t, "the slug of another", err, tenant.ErrSlugTaken)
	wantSame(t, "the first one", find(t, s, tenant.ByID(first.ID)), first)
}

// race calls fn n times at once.
func race(n int, fn func(i int) error) []error {
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func testUpdate(t *testing.T, s tenant.Store) {
	created := create(t, s, "acme")
	next := created
	next.Name, next.Status, next.Reason, next.Plan, next.Region = "Other", tenant.Suspended, "payment", "free", "us"
	next.Labels = tenant.NewLabels(map[string]string{"a": "b"})
	next.Placement = tenant.Placement{
		Server: "us-1", Strategy: tenant.Database, Database: "acme", Bucket: "x", Cache: "y", Epoch: 2,
	}
	// What an update must not change:
	forged := next
	forged.Number, forged.CreatedAt = 4711, created.CreatedAt.Add(time.Hour)

	got, err := s.Update(t.Context(), forged)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != 2 || got.UpdatedAt.Before(created.UpdatedAt) {
		t.Errorf("version %d, updated %s", got.Version, got.UpdatedAt)
	}
	next.Version, next.UpdatedAt = 2, got.UpdatedAt
	wantSame(t, "Update", got, next)
	wantSame(t, "Find", find(t, s, tenant.ByID(got.ID)), got)

	_, err = s.Update(t.Context(), created)
	wantError(t, "an old version", err, tenant.ErrConflict)
	ahead := got
	ahead.Version = 9
	_, err = s.Update(t.Context(), ahead)
	wantError(t, "a version to come", err, tenant.ErrConflict)
	_, err = s.Update(t.Context(), draft("nobody"))
	wantError(t, "a tenant that is not", err, tenant.ErrNotFound)
	wantSame(t, "after the refusals", find(t, s, tenant.ByID(got.ID)), got)

	// The clock of the store runs: of two tenants, the one that was changed
	// last can be told.
	for range 100_000 {
		if got = rename(t, s, got, got.Name+"."); got.UpdatedAt.After(created.UpdatedAt) {
			return
		}
		got.Name = "Other"
	}
	t.Errorf("updated at %s, whatever happens", got.UpdatedAt)
}

// Of 16 updates that race from one version exactly one wins, again and again,
// and none of those that won is lost.
func testUpdateRace(t *testing.T, s tenant.Store) {
	const writers, rounds = 16, 5
	now := create(t, s, "busy")
	for round := range rounds {
		won := make([]tenant.Tenant, writers)
		errs := race(writers, func(i int) (err error) {
			mine := now
			mine.Name += string(rune('a' + i))
			won[i], err = s.Update(t.Context(), mine)
			return err
		})
		winner := slices.Index(errs, nil)
		for i, err := range errs {
			if i != winner {
				wantError(t, "a loser", err, tenant.ErrConflict)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		wantSame(t, "the winner's", find(t, s, tenant.ByID(now.ID)), won[winner])
		if want := now.Name + string(rune('a'+winner)); won[winner].Name != want || won[winner].Version != now.Version+1 {
			t.Errorf("round %d: %q, version %d", round, won[winner].Name, won[winner].Version)
		}
		now = won[winner]
	}
}

func testRename(t *testing.T, s tenant.Store) {
	a, b := create(t, s, "alpha"), create(t, s, "beta")
	a.Slug = "beta"
	_, err := s.Update(t.Context(), a)
	wantError(t, "a slug that is taken", err, tenant.ErrSlugTaken)
	a.Slug = "gamma"
	a, err = s.Update(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Find(t.Context(), tenant.BySlug("alpha"))
	wantError(t, "the old slug", err, tenant.ErrNotFound)
	wantSame(t, "the new slug", find(t, s, tenant.BySlug("gamma")), a)
	b.Slug = "alpha"
	if _, err := s.Update(t.Context(), b); err != nil {
		t.Errorf("the slug that became free: %v", err)
	}
}

func testFind(t *testing.T, s tenant.Store) {
	create(t, s, "acme")
	for _, key := range []tenant.Key{
		{}, tenant.ByID(tenant.NewID(time.Now())), tenant.BySlug("acm"), tenant.BySlug("ACME"), tenant.BySlug("acme "),
		tenant.ByNumber(-1), tenant.ByNumber(1 << 62), tenant.BySlug("acme\x00"), tenant.BySlug("a\xff"),
		tenant.BySlug(strings.Repeat("a", 1<<20)), tenant.BySlug("' OR slug = 'acme"), tenant.BySlug("%"),
	} {
		if _, err := s.Find(t.Context(), key); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Find(%.60s): %v", key, err)
		}
	}
}

// Any text that the rules let through comes back as it was, and none of it is
// ever taken for more than text.
func testHostile(t *testing.T, s tenant.Store) {
	for i, text := range []string{
		`'; DROP TABLE tenant; --`, `"quoted"`, `\`, `$1`, `%s%d`, `{"a":1}`, `\u0000`, "ŁÓDŹ 日本 👩‍👩‍👧", "e\u0301", "\u200f",
		strings.Repeat("ü", 100), "null", "", " spaces ", "a,b\"c",
	} {
		given := draft(fmt.Sprintf("hostile-%d", i))
		given.Name, given.Reason = text, text
		given.Labels = tenant.NewLabels(map[string]string{"note": text, "other.note_1": "x"})
		given.Placement = tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: "s" + text[:min(len(text), 40)],
			Bucket: text, Cache: text, Epoch: 1}
		got, err := s.Create(t.Context(), given)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		back := find(t, s, tenant.ByID(got.ID))
		if back.Name != text || back.Reason != text || back.Placement != given.Placement ||
			!reflect.DeepEqual(back.Labels, given.Labels) {
			t.Errorf("%q came back as %+v", text, back)
		}
		page, err := s.List(t.Context(), tenant.Query{Labels: tenant.NewLabels(map[string]string{"note": text})})
		if err != nil || len(page.Tenants) != 1 {
			t.Errorf("listing by label %q: %d tenants, %v", text, len(page.Tenants), err)
		}
	}
}

func testCancelled(t *testing.T, s tenant.Store) {
	created := create(t, s, "acme")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Create": func() error { _, err := s.Create(ctx, draft("other")); return err },
		"Update": func() error { _, err := s.Update(ctx, created); return err },
		"Find":   func() error { _, err := s.Find(ctx, tenant.ByID(created.ID)); return err },
		"List":   func() error { _, err := s.List(ctx, tenant.Query{}); return err },
		"Changes": func() error {
			_, err := s.Changes(ctx, "", func(tenant.Tenant) error { return nil })
			return err
		},
		"Watch": func() error { return s.Watch(ctx, func() {}) },
	} {
		wantError(t, name, call(), context.Canceled)
	}
	wantSame(t, "afterwards", find(t, s, tenant.ByID(created.ID)), created)
	if _, err := s.Find(t.Context(), tenant.BySlug("other")); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("a cancelled Create: %v", err)
	}
}
