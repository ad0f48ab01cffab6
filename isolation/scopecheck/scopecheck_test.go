package scopecheck_test

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/partywall/partywall/isolation/scopecheck"
)

// TestRules holds each rule against what it has to find and what it must not,
// beside small stand-ins for the packages that the rules know by path.
func TestRules(t *testing.T) {
	t.Parallel()

	for _, rule := range []string{"handle", "goroutine", "system", "sql", "protocol", "unhoused", "allow"} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			analysistest.Run(t, analysistest.TestData(), scopecheck.New(), rule)
		})
	}
}

// TestFixes applies what is suggested, which leaves alone what it cannot name.
func TestFixes(t *testing.T) {
	t.Parallel()
	analysistest.RunWithSuggestedFixes(t, analysistest.TestData(), scopecheck.New(), "background")
}
