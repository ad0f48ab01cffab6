package main

import (
	"os"
	"testing"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// TestCases plays every case on the server of all tests, in every strategy: direct
// with statements that stay prepared, and through PgBouncer with none. The modes
// between them are for make attack, or PARTYWALL_SOAK=full.
func TestCases(t *testing.T) {
	t.Parallel()
	servers, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	all := mode.All()
	if os.Getenv("PARTYWALL_SOAK") != "full" {
		all = []mode.Mode{all[0], all[len(all)-1]}
	}
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			h := built(t, servers, m, strategies()...)
			err := h.run(t.Context(), cases(), func(o Outcome) {
				t.Run(o.Case.ID+" "+o.Case.Name+"/"+string(o.At.strategy), func(t *testing.T) {
					if !o.Verdict.Good() {
						t.Errorf("%s: %s", o.Verdict, o.Evidence)
					}
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// built is a house that goes with the test.
func built(t *testing.T, servers site, m mode.Mode, in ...tenant.Strategy) *house {
	t.Helper()
	h, err := openHouse(t.Context(), servers, m, in...)
	t.Cleanup(func() {
		if err := h.close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}
