package tenanttest

import (
	"testing"

	"github.com/partywall/partywall/tenant"
)

// given is a tenant that brings its number along, and an ID of another version.
func given(slug string, number int64) tenant.Tenant {
	t := draft(slug)
	t.Number = number
	t.ID[6] = 0x40 | t.ID[6]&0x0f // version 4
	return t
}

func testCreateGiven(t *testing.T, s tenant.Store) {
	first := create(t, s, "first")
	far := given("far", first.Number+1000)
	got, err := s.Create(t.Context(), far)
	if err != nil {
		t.Fatal(err)
	}
	if got.Number != far.Number || got.ID != far.ID {
		t.Errorf("number %d and ID %s, want %d and %s", got.Number, got.ID, far.Number, far.ID)
	}
	for _, key := range []tenant.Key{tenant.ByID(far.ID), tenant.ByNumber(far.Number)} {
		wantSame(t, "Find "+key.String(), find(t, s, key), got)
	}
	if next := create(t, s, "next"); next.Number <= far.Number {
		t.Errorf("number %d after %d was given", next.Number, far.Number)
	}
	between, err := s.Create(t.Context(), given("between", first.Number+500))
	if err != nil || between.Number != first.Number+500 {
		t.Errorf("a number below: %d, %v", between.Number, err)
	}
	if next := create(t, s, "after"); next.Number <= far.Number {
		t.Errorf("number %d after %d was given, and one below it", next.Number, far.Number)
	}
	_, err = s.Create(t.Context(), given("again", far.Number))
	wantError(t, "the number of another", err, tenant.ErrConflict)
	_, err = s.Create(t.Context(), given("far", far.Number+5000))
	wantError(t, "the slug of another", err, tenant.ErrSlugTaken)
}

// Some bring their numbers along while others are given the next: all come in,
// and no number goes to two.
func testCreateGivenRace(t *testing.T, s tenant.Store) {
	numbers := make([]int64, 24)
	errs := race(len(numbers), func(i int) error {
		slug := "racer-" + string(rune('a'+i))
		wanted := draft(slug)
		if i%2 == 0 {
			wanted = given(slug, int64(2*i+1))
		}
		got, err := s.Create(t.Context(), wanted)
		numbers[i] = got.Number
		return err
	})
	seen := map[int64]bool{}
	for i, err := range errs {
		if err != nil && i%2 == 0 {
			wantError(t, "a number that was drawn before", err, tenant.ErrConflict)
			continue
		}
		if err != nil || seen[numbers[i]] {
			t.Errorf("racer %d: number %d, %v", i, numbers[i], err)
		}
		seen[numbers[i]] = true
	}
}
