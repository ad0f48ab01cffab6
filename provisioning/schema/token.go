package schema

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what a token is.
type kind int

// The kinds. Comments and blanks are no tokens.
const (
	word   kind = iota // a keyword or a name, in lower case
	name               // a name in double quotes, without them
	text               // a string of any form, with its quotes
	number             // a number, or $1
	symbol             // one character of anything else
)

// token is one word of SQL.
type token struct {
	kind kind
	text string
	pos  int // in bytes
}

// is reports whether t is that keyword or symbol.
func (t token) is(what string) bool { return t.text == what && (t.kind == word || t.kind == symbol) }

// tokens reads SQL as PostgreSQL's scanner does, with standard_conforming_strings
// on. What does not end ends with the text.
func tokens(sql string) []token {
	var list []token
	for pos := 0; pos < len(sql); {
		size, k := next(sql[pos:])
		if size == 0 { // a blank or a comment
			pos += blank(sql[pos:])
			continue
		}
		t := token{kind: k, text: sql[pos : pos+size], pos: pos}
		switch k {
		case word:
			t.text = strings.ToLower(t.text)
		case name:
			t.text = strings.ReplaceAll(strings.Trim(t.text, `"`), `""`, `"`)
		}
		list = append(list, t)
		pos += size
	}
	return list
}

// next measures the token that sql begins with; 0 is none.
func next(sql string) (int, kind) {
	if blank(sql) > 0 {
		return 0, symbol
	}
	if size, k := quotes(sql); size > 0 {
		return size, k
	}
	r, size := utf8.DecodeRuneInString(sql)
	switch {
	case r == '$':
		return size + span(sql[size:], isDigit), number
	case isDigit(r):
		return size + span(sql[size:], func(r rune) bool { return isDigit(r) || r == '.' || unicode.IsLetter(r) }), number
	case isFirst(r):
		return size + span(sql[size:], func(r rune) bool { return isFirst(r) || isDigit(r) || r == '$' }), word
	}
	return size, symbol
}

// quotes measures the string or quoted name that sql begins with; 0 is none.
func quotes(sql string) (int, kind) {
	switch sql[0] {
	case '\'':
		return quoted(sql, 0, '\'', false), text
	case '"':
		return quoted(sql, 0, '"', false), name
	case '$':
		return dollar(sql), text
	}
	prefix, rest := strings.ToLower(sql[:1]), sql[1:]
	switch {
	case prefix == "e" && strings.HasPrefix(rest, "'"):
		return quoted(sql, 1, '\'', true), text
	case (prefix == "b" || prefix == "x" || prefix == "n") && strings.HasPrefix(rest, "'"):
		return quoted(sql, 1, '\'', false), text
	case prefix == "u" && strings.HasPrefix(rest, "&'"):
		return quoted(sql, 2, '\'', false), text
	case prefix == "u" && strings.HasPrefix(rest, `&"`):
		return quoted(sql, 2, '"', false), name
	}
	return 0, symbol
}

// blank measures the blanks and comments that sql begins with.
func blank(sql string) int {
	n := 0
	for n < len(sql) {
		rest := sql[n:]
		switch {
		case strings.ContainsRune(" \t\n\r\f\v", rune(rest[0])):
			n++
		case strings.HasPrefix(rest, "--"):
			n += span(rest, func(r rune) bool { return r != '\n' && r != '\r' })
		case strings.HasPrefix(rest, "/*"):
			n += comment(rest)
		default:
			return n
		}
	}
	return n
}

// comment measures a comment, in which there may be others.
func comment(sql string) int {
	depth := 0
	for n := 0; n < len(sql); n++ {
		switch {
		case strings.HasPrefix(sql[n:], "/*"):
			depth++
			n++
		case strings.HasPrefix(sql[n:], "*/"):
			depth--
			n++
			if depth == 0 {
				return n + 1
			}
		}
	}
	return len(sql)
}

// quoted measures what begins at from with a quote, which is doubled within.
func quoted(sql string, from int, quote byte, backslash bool) int {
	for n := from + 1; n < len(sql); n++ {
		switch {
		case backslash && sql[n] == '\\':
			n++
		case sql[n] != quote:
		case n+1 < len(sql) && sql[n+1] == quote:
			n++
		default:
			return n + 1
		}
	}
	return len(sql)
}

// dollar measures a string in dollars, 0 if there is none.
func dollar(sql string) int {
	tag := 1 + span(sql[1:], func(r rune) bool { return isFirst(r) || isDigit(r) })
	if tag >= len(sql) || sql[tag] != '$' || tag > 1 && isDigit(rune(sql[1])) {
		return 0
	}
	mark := sql[:tag+1]
	end := strings.Index(sql[len(mark):], mark)
	if end < 0 {
		return len(sql)
	}
	return len(mark) + end + len(mark)
}

// span measures the runes of one kind that s begins with.
func span(s string, in func(rune) bool) int {
	if i := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); i >= 0 {
		return i
	}
	return len(s)
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// isFirst reports whether a name can begin with r.
func isFirst(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_' || r >= utf8.RuneSelf
}
