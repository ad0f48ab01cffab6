package schema

import (
	"slices"
	"strings"
)

func (l *linter) createIndex(c *cursor) {
	unique := has(l.words[:min(2, len(l.words))], "unique")
	concurrently := c.accept("concurrently")
	c.accept("if", "not", "exists")
	index := ""
	if !c.more() || !c.list[0].is("on") {
		index = c.ident()
	}
	c.accept("on")
	c.skip("only")
	name, t := l.target(c)
	if c.accept("using") {
		c.ident()
	}
	if unique {
		l.keys = append(l.keys, l.made(name, "", columns(c.parens()), "unique index "+index))
	}
	if !concurrently && !l.empty(t) {
		l.find(RuleIndex, "CREATE INDEX CONCURRENTLY, in a file with -- +goose NO TRANSACTION", "nobody can write %s while the index is built", name)
	}
}

func (l *linter) drop(c *cursor) {
	kind := c.either("table", "index", "view", "schema", "type", "function", "procedure", "materialized", "sequence", "domain")
	concurrently := c.accept("concurrently")
	c.accept("if", "exists")
	switch kind {
	case "":
		return
	case "index":
		name := c.ident()
		l.drops[name] = true
		if !concurrently {
			l.find(RuleIndex, "DROP INDEX CONCURRENTLY, in a file with -- +goose NO TRANSACTION", "who reads the table is waited for, and others wait behind")
		}
		return
	case "table":
		name, t := l.target(c)
		made := l.empty(t)
		delete(l.tables, name)
		if made {
			return
		}
	}
	l.find(RuleContract, "drop it with a release in which nothing uses it any more, with: -- partywall:allow contract REASON",
		"a %s goes away under the release before", kind)
}

// rows reads a statement that changes rows.
func (l *linter) rows(first string, c *cursor) {
	c.skip("from", "into", "only")
	name, t := l.target(c)
	if l.step.Transaction && l.locked && !l.empty(t) && first != "insert" {
		l.find(RuleBackfill, "change the rows in a migration of its own, or outside of migrations in steps",
			"the rows of %s are changed while the locks of the ALTER before are held", name)
	}
}

func (l *linter) do() {
	for _, t := range l.words {
		if t.kind != text {
			continue
		}
		body := tokens(strings.Trim(t.text, "$'"))
		for _, what := range []string{"create", "alter", "drop", "execute"} {
			if has(body, what) {
				l.find(RuleOpaque, "write it as plain statements, or as a Go function", "the DO block has %s in it, which is not looked into", strings.ToUpper(what))
				return
			}
		}
	}
}

// repeatable minds that a file without a transaction may have run in part.
func (l *linter) repeatable() {
	c := &cursor{l.words}
	switch c.ident() {
	case "drop", "create", "alter":
		index := has(l.words, "index", "concurrently")
		if has(l.words, "if", "exists") || has(l.words, "validate", "constraint") || !index && has(l.words, "if", "not", "exists") {
			return
		}
		if c.until("concurrently"); c.accept("concurrently") && l.drops[c.ident()] {
			return
		}
	case "select", "vacuum", "analyze", "reindex", "set", "reset", "delete", "comment":
		return
	}
	l.find(RuleRepeat, "DROP INDEX CONCURRENTLY IF EXISTS before CREATE INDEX CONCURRENTLY, which leaves an invalid index when it is killed; "+
		"let other statements have a transaction", "it may run twice, without a transaction")
}

// conclude finds what can be said only after everything was read.
func (l *linter) conclude() {
	for name, t := range l.tables {
		at := Finding{File: t.file, Line: t.line}
		switch {
		case t.file == "" || t.shared:
		case !t.tenant:
			at.Rule, at.Problem = RuleTenant, "table "+name+" has no column "+l.column
			at.Instead = l.column + " bigint NOT NULL DEFAULT partywall.tenant(), or SELECT partywall.share('" + name + "') if all tenants read it and none writes"
			l.take(at, t.allows)
		case !t.protected && !l.all:
			at.Rule, at.Problem = RuleProtect, "table "+name+" is not behind the wall"
			at.Instead = "SELECT partywall.protect('" + name + "')"
			l.take(at, t.allows)
		}
	}
	for _, k := range l.keys {
		l.judge(k)
	}
	for _, a := range l.allAllows {
		l.unneeded(a)
	}
}

// judge minds that a key of a tenants' table has the tenant in it.
func (l *linter) judge(k madeKey) {
	t := l.tables[k.table]
	if t == nil || t.shared || !t.tenant && !t.protected {
		return // gone, everybody's, or reported already
	}
	if to := l.tables[k.refers]; k.refers != "" && (to == nil || to.shared) {
		return
	}
	if slices.Contains(k.columns, l.column) {
		return
	}
	k.at.Problem = k.what + " of " + k.table + " does not have " + l.column + " in it"
	k.at.Instead = "put " + l.column + " first: (" + strings.Join(append([]string{l.column}, k.columns...), ", ") + ")"
	l.take(k.at, k.allows)
}

func (l *linter) unneeded(a *allow) {
	f := Finding{File: a.file, Line: a.line, Rule: RuleAllow}
	switch {
	case !slices.Contains(rules(), a.rule) || a.reason == "":
		f.Problem, f.Instead = "an annotation without a rule and a reason", "-- partywall:allow RULE REASON, with one of "+strings.Join(rules(), ", ")
	case !a.used:
		f.Problem, f.Instead = "nothing here needs to be allowed "+a.rule, "remove it"
	default:
		return
	}
	l.found = append(l.found, f)
}
