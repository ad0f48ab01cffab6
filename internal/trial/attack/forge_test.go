package main

import (
	"testing"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// TestForgeries makes ten thousand attempts at each gate. None is let in, and
// all get as far as the gate.
func TestForgeries(t *testing.T) {
	t.Parallel()
	servers, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []mode.Mode{mode.All()[0], mode.All()[4]} {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			all, err := built(t, servers, m, tenant.Shared).forge(t.Context(), 10_000)
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for _, f := range all {
				total += f.attempts
				if f.accepted > 0 || f.odd > 0 {
					t.Errorf("%+v", f)
				}
			}
			t.Logf("%d attempts: %+v", total, all)
			if total < 10_000 {
				t.Errorf("only %d attempts", total)
			}
		})
	}
}
