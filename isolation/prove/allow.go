package prove

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Allow accepts a finding that is meant. Code and Object are the finding's;
// Reason is for whoever reads it next, and must not be empty.
type Allow struct {
	Code   string `json:"code"`
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// matches reports whether a accepts f.
func (a Allow) matches(f Finding) bool { return a.Code == f.Code && a.Object == f.Object }

// ValidateAllow returns every entry that says too little, as one error.
func ValidateAllow(allowed []Allow) error {
	var errs []error
	for i, a := range allowed {
		if a.Code == "" || a.Object == "" || strings.TrimSpace(a.Reason) == "" {
			errs = append(errs, fmt.Errorf("prove: allow entry %d (%q, %q) needs a code, an object and a reason", i+1, a.Code, a.Object))
		}
	}
	return errors.Join(errs...)
}

// Without returns the report without what is allowed, and the entries that
// matched nothing in it: those are out of date, and may let in something else
// one day.
func (r *Report) Without(allowed []Allow) (left *Report, unused []Allow) {
	left = &Report{}
	for _, f := range r.Findings {
		if !slices.ContainsFunc(allowed, func(a Allow) bool { return a.matches(f) }) {
			left.Findings = append(left.Findings, f)
		}
	}
	for _, a := range allowed {
		if !slices.ContainsFunc(r.Findings, a.matches) {
			unused = append(unused, a)
		}
	}
	return left, unused
}

// UnusedError names the entries that matched nothing; nil when there are none.
func UnusedError(unused []Allow) error {
	var errs []error
	for _, a := range unused {
		errs = append(errs, fmt.Errorf("prove: allowed finding %s of %s is not there any more: take the entry out", a.Code, a.Object))
	}
	return errors.Join(errs...)
}
