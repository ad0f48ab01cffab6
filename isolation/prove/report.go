// Package prove looks for ways around a database's tenant isolation and says
// which SQL closes each.
//
// [Catalog] reads the catalogues of one database, behind Partywall's wall or
// without it, and judges what one role could do there. It changes nothing.
// [Check] is for the host's tests: it fails the test on every finding that is
// left.
package prove

import (
	"cmp"
	"slices"
	"strings"
)

// Severity says how bad a finding is.
type Severity string

// The severities, the worst first.
const (
	// Breach is a way to other tenants' rows.
	Breach Severity = "breach"
	// Warning tells something of other tenants, or weakens what holds them
	// apart.
	Warning Severity = "warning"
	// Info is worth knowing.
	Info Severity = "info"
)

// rank orders severities, the worst first.
func (s Severity) rank() int { return slices.Index([]Severity{Breach, Warning, Info}, s) }

// Finding is one way around the wall.
type Finding struct {
	Severity Severity `json:"severity"`
	// Code names the kind of finding; it is stable.
	Code string `json:"code"`
	// Object is what is wrong, as SQL writes it.
	Object string `json:"object"`
	// Reason says why it is wrong.
	Reason string `json:"reason"`
	// SQL puts it right. It is empty where no SQL does.
	SQL string `json:"sql,omitempty"`
	// Note is what SQL cannot know: when to run it, and what to do besides.
	Note string `json:"note,omitempty"`
	// Server and Database say where it was found, as far as that is known.
	Server   string `json:"server,omitempty"`
	Database string `json:"database,omitempty"`
}

// String is the finding as one sentence that ends with the SQL.
func (f Finding) String() string {
	if f.SQL == "" {
		return f.Reason
	}
	verb := "run"
	if f.Code == CodeUnprotected {
		verb = "add"
	}
	return f.Reason + "; " + verb + ": " + f.SQL + f.Note
}

// Report is all that was found.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Clean reports whether nothing was found.
func (r *Report) Clean() bool { return len(r.Findings) == 0 }

// Only returns the findings of one severity.
func (r *Report) Only(s Severity) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

// asBefore returns what two reports agree on.
func (r *Report) asBefore(before *Report) *Report {
	both := &Report{}
	for _, f := range r.Findings {
		if slices.Contains(before.Findings, f) {
			both.Findings = append(both.Findings, f)
		}
	}
	return both
}

// Add takes over another report's findings, as found in a database of a
// server.
func (r *Report) Add(other *Report, server, database string) {
	for _, f := range other.Findings {
		f.Server, f.Database = server, database
		r.Findings = append(r.Findings, f)
	}
	r.sort()
}

// sort puts the worst first, and makes two reports of the same database equal.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Severity.rank(), b.Severity.rank()),
			strings.Compare(a.Server, b.Server), strings.Compare(a.Database, b.Database),
			strings.Compare(a.Code, b.Code), strings.Compare(a.Object, b.Object), strings.Compare(a.Reason, b.Reason))
	})
}
