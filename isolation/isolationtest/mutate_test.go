package isolationtest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/isolation/isolationtest"
	"github.com/partywall/partywall/isolation/prove"
)

// TestRunOnTheWall is what a host's own test looks like.
func TestRunOnTheWall(t *testing.T) {
	t.Parallel()
	h := build(t, false)
	host, db := h.host(), h.db
	app, two, seed := host.Handler, host.Tenants, host.Seed
	isolationtest.Run(t, isolationtest.Host{
		Handler: app, Tenants: two, Seed: seed,
		Routes: isolationtest.Routes("GET /orders", "GET /orders/{id}", "DELETE /orders/{id}"),
	})
	prove.Check(t, db)
}

// TestMutations knocks out every wall there is, directly and behind a pooler.
func TestMutations(t *testing.T) {
	t.Parallel()
	for name, pooled := range map[string]bool{"direct": false, "pooled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, pooled)
			mutations, err := isolationtest.Walls{Conn: h.admin, Role: h.role, Tables: []string{"orders"}}.Mutations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(mutations) < 40 {
				t.Errorf("%d mutations", len(mutations))
			}
			isolationtest.Mutate(t, mutations,
				isolationtest.Proving(h.db), isolationtest.Probing(h.db, h.who[0], h.who[1]), isolationtest.Watching(h.host()))
		})
	}
}

// TestSurvivors are reported: a mutation that nobody looks for, and a wall that
// cannot be put back.
func TestSurvivors(t *testing.T) {
	t.Parallel()
	h := newShop().host()
	nothing := func(context.Context) error { return nil }
	idle := isolationtest.Mutation{Name: "idle", Knock: func(context.Context) (func(context.Context) error, error) { return nothing, nil }}
	f := &failing{T: t}
	isolationtest.Mutate(f, []isolationtest.Mutation{idle}, isolationtest.Watching(h))
	if len(f.errs) != 1 || !strings.Contains(f.errs[0], "nobody notices when the wall falls: idle") {
		t.Errorf("got %q", f.errs)
	}
	for name, c := range map[string]struct {
		mutations []isolationtest.Mutation
		watch     isolationtest.Watch
		says      string
	}{
		"no mutations": {nil, isolationtest.Watching(h), "needs mutations and watches"},
		"never silent": {[]isolationtest.Mutation{idle}, isolationtest.Watching(isolationtest.Host{}), "before any mutation: the tests is not silent"},
		"stuck": {
			[]isolationtest.Mutation{{Name: "stuck", Knock: func(context.Context) (func(context.Context) error, error) {
				return func(context.Context) error { return errors.New("no way back") }, nil
			}}},
			isolationtest.Watching(h), `mutation "stuck": putting it back: no way back`,
		},
		"not to be knocked out": {
			[]isolationtest.Mutation{{Name: "firm", Knock: func(context.Context) (func(context.Context) error, error) { return nil, errors.New("too firm") }}},
			isolationtest.Watching(h), `mutation "firm": too firm`,
		},
	} {
		f := &failing{T: t}
		isolationtest.Mutate(f, c.mutations, c.watch)
		if !slices.ContainsFunc(f.errs, func(e string) bool { return strings.Contains(e, c.says) }) {
			t.Errorf("%s: got %q", name, f.errs)
		}
	}
}

// TestMutantsOfAHandler are mutations of a host without Partywall: each fault
// of the shop is one.
func TestMutantsOfAHandler(t *testing.T) {
	t.Parallel()
	s := newShop()
	var mutations []isolationtest.Mutation
	for _, f := range faults() {
		mutations = append(mutations, isolationtest.Mutation{Name: f.name, Knock: func(context.Context) (func(context.Context) error, error) {
			before := s.mux
			s.with(f)
			return func(context.Context) error {
				s.mux, s.shared = before, ""
				return nil
			}, nil
		}})
	}
	isolationtest.Mutate(t, mutations, isolationtest.Watching(s.host()))
}

func TestWallsWithoutATable(t *testing.T) {
	t.Parallel()
	h := build(t, false)
	for says, w := range map[string]isolationtest.Walls{
		"needs a Conn and a Role":  {},
		`"nowhere" does not exist`: {Conn: h.admin, Role: h.role, Tables: []string{"nowhere"}},
		"no table is protected":    {Conn: h.admin, Role: h.role, Tables: []string{"pg_class"}},
	} {
		if _, err := w.Mutations(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %s", err, says)
		}
	}
}
