package schema

import (
	"slices"
	"strings"
)

func (l *linter) alter(c *cursor) {
	switch kind := c.either("table", "index", "sequence", "view", "type", "schema", "materialized", "function"); kind {
	case "table":
		l.alterTable(c)
	case "schema":
		l.find(RuleSchema, "leave schemas to the placements of tenants", "a schema is a place of its own")
	case "", "index":
	default:
		if has(c.list, "rename") {
			l.find(RuleContract, "make the new one beside it, and drop this one when no release uses it", "the %s is renamed under who uses it", kind)
		}
	}
}

func (l *linter) alterTable(c *cursor) {
	c.accept("if", "exists")
	c.skip("only")
	name, t := l.target(c)
	c.skip("*")
	for _, action := range split(c.list, ",") {
		l.action(name, t, &cursor{action})
	}
	l.locked = l.locked || !l.empty(t)
}

// action reads one thing that is done to a table.
func (l *linter) action(name string, t *table, c *cursor) {
	all := c.list
	switch c.either("add", "alter", "drop", "rename", "set", "disable", "no") {
	case "add":
		l.add(name, t, c)
	case "alter":
		c.skip("column")
		l.alterColumn(t, c.ident(), c)
	case "drop":
		if c.accept("constraint") || l.empty(t) {
			return
		}
		l.find(RuleContract, "drop it with a release in which nothing uses it any more, with: -- partywall:allow contract REASON",
			"a column of %s goes away under the release before", name)
	case "rename":
		if c.accept("constraint") || l.empty(t) {
			return
		}
		l.find(RuleContract, "add the new one, write both, and drop the old one when no release uses it", "%s or its column is renamed under who uses it", name)
	case "set":
		switch {
		case c.accept("schema"):
			l.find(RuleSchema, "leave tables in their place", "%s goes to another place", name)
		case c.either("logged", "unlogged", "tablespace", "access") != "" && !l.empty(t):
			l.find(RuleRewrite, "make a new table beside it, and copy in steps", "%s is written anew", name)
		}
	case "disable", "no":
		if has(all, "row", "level", "security") {
			l.find(RuleProtect, "leave it on; AsSystem sees all rows", "%s would be open to all tenants", name)
		}
	}
}

// add reads what is added to a table.
func (l *linter) add(name string, t *table, c *cursor) {
	if constraint(c) {
		l.key(name, c.list)
		l.addConstraint(name, t, c.list)
		return
	}
	c.skip("column")
	c.accept("if", "not", "exists")
	l.element(name, t, c.list)
	column := c.ident()
	if l.empty(t) {
		return
	}
	instead := "ADD COLUMN " + column + " without it, fill it in steps, and ALTER COLUMN … SET DEFAULT for new rows"
	value := (&cursor{after(c.list, "default")}).until("not", "null", "check", "references", "unique", "primary", "constraint", "generated")
	switch call := volatile(value); {
	case call != "":
		l.find(RuleRewrite, instead, "%s gives each row of %s a value of its own, and is or may be volatile", call, name)
	case has(c.list, "stored"), has(c.list, "identity"), len(c.list) > 0 && strings.Contains(c.list[0].text, "serial"):
		l.find(RuleRewrite, instead, "column %s of %s is computed for each row", column, name)
	case has(c.list, "not", "null") && len(value) == 0:
		l.find(RuleContract, "give it a DEFAULT, or add it nullable and fill it in steps",
			"column %s of %s is NOT NULL without a default: it fails where there are rows, and for who does not know it", column, name)
	}
	if has(c.list, "unique") || has(c.list, "primary") {
		l.find(RuleIndex, "ADD COLUMN, CREATE UNIQUE INDEX CONCURRENTLY, and ADD CONSTRAINT … USING INDEX", "the key of %s is built while nobody can write %s", column, name)
	}
}

func (l *linter) addConstraint(name string, t *table, list []token) {
	c := &cursor{list}
	kind := c.either("primary", "unique", "exclude", "check", "foreign")
	if kind == "check" {
		for _, part := range split(c.parens(), "and") {
			if len(part) == 4 && has(part[1:], "is", "not", "null") {
				t.notNull[part[0].text] = true
			}
		}
	}
	switch {
	case l.empty(t), has(list, "not", "valid"), has(list, "using", "index"):
	case kind == "check", kind == "foreign":
		l.find(RuleScan, "ADD CONSTRAINT … NOT VALID, and VALIDATE CONSTRAINT in the next migration", "the constraint is checked for all rows of %s under a lock", name)
	default:
		l.find(RuleIndex, "CREATE UNIQUE INDEX CONCURRENTLY, and ADD CONSTRAINT … USING INDEX", "the key is built while nobody can write %s", name)
	}
}

func (l *linter) alterColumn(t *table, column string, c *cursor) {
	if l.empty(t) {
		return
	}
	switch {
	case c.accept("type"), c.accept("set", "data", "type"):
		l.find(RuleRewrite, "add a column of the new type, fill it in steps, and drop the old one when no release uses it; "+
			"if PostgreSQL need not rewrite (a longer varchar), allow it", "the type of column %s changes", column)
	case c.accept("set", "not", "null") && !t.notNull[column]:
		l.find(RuleScan, "ADD CONSTRAINT … CHECK ("+column+" IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT in the next migration, and then SET NOT NULL",
			"all rows are read for nulls in column %s under a lock", column)
	case c.accept("add", "generated"), c.accept("set", "expression"):
		l.find(RuleRewrite, "add a column beside it", "column %s is computed for each row", column)
	}
}

// after returns what follows a word.
func after(list []token, what string) []token {
	for i, t := range list {
		if t.is(what) {
			return list[i+1:]
		}
	}
	return nil
}

// volatile returns the first call in an expression that is not known to give
// all rows the same value.
func volatile(list []token) string {
	stable := []string{
		"now", "transaction_timestamp", "statement_timestamp", "date_trunc", "coalesce", "nullif", "lower", "upper", "array",
		"jsonb_build_object", "jsonb_build_array", "json_build_object", "to_date", "make_date", "make_interval", "current_setting",
	}
	for i, t := range list {
		if i+1 == len(list) || t.kind != word && t.kind != name || !list[i+1].is("(") {
			continue
		}
		cast := i > 0 && list[i-1].is(":")
		if !cast && !slices.Contains(stable, t.text) {
			return t.text + "()"
		}
	}
	return ""
}
