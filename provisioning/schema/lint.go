package schema

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The rules of [Migrations.Lint], as they are called in annotations.
const (
	// RuleTenant: a table has neither the tenant column nor partywall.share.
	RuleTenant = "table-without-tenant"
	// RuleProtect: a table has the tenant column and not partywall.protect.
	RuleProtect = "table-unprotected"
	// RuleKey: a key of a tenants' table does not have the tenant column in it,
	// so that a conflict tells what other tenants have.
	RuleKey = "key-without-tenant"
	// RuleSchema: a statement names a schema, and so does not stay in its place.
	RuleSchema = "schema-named"
	// RuleRewrite: a statement writes a whole table anew while nobody can read it.
	RuleRewrite = "table-rewrite"
	// RuleScan: a statement reads a whole table while nobody can write it.
	RuleScan = "table-scan"
	// RuleIndex: an index is built or dropped while nobody can write the table.
	RuleIndex = "index-lock"
	// RuleContract: what the release before this one uses goes away or is renamed.
	RuleContract = "contract"
	// RuleRepeat: without a transaction, a statement cannot be run a second
	// time after the process was killed; or it needs to be without one.
	RuleRepeat = "not-repeatable"
	// RuleBackfill: rows are changed while a lock from before is held.
	RuleBackfill = "backfill-under-lock"
	// RuleOpaque: a DO block changes tables, which nobody can read before.
	RuleOpaque = "opaque"
	// RuleAllow: an annotation without a rule or a reason, or that nothing needs.
	RuleAllow = "allow"
)

func rules() []string {
	return []string{
		RuleTenant, RuleProtect, RuleKey, RuleSchema, RuleRewrite, RuleScan, RuleIndex, RuleContract, RuleRepeat, RuleBackfill, RuleOpaque,
	}
}

// Finding is what [Migrations.Lint] has to say of one statement.
type Finding struct {
	File string
	Line int
	// Rule is one of the constants of this package.
	Rule string
	// Problem says what is wrong, and Instead how to write it.
	Problem, Instead string
}

// String is "file:line: rule: problem; instead".
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s; %s", f.File, f.Line, f.Rule, f.Problem, f.Instead)
}

// Lint reads the SQL files, runs nothing, and returns what should not run as it
// stands, in the order of versions and lines. A finding that is meant is allowed
// by a comment in front of its statement, with the rule and a reason:
//
//	-- partywall:allow contract nobody has read this column since release 41
//	ALTER TABLE orders DROP COLUMN note;
//
// Tables that the same file has made are empty, and may be changed freely. What
// Go functions do is not seen here, but by isolation/prove, as all else that
// makes a table unsafe.
func (m *Migrations) Lint() []Finding {
	l := &linter{column: m.opts.TenantColumn, tables: map[string]*table{}}
	for i := range m.list {
		if step := &m.list[i]; step.File != "" {
			l.file(step)
		}
	}
	l.conclude()
	order := map[string]int{}
	for i, step := range m.list {
		order[step.File] = i
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Problem, b.Problem))
	})
	return l.found
}

// linter reads all migrations, one after another.
type linter struct {
	column string
	tables map[string]*table
	keys   []madeKey
	all    bool // partywall.protect was called for tables that are not named here
	found  []Finding

	allAllows []*allow

	// Of the file that is being read.
	step   *Migration
	allows []*allow
	locked bool // a table that was there before has been changed
	drops  map[string]bool
	words  []token // of the statement
	line   int     // that it begins on
	end    int     // and ends on
	after  int     // that the one before ends on
}

// table is what is known of a table.
type table struct {
	file              string // that makes it
	parent            string // of which it is a partition
	line              int
	tenant            bool
	protected, shared bool
	notNull           map[string]bool // columns that a CHECK says are not null
	allows            []*allow
}

// madeKey is a key whose table may still become a shared one.
type madeKey struct {
	table, refers string
	columns       []string
	what          string
	at            Finding
	allows        []*allow
}

// allow is an annotation.
type allow struct {
	rule, reason string
	file         string
	line         int
	used         bool
}

// file reads one file.
func (l *linter) file(step *Migration) {
	l.step, l.locked, l.drops = step, false, map[string]bool{}
	l.allows = annotations(step)
	l.allAllows = append(l.allAllows, l.allows...)
	end := 0 // the line that the statement before ends on
	for _, s := range step.statements {
		// At least 1: a statement with values of the environment is not found.
		lineOf := func(t token) int { return max(s.line, 1) + strings.Count(s.sql[:t.pos], "\n") }
		for _, part := range split(tokens(s.sql), ";") {
			if len(part) == 0 {
				continue
			}
			last := part[len(part)-1]
			l.words, l.line, l.after = part, lineOf(part[0]), end
			end = lineOf(last) + strings.Count(last.text, "\n")
			l.end = end
			l.statement()
		}
	}
}

// annotations finds what a file allows.
func annotations(step *Migration) []*allow {
	var list []*allow
	pattern := regexp.MustCompile(`^\s*--\s*partywall:allow\b\s*(\S*)\s*(.*?)\s*$`)
	for i, line := range strings.Split(step.text, "\n") {
		if m := pattern.FindStringSubmatch(line); m != nil {
			list = append(list, &allow{rule: m[1], reason: m[2], file: step.File, line: i + 1})
		}
	}
	return list
}

// here are the annotations of the statement that is being read: those in front
// of it and in it.
func (l *linter) here() []*allow {
	var list []*allow
	for _, a := range l.allows {
		if a.line > l.after && a.line <= l.end {
			list = append(list, a)
		}
	}
	return list
}

// find takes a finding of the statement that is being read.
func (l *linter) find(rule, instead, problem string, args ...any) {
	l.take(Finding{l.step.File, l.line, rule, fmt.Sprintf(problem, args...), instead}, l.here())
}

func (l *linter) take(f Finding, allows []*allow) {
	for _, a := range allows {
		if a.rule == f.Rule && a.reason != "" {
			a.used = true
			return
		}
	}
	l.found = append(l.found, f)
}
