package schema

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// Outcome is what became of a place.
type Outcome string

// The outcomes.
const (
	// Current places had nothing to be done.
	Current Outcome = "current"
	// Applied places lacked migrations and have them now.
	Applied Outcome = "applied"
	// Ahead places have versions that this process does not know: a newer
	// release is being rolled out. Nothing was done there.
	Ahead Outcome = "ahead"
	// Absent places have not been made yet.
	Absent Outcome = "absent"
	// Failed places are as they were before the migration that failed; the next
	// Apply goes there again.
	Failed Outcome = "failed"
	// Held places are schemas of a server whose shared tables, which they see,
	// have failed. Nothing was done there.
	Held Outcome = "held"
	// Left places were not gone to, because the work was ended before.
	Left Outcome = "left"
)

// Result is what became of one place.
type Result struct {
	Place isolation.Target
	// Tenant is whose place it is, the zero Tenant for tables that tenants
	// share, and Tenants is how many those are.
	Tenant  tenant.Tenant
	Tenants int
	Outcome Outcome
	// Version is the highest that has run in the place, as far as is known, and
	// Ran are those that ran now, also in a place that failed afterwards.
	Version int64
	Ran     []int64
	// Attempts is how often the place was gone to now, and Took for how long.
	Attempts int
	Took     time.Duration
	// Err is a [*PlaceError] where the place failed, or why the tenant's
	// placement leads nowhere.
	Err error
}

// Report is what became of a fleet.
type Report struct {
	// Release and Version are those of the migrations.
	Release string
	Version int64
	// Counts are the places by outcome.
	Counts map[Outcome]int
	// Results are the places that were gone to or failed, in the order in
	// which that ended, and those held and left. Places that the catalog knows
	// to be current or ahead are only counted.
	Results []Result
	Took    time.Duration
}

// Places is how many places there are.
func (r *Report) Places() (n int) {
	for _, count := range r.Counts {
		n += count
	}
	return n
}

// Failed returns the places that failed.
func (r *Report) Failed() []Result {
	var list []Result
	for _, result := range r.Results {
		if result.Outcome == Failed {
			list = append(list, result)
		}
	}
	return list
}

// Err returns the errors of all places that failed, nil if none did.
func (r *Report) Err() error {
	var errs []error
	for _, result := range r.Failed() {
		errs = append(errs, result.Err)
	}
	return errors.Join(errs...)
}

// String is for people.
func (r *Report) String() string {
	text := &strings.Builder{}
	fmt.Fprintf(text, "schema version %d in %d places:", r.Version, r.Places())
	for _, o := range []Outcome{Current, Applied, Ahead, Absent, Failed, Held, Left} {
		if n := r.Counts[o]; n > 0 {
			fmt.Fprintf(text, " %d %s", n, o)
		}
	}
	fmt.Fprintf(text, " (%s)", r.Took.Round(time.Millisecond))
	return text.String()
}
