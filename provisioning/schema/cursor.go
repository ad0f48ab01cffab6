package schema

import (
	"slices"
	"strings"
)

// cursor reads a statement word by word.
type cursor struct {
	list []token
}

// more reports whether anything is left.
func (c *cursor) more() bool { return len(c.list) > 0 }

// accept takes words and symbols if they are next, all of them or none.
func (c *cursor) accept(words ...string) bool {
	if len(c.list) < len(words) {
		return false
	}
	for i, w := range words {
		if !c.list[i].is(w) {
			return false
		}
	}
	c.list = c.list[len(words):]
	return true
}

// either takes one of some words, and returns it; "" if none is next.
func (c *cursor) either(words ...string) string {
	for _, w := range words {
		if c.accept(w) {
			return w
		}
	}
	return ""
}

// skip takes words that may be there, in this order.
func (c *cursor) skip(words ...string) {
	for _, w := range words {
		c.accept(w)
	}
}

// ident takes a name, without quotes; "" if none is next.
func (c *cursor) ident() string {
	if !c.more() || c.list[0].kind != word && c.list[0].kind != name {
		return ""
	}
	t := c.list[0]
	c.list = c.list[1:]
	return t.text
}

// path takes a name that may have a schema in front.
func (c *cursor) path() (schema, table string) {
	table = c.ident()
	for c.accept(".") {
		schema, table = table, c.ident()
	}
	return schema, table
}

// parens takes what stands in parentheses, if those are next.
func (c *cursor) parens() []token {
	if !c.more() || !c.list[0].is("(") {
		return nil
	}
	end := c.reach(func(_, depth int) bool { return depth == 0 })
	inner := c.list[1:end]
	c.list = c.list[min(end+1, len(c.list)):]
	return inner
}

// until takes all up to one of some words, outside of parentheses.
func (c *cursor) until(words ...string) []token {
	end := c.reach(func(i, depth int) bool { return i > 0 && depth == 0 && slices.ContainsFunc(words, c.list[i].is) })
	taken := c.list[:end]
	c.list = c.list[end:]
	return taken
}

// reach counts what stands before the token at which to stop, which is asked by
// its index and how deep in parentheses it leaves who reads on.
func (c *cursor) reach(stop func(i, depth int) bool) int {
	depth := 0
	for i, t := range c.list {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
		if stop(i, depth) {
			return i
		}
	}
	return len(c.list)
}

// has reports whether words follow each other somewhere in a list.
func has(list []token, words ...string) bool {
	for i := range list {
		if (&cursor{list[i:]}).accept(words...) {
			return true
		}
	}
	return false
}

// split parts a list at a symbol, outside of parentheses.
func split(list []token, at string) (parts [][]token) {
	depth, from := 0, 0
	for i, t := range list {
		switch {
		case t.is("(") || t.is("["):
			depth++
		case t.is(")") || t.is("]"):
			depth--
		case depth == 0 && t.is(at):
			parts = append(parts, list[from:i])
			from = i + 1
		}
	}
	if from < len(list) {
		parts = append(parts, list[from:])
	}
	return parts
}

// columns reads a list of columns, in which an expression is "".
func columns(list []token) []string {
	parts := split(list, ",")
	names := make([]string, len(parts))
	for i, part := range parts {
		c := cursor{part}
		if column := c.ident(); !c.more() || !c.list[0].is("(") && !c.list[0].is(".") {
			names[i] = column
		}
	}
	return names
}

// unquote returns what a string in single quotes says.
func unquote(t token) string { return strings.ReplaceAll(strings.Trim(t.text, "'"), "''", "'") }
