package main

import "testing"

// TestDomainCases plays the cases that need no database where there is none: each
// control gets through, and no attack does.
func TestDomainCases(t *testing.T) {
	t.Parallel()
	for _, c := range domainCases() {
		t.Run(c.ID+" "+c.Name, func(t *testing.T) {
			t.Parallel()
			for _, wall := range []bool{false, true} {
				s := &scene{wall: wall, pair: pair{victim: party{canary: unique("canary")}}}
				play := c.Control
				if wall {
					play = c.Attack
				}
				if err := s.played(play(t.Context(), s)); err != nil {
					t.Errorf("wall %v: %v", wall, err)
				}
				if got := s.evidence(); (len(got) == 0) != wall {
					t.Errorf("wall %v: %q", wall, got)
				}
			}
		})
	}
}
