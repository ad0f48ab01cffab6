package prove

import "context"

// Prover is what [Check] asks; *isolation.DB is one.
type Prover interface {
	// Prove reports what is wrong in every database that is open.
	Prove(ctx context.Context) (*Report, error)
}

// TB is the part of testing.TB that [Check] uses, so that importing this
// package does not link package testing.
type TB interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
}

// Check fails the test with every finding that is left, one by one.
func Check(t TB, p Prover) {
	t.Helper()
	report, err := p.Prove(t.Context())
	if err != nil {
		t.Errorf("prove: %v", err)
		return
	}
	for _, f := range report.Findings {
		t.Errorf("prove: %s: %s: %s", f.Severity, f.Code, f)
	}
}
