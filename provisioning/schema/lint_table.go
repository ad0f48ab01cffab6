package schema

import (
	"slices"
	"strings"
)

// statement reads one statement.
func (l *linter) statement() {
	c := &cursor{l.words}
	l.calls()
	switch first := c.ident(); first {
	case "create":
		l.create(c)
	case "alter":
		l.alter(c)
	case "drop":
		l.drop(c)
	case "truncate":
		l.find(RuleContract, "delete the rows outside of migrations", "all rows go away")
	case "reindex", "cluster":
		if !has(l.words, "concurrently") {
			l.find(RuleIndex, "REINDEX … CONCURRENTLY, in a file with -- +goose NO TRANSACTION", "nobody can write the table meanwhile")
		}
	case "update", "delete", "insert":
		l.rows(first, c)
	case "do":
		l.do()
	case "select":
		if has(l.words, "set_config") && slices.ContainsFunc(l.words, func(t token) bool { return t.text == "'search_path'" }) {
			l.find(RuleSchema, "leave the search_path: it is the place's", "set_config leads away from the place")
		}
	case "set":
		if c.skip("session", "local"); c.accept("search_path") {
			l.find(RuleSchema, "leave the search_path: it is the place's", "SET search_path leads away from the place")
		}
	}
	if !l.step.Transaction {
		l.repeatable()
	} else if has(l.words, "concurrently") {
		l.find(RuleRepeat, "put -- +goose NO TRANSACTION at the top of the file", "CONCURRENTLY is refused in a transaction")
	}
}

// calls looks for what declares a table tenants' or shared, wherever it is said.
func (l *linter) calls() {
	for _, function := range []string{"protect", "share"} {
		c := &cursor{l.words}
		for c.more() {
			if !c.accept("partywall", ".", function) {
				c.list = c.list[1:]
				continue
			}
			args := c.parens()
			if len(args) == 0 || args[0].kind != text {
				l.all = true
				continue
			}
			parts := strings.Split(unquote(args[0]), ".")
			l.declare(strings.ToLower(strings.Trim(parts[len(parts)-1], `"`)), function)
		}
	}
}

// declare makes a table shared or protected, and with it the partitions that it
// has by then.
func (l *linter) declare(name, function string) {
	t := l.table(name)
	t.shared, t.protected = function == "share", function == "protect"
	for partition, p := range l.tables {
		if p.parent == name {
			l.declare(partition, function)
		}
	}
}

// table returns what is known of a table, which may be nothing yet.
func (l *linter) table(name string) *table {
	if l.tables[name] == nil {
		l.tables[name] = &table{notNull: map[string]bool{}}
	}
	return l.tables[name]
}

// target takes the name of what a statement works on, and minds its schema.
func (l *linter) target(c *cursor) (string, *table) {
	schema, table := c.path()
	if schema != "" && schema != "partywall" && schema != "pg_temp" {
		l.find(RuleSchema, "name "+table+" alone: the search_path is the place's", "%s.%s is the same table in every place", schema, table)
	}
	return table, l.table(table)
}

// empty reports whether the file that is being read has made the table.
func (l *linter) empty(t *table) bool { return t.file == l.step.File }

func (l *linter) create(c *cursor) {
	c.skip("or", "replace", "global", "local")
	if c.either("temp", "temporary") != "" {
		return
	}
	c.skip("unlogged", "unique")
	switch c.either("table", "index", "schema", "view", "materialized", "function", "procedure", "type", "domain", "sequence") {
	case "table":
		c.accept("if", "not", "exists")
		l.createTable(c)
	case "index":
		l.createIndex(c)
	case "schema":
		l.find(RuleSchema, "leave schemas to the placements of tenants", "a schema is a place of its own")
	case "":
	default:
		c.skip("view")
		c.accept("if", "not", "exists")
		l.target(c)
	}
}

func (l *linter) createTable(c *cursor) {
	name, t := l.target(c)
	*t = table{file: l.step.File, line: l.line, notNull: t.notNull, allows: l.here()}
	if c.accept("partition", "of") {
		parent, of := l.target(c)
		t.parent, t.tenant = parent, of.tenant
		return
	}
	for _, element := range split(c.parens(), ",") {
		l.element(name, t, element)
	}
	if has(c.list, "as") && has(c.list, l.column) {
		t.tenant = true
	}
}

// element reads a column or a constraint of a table.
func (l *linter) element(name string, t *table, element []token) {
	c := &cursor{element}
	if constraint(c) {
		l.key(name, c.list)
		return
	}
	if c.accept("like") {
		_, from := c.path()
		t.tenant = t.tenant || l.table(from).tenant
		return
	}
	column := c.ident()
	t.tenant = t.tenant || column == l.column
	for _, what := range []string{"primary", "unique"} {
		if has(c.list, what) && column != l.column {
			l.keys = append(l.keys, l.made(name, "", []string{column}, "the key of column "+column))
		}
	}
	if has(c.list, "references") {
		c.until("references")
		l.reference(name, []string{column}, c)
	}
}

// constraint takes the name of a table's constraint, and reports whether there
// is one next.
func constraint(c *cursor) bool {
	if c.accept("constraint") {
		c.ident()
		return true
	}
	return c.more() && slices.ContainsFunc([]string{"primary", "unique", "foreign", "check", "exclude"}, c.list[0].is) && len(c.list) > 1 &&
		(c.list[0].is("check") || c.list[0].is("unique") || c.list[0].is("exclude") || c.list[1].is("key"))
}

// key reads a constraint, after its name.
func (l *linter) key(name string, list []token) {
	c := &cursor{list}
	switch kind := c.either("primary", "unique", "foreign", "exclude", "check"); kind {
	case "primary", "unique":
		c.skip("key", "nulls", "not", "distinct")
		if c.accept("using", "index") {
			return // the index has been read
		}
		l.keys = append(l.keys, l.made(name, "", columns(c.parens()), "the key"))
	case "foreign":
		c.skip("key")
		of := columns(c.parens())
		l.reference(name, of, c)
	case "exclude":
		if c.accept("using") {
			c.ident()
		}
		l.keys = append(l.keys, l.made(name, "", columns(c.parens()), "the exclusion"))
	}
}

func (l *linter) reference(name string, of []string, c *cursor) {
	if c.accept("references") {
		to, _ := l.target(c)
		l.keys = append(l.keys, l.made(name, to, of, "the foreign key"))
	}
}

func (l *linter) made(name, refers string, of []string, what string) madeKey {
	return madeKey{
		table: name, refers: refers, columns: of, what: what, allows: l.here(),
		at: Finding{File: l.step.File, Line: l.line, Rule: RuleKey},
	}
}
