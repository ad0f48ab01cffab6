package provisioning

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SeedSQL returns a seeder that runs the statements of SQL files: those that
// match a pattern of [fs.Glob], by name. The tenant's rights are all they have.
// What begins or ends a transaction is refused, and so is COPY; the body of a
// function is a string, in dollars or quotes. It fails with a [*SeedError].
func SeedSQL(fsys fs.FS, patterns ...string) Seeder {
	return func(ctx context.Context, tx pgx.Tx, progress func(float64, string)) error {
		return eachSeed(fsys, patterns, progress, func(f *seedFile) error { return f.runSQL(ctx, tx) })
	}
}

// runSQL runs the statements of a file one by one: the wall takes no other way.
func (f *seedFile) runSQL(ctx context.Context, tx pgx.Tx) error {
	s := sqlScanner{text: strings.ReplaceAll(f.text, "\r\n", "\n")} // a checkout with CRLF is the same seed
	line, counted := 1, 0
	for n := 1; ; n++ {
		from, statement, err := s.next()
		line += strings.Count(s.text[counted:from], "\n")
		counted = from
		if err != nil {
			return Fail(f.at(line, err))
		}
		if statement == "" {
			return nil
		}
		if _, err := tx.Exec(ctx, statement); err != nil {
			return f.failed(ctx, tx, line+lineWithin(statement, err), err)
		}
		f.report(s.at, fmt.Sprintf("%d statements", n))
	}
}

// lineWithin is how many lines below its beginning a statement is wrong, as far
// as the server says.
func lineWithin(statement string, err error) int {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Position < 1 {
		return 0
	}
	lines, runes := 0, int32(1)
	for _, r := range statement {
		if runes == pg.Position {
			break
		}
		if runes++; r == '\n' {
			lines++
		}
	}
	return lines
}

// sqlScanner finds where statements end, as PostgreSQL's scanner does with
// standard_conforming_strings: not within quotes, dollar quotes and comments.
// The one parser that knows all of SQL is PostgreSQL's own, in C; where a
// statement ends does not need it.
type sqlScanner struct {
	text string
	at   int
}

var (
	errOpenString  = errors.New("a string or a quoted name does not end")
	errOpenDollar  = errors.New("a dollar-quoted string does not end")
	errOpenComment = errors.New("a comment does not end")
)

// next returns the next statement that has anything in it, without its
// semicolon, and where it begins; "" after the last. An error is about what
// begins there.
func (s *sqlScanner) next() (from int, statement string, err error) {
	from = -1
	for s.at < len(s.text) {
		start := s.at
		blank, err := s.token()
		switch {
		case err != nil:
			return start, "", err
		case blank:
		case s.text[start] == ';' && from >= 0:
			return from, s.text[from:start], nil
		case s.text[start] != ';' && from < 0:
			from = start
		}
	}
	if from < 0 {
		return len(s.text), "", nil
	}
	return from, s.text[from:], nil
}

// token steps over one token, and reports whether it says nothing.
func (s *sqlScanner) token() (blank bool, err error) {
	rest := s.text[s.at:]
	switch c := rest[0]; {
	case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		s.at++
		return true, nil
	case strings.HasPrefix(rest, "--"):
		s.at += lengthUntil(rest, "\r\n")
		return true, nil
	case strings.HasPrefix(rest, "/*"):
		return true, s.comment()
	case c == '\'' || c == '"':
		return false, s.quoted(c, false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		s.at++
		return false, s.quoted('\'', true)
	case c == '$':
		return false, s.dollars()
	case inWord(c):
		for s.at < len(s.text) && (inWord(s.text[s.at]) || s.text[s.at] == '$') {
			s.at++
		}
		return false, nil
	}
	s.at++
	return false, nil
}

// comment steps over a comment, which may hold others.
func (s *sqlScanner) comment() error {
	depth := 0
	for i := s.at; i+1 < len(s.text); i++ {
		switch s.text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				s.at = i + 1
				return nil
			}
		}
	}
	return errOpenComment
}

// quoted steps over a string or a name. A quote within is doubled, which looks
// like the end and the beginning of another. In an escape string it may also
// have a backslash before it, and the string may go on in another line.
func (s *sqlScanner) quoted(quote byte, escapes bool) error {
	for i := s.at + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case escapes && c == '\\':
			i++
		case c == quote && escapes:
			s.at = i + 1
			gap := len(s.text[s.at:]) - len(strings.TrimLeft(s.text[s.at:], " \t\r\n\f\v"))
			between, after := s.text[s.at:s.at+gap], s.text[s.at+gap:]
			if !strings.HasPrefix(after, "'") || gap > 0 && !strings.ContainsAny(between, "\r\n") {
				return nil
			}
			i = s.at + gap
		case c == quote:
			s.at = i + 1
			return nil
		}
	}
	return errOpenString
}

// dollars steps over a dollar-quoted string, or over a dollar that is none.
func (s *sqlScanner) dollars() error {
	rest := s.text[s.at+1:]
	n := 0
	for n < len(rest) && inWord(rest[n]) {
		n++
	}
	if n == len(rest) || rest[n] != '$' || n > 0 && '0' <= rest[0] && rest[0] <= '9' {
		s.at++
		return nil
	}
	tag := "$" + rest[:n] + "$"
	body := rest[n+1:]
	end := strings.Index(body, tag)
	if end < 0 {
		return errOpenDollar
	}
	s.at += len(tag) + end + len(tag)
	return nil
}

// inWord reports whether names, words and numbers are made of c.
func inWord(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c >= 0x80
}

// lengthUntil is how much of text there is before any of the characters.
func lengthUntil(text, chars string) int {
	if n := strings.IndexAny(text, chars); n >= 0 {
		return n
	}
	return len(text)
}
