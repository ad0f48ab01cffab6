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
			return q, q.validate()
		}
		args = args[1:]
	}
	return q, q.validate()
}

// validate refuses the empty statement, which is no statement at all to the
// extended protocol.
func (q query) validate() error {
	if strings.TrimSpace(q.sql) == "" {
		return fmt.Errorf("%w: empty statement", ErrRefused)
	}
	return nil
}

// leavesTrace reports whether a statement may leave something in the session
// that the connection's next user would meet: a setting, a cursor, a prepared
// plan, a subscription. It knows which statements do not, by their first word,
// and suspects all others. inTx is for the words that end with a transaction.
func leavesTrace(sql string, inTx bool) bool {
	word, rest := firstWord(sql)
	switch word {
	case "select", "insert", "update", "delete", "merge", "with", "values", "table", "explain", "show":
		return false
	case "savepoint", "release", "rollback", "lock", "fetch", "move", "close":
		return !inTx
	case "set":
		next, _ := firstWord(rest)
		return !inTx || next != "local" && next != "transaction" && next != "constraints"
	}
	return true
}

// firstWord returns the first word of sql in lower case, and what follows it,
// past white space and comments.
func firstWord(sql string) (word, rest string) {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			_, after, ok := strings.Cut(sql, "*/")
			if !ok || strings.Contains(sql[2:len(sql)-len(after)-2], "/*") {
				return "", "" // nested or open: not worth the reading
			}
			sql = after
		default:
			end := 0
			for end < len(sql) && ('a' <= sql[end]|0x20 && sql[end]|0x20 <= 'z' || sql[end] == '_') {
				end++
			}
			return strings.ToLower(sql[:end]), sql[end:]
		}
	}
}
