package pace_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// takeover is a platform of 80,000 domains, 10,000 of them issued within an
// hour, that takes over 20,000 more from elsewhere on day 0 and wins 20,000 in
// 45 days: what one account of Let's Encrypt carries. Its total is 100,000.
func takeover() scenario {
	return scenario{
		days: 45, life: 45 * day, authorities: 1, nodes: 3,
		standing: 59_900, atOnce: 10_000, imported: 20_000, coming: 20_000, crowd: 3_000, crowdComing: 100,
		outage: 10, recall: 20, renewAt: pace.RenewAt,
		maxPeak: 1_000, maxWait: 7 * time.Hour, minSpare: 7 * day,
	}
}

// nothing is a platform that has none of its 100,000 domains on day 0. One
// account would need 52 days for them, so that two authorities share them.
func nothing() scenario {
	s := takeover()
	s.authorities, s.standing, s.atOnce, s.crowd, s.crowdComing = 2, 0, 0, 0, 0
	s.coming = 80_000
	return s
}

// quarter is the takeover, longer: all certificates are renewed at least twice.
func quarter() scenario {
	s := takeover()
	s.days = 90
	return s
}

// sample is small, and has certificates of six days.
func sample() scenario {
	return scenario{
		days: 10, life: 160 * time.Hour, authorities: 1, nodes: 2,
		standing: 2_500, atOnce: 2_000, imported: 3_000, coming: 1_000, crowd: 200, crowdComing: 50,
		outage: 2, recall: 5, renewAt: pace.RenewAt,
		maxPeak: 1_200, maxWait: 7 * time.Hour, minSpare: 24 * time.Hour,
	}
}

// TestSimulation lets days pass for a whole platform, beside an authority that
// keeps Let's Encrypt's limits. With PARTYWALL_SOAK=full these are 45 and 90 days of
// 100,000 domains, and else ten days of a sample:
//
//	PARTYWALL_SOAK=full go test -run TestSimulation -v ./tenant/domain/autotls/pace
func TestSimulation(t *testing.T) {
	t.Parallel()
	scenarios := map[string]scenario{"sample": sample()}
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		scenarios = map[string]scenario{"takeover": takeover(), "nothing": nothing(), "quarter": quarter()}
	}
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := simulate(t, s)
			t.Log(r)
			for _, fault := range r.faults(s) {
				t.Error(fault)
			}
		})
	}
}

// TestSimulationShows has the simulation turn red without each of the things that it
// is about.
func TestSimulationShows(t *testing.T) {
	t.Parallel()
	spread := func(notBefore, notAfter time.Time, _ *pace.Window, _ string) time.Time {
		return notBefore.Add(notAfter.Sub(notBefore) / 2)
	}
	late := func(_, notAfter time.Time, _ *pace.Window, _ string) time.Time {
		return notAfter.Add(-3 * time.Hour)
	}
	tests := map[string]struct {
		without func(*scenario)
		fault   string
	}{
		"no budget":          {func(s *scenario) { s.unpaced = true }, "rate-limit errors"},
		"no classes":         {func(s *scenario) { s.oneClass = true }, "wait"},
		"outages count":      {func(s *scenario) { s.unsure = true }, "wait"},
		"no spread":          {func(s *scenario) { s.renewAt = spread }, "peak"},
		"renewed at the end": {func(s *scenario) { s.renewAt = late }, "lapsed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sample()
			test.without(&s)
			faults := strings.Join(simulate(t, s).faults(s), "\n")
			t.Log(faults)
			if !strings.Contains(faults, test.fault) {
				t.Errorf("the simulation doesn't show it: %s", faults)
			}
		})
	}
}
