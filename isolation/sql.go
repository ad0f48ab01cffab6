package isolation

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// query is a statement as the host wrote it, made ready for the wire.
type query struct {
	sql  string
	args []any
	text bool // results as database/sql wants them

	word, rest string // see firstWord
}

// wantText among the arguments asks for results as database/sql wants them.
type wantText struct{}

// parse takes pgx's options off the front of args. Rewriters such as
// pgx.NamedArgs run here, and see no connection.
func parse(ctx context.Context, sql string, args []any) (query, error) {
	q := query{sql: sql}
	for len(args) > 0 {
		switch arg := args[0].(type) {
		case wantText:
			q.text = true
		case pgx.QueryExecMode:
			if arg == pgx.QueryExecModeSimpleProtocol {
				return q, fmt.Errorf("%w: the simple protocol lets injected statements stack", ErrRefused)
			}
			// Any other mode is a matter of speed, and the connection's choice.
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			return q, fmt.Errorf("%w: result formats are the library's choice", ErrRefused)
		case pgx.QueryRewriter:
			var err error
			if q.sql, args, err = arg.RewriteQuery(ctx, nil, q.sql, args[1:]); err != nil {
				return q, fmt.Errorf("isolation: rewriting the query: %w", err)
			}
			continue
		default:
			q.args = args
			return q.validated()
		}
		args = args[1:]
	}
	return q.validated()
}

// validated refuses the empty statement, which is no statement at all to the
// extended protocol, and those that would begin or end a transaction behind
// the library's back: what runs after them would run outside of the
// transaction that the caller believes in, and past its being read only. COPY
// speaks a protocol of its own, and would wait for data that never comes.
func (q query) validated() (query, error) {
	if strings.TrimSpace(q.sql) == "" {
		return q, fmt.Errorf("%w: empty statement", ErrRefused)
	}
	q.word, q.rest = firstWord(q.sql)
	switch {
	case q.word == "copy":
		return q, fmt.Errorf("%w: COPY as a statement; use CopyFrom, or a query", ErrRefused)
	case q.controlsTx():
		return q, fmt.Errorf("%w: %s as a statement; use Begin, Commit and Rollback", ErrRefused, q.word)
	}
	return q, nil
}

// controlsTx reports whether a statement begins or ends a transaction.
// Savepoints are none of that, and libraries such as GORM send them.
func (q query) controlsTx() bool {
	switch q.word {
	case "begin", "start", "commit", "end", "abort":
		return true
	case "prepare":
		next, _ := firstWord(q.rest)
		return next == "transaction"
	case "rollback":
		next, rest := firstWord(q.rest)
		if next == "work" || next == "transaction" {
			next, _ = firstWord(rest)
		}
		return next != "to"
	}
	return false
}

// leavesTrace reports whether a statement may leave something in the session
// that the connection's next user would meet: a setting, a cursor, a prepared
// plan, a subscription. It knows which statements do not, by their first word,
// and suspects all others. inTx is for the words that end with a transaction.
func (q query) leavesTrace(inTx bool) bool {
	switch q.word {
	case "select", "insert", "update", "delete", "merge", "with", "values", "table", "explain", "show":
		return false
	case "savepoint", "release", "rollback", "lock", "fetch", "move", "close":
		return !inTx
	case "set":
		next, _ := firstWord(q.rest)
		return !inTx || next != "local" && next != "transaction" && next != "constraints"
	}
	return true
}

// locks reports whether a statement may lock a table that it has no business
// with: by LOCK, whose right comes with that to UPDATE, as a program of which
// nobody knows what is in it, or on its way to being refused, because PostgreSQL
// locks the table of a new trigger or rule before it asks whose it is.
func (q query) locks() bool {
	if q.word != "create" {
		return q.word == "lock" || q.word == "do"
	}
	next, rest := firstWord(q.rest)
	for next == "or" || next == "replace" || next == "constraint" {
		next, rest = firstWord(rest)
	}
	return next == "trigger" || next == "rule"
}

// heldToReading reports whether a statement can neither write in a transaction
// that is read only nor make it another.
func (q query) heldToReading() bool {
	switch q.word {
	case "select", "insert", "update", "delete", "merge", "with", "values", "table", "explain", "show",
		"savepoint", "release", "rollback", "declare", "fetch", "move", "close":
		return true
	}
	return false
}

// outlivesPooler reports whether what a statement leaves would stay in the
// pooler's connection, where ending ours does not reach it. A procedure is as
// trusted as a function in a SELECT, and whatever changes tables is none of
// the session.
func (q query) outlivesPooler(inTx bool) bool {
	if !q.leavesTrace(inTx) {
		return false
	}
	switch q.word {
	case "set", "reset", "discard", "prepare", "deallocate", "execute", "listen", "unlisten", "load", "do", "":
		return true
	case "declare":
		return !inTx || strings.Contains(strings.ToLower(q.sql), "hold")
	}
	return false
}

// firstWord returns the first word of sql in lower case, and what follows it,
// as PostgreSQL's scanner sees it: past white space, comments, which nest, the
// semicolons of empty statements, and parentheses, in which there is nothing
// but a query. It is empty when sql begins with anything else.
func firstWord(sql string) (word, rest string) {
	sql = skipBlank(sql)
	end := 0
	for end < len(sql) && ('a' <= sql[end]|0x20 && sql[end]|0x20 <= 'z' || sql[end] == '_') {
		end++
	}
	return strings.ToLower(sql[:end]), sql[end:]
}

func skipBlank(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v;(")
		switch {
		case strings.HasPrefix(sql, "--"):
			end := strings.IndexAny(sql, "\r\n")
			if end < 0 {
				return ""
			}
			sql = sql[end:]
		case strings.HasPrefix(sql, "/*"):
			sql = skipComment(sql)
		default:
			return sql
		}
	}
}

// skipComment returns what follows the comment that sql begins with: nothing,
// if it does not end.
func skipComment(sql string) string {
	depth := 0
	for at := 0; at+1 < len(sql); {
		switch sql[at : at+2] {
		case "/*":
			depth++
			at += 2
		case "*/":
			depth--
			at += 2
			if depth == 0 {
				return sql[at:]
			}
		default:
			at++
		}
	}
	return ""
}
