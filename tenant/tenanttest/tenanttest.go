// Package tenanttest proves that an implementation of [tenant.Store] keeps its
// contract. A store runs it in a test of its own:
//
//	func TestStore(t *testing.T) {
//		tenanttest.Run(t, func(t *testing.T) tenant.Store { return mystore.New() })
//	}
package tenanttest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
)

// Holder is a [tenant.Store] with transactions that stay open for a while. Run
// puts such stores to further tests: a change that commits late must not be
// missed.
type Holder interface {
	// Hold begins a transaction. What is written to records is seen by others
	// after end(true), and never after end(false). Both ends are called at
	// most once; a transaction that the test leaves open is rolled back.
	Hold(t *testing.T) (records tenant.Records, end func(commit bool))
}

// Run runs the whole kit. It calls open for each test anew; every store it
// returns is empty, shares nothing with the others, and is closed by t.Cleanup
// if that is needed. The tests run in parallel.
func Run(t *testing.T, open func(t *testing.T) tenant.Store) {
	for _, topic := range []struct {
		name string
		test func(*testing.T, tenant.Store)
	}{
		{"Create", testCreate},
		{"CreateRace", testCreateRace},
		{"CreateTwice", testCreateTwice},
		{"CreateGiven", testCreateGiven},
		{"CreateGivenRace", testCreateGivenRace},
		{"Update", testUpdate},
		{"UpdateRace", testUpdateRace},
		{"Rename", testRename},
		{"Find", testFind},
		{"Hostile", testHostile},
		{"Cancelled", testCancelled},
		{"Transitions", testTransitions},
		{"Epoch", testEpoch},
		{"PlaceRace", testPlaceRace},
		{"Tombstone", testTombstone},
		{"ListFilters", testListFilters},
		{"ListPages", testListPages},
		{"ListWhileCreating", testListWhileCreating},
		{"ListInvalid", testListInvalid},
		{"Changes", testChanges},
		{"ChangesFail", testChangesFail},
		{"ChangesRewound", testChangesRewound},
		{"ChangesRace", testChangesRace},
		{"ChangesLateCommit", testChangesLateCommit},
		{"Watch", testWatch},
		{"Registry", testRegistry},
		{"TwoRegistries", testTwoRegistries},
		{"EnvelopeKeys", testEnvelopeKeys},
	} {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			topic.test(t, open(t))
		})
	}
}

// patience is how long the kit waits for what should happen in moments.
const patience = 20 * time.Second

// draft returns a tenant that a store would be given, before it is created.
func draft(slug string) tenant.Tenant {
	return tenant.Tenant{
		ID: tenant.NewID(time.Now()), Slug: slug, Name: "Company " + slug, Status: tenant.Active,
		Plan: "pro", Region: "eu", Labels: tenant.NewLabels(map[string]string{"owner": slug, "tier": "1"}),
		Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared, Bucket: "b", Cache: "c", Epoch: 1},
	}
}

func create(t *testing.T, s tenant.Records, slug string) tenant.Tenant {
	t.Helper()
	created, err := s.Create(t.Context(), draft(slug))
	if err != nil {
		t.Fatalf("Create(%q): %v", slug, err)
	}
	return created
}

// rename is the smallest change there is.
func rename(t *testing.T, s tenant.Records, old tenant.Tenant, name string) tenant.Tenant {
	t.Helper()
	old.Name = name
	updated, err := s.Update(t.Context(), old)
	if err != nil {
		t.Fatalf("Update(%s): %v", old.Slug, err)
	}
	return updated
}

func find(t *testing.T, s tenant.Records, key tenant.Key) tenant.Tenant {
	t.Helper()
	found, err := s.Find(t.Context(), key)
	if err != nil {
		t.Fatalf("Find(%s): %v", key, err)
	}
	return found
}

// wantSame compares whole tenants.
func wantSame(t *testing.T, what string, got, want tenant.Tenant) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

// registry returns one that is started over s and closed with the test.
func registry(t *testing.T, s tenant.Store) *tenant.Registry {
	t.Helper()
	r, err := tenant.NewRegistry(s, &tenant.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// collect returns what changed since the mark, by ID.
func collect(ctx context.Context, s tenant.Store, since tenant.Mark) (map[tenant.ID]tenant.Tenant, tenant.Mark, error) {
	found := make(map[tenant.ID]tenant.Tenant)
	next, err := s.Changes(ctx, since, func(t tenant.Tenant) error {
		found[t.ID] = t
		return nil
	})
	if err == nil && next == "" {
		err = errors.New("the mark returned is the zero Mark")
	}
	if err != nil {
		return nil, "", fmt.Errorf("changes since %q: %w", since, err)
	}
	return found, next, nil
}
