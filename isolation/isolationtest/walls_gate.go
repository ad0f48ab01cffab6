package isolationtest

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// gate is a check in one of the wall's functions that is made a no-op.
type gate struct {
	name, function string
	// of is the wall's role that comes in by this function; "" is both.
	of string
	// before is what the function has, and after what is put in its place.
	before, after string
}

// gates are the checks of the gate, known by the errors that they raise.
func gates() []gate {
	refusal := func(name, function, of, message string) gate {
		return gate{name, function, of, `RAISE EXCEPTION 'partywall: ` + message + `'`, `RAISE DEBUG 'partywall: ` + message + `'`}
	}
	return []gate{
		refusal("gate: any secret binds", "bind", "partywall_app", "wrong session secret"),
		{"gate: any secret binds again", "rebind", "partywall_app", "secret'::pg_catalog.regclass) OPERATOR(pg_catalog.=) k", "secret'::pg_catalog.regclass) IS NOT NULL"},
		{"gate: any epoch binds", "bind", "partywall_app", "f.epoch OPERATOR(pg_catalog.=) e", "true"},
		refusal("gate: anybody opens a session", "open_session", "partywall_app", "forged or expired session"),
		refusal("gate: any token enters", "enter", "partywall_pooled", "forged or expired token"),
		{"gate: any epoch enters", "enter", "partywall_pooled", "f.epoch OPERATOR(pg_catalog.=) e", "true"},
		{"gate: every signature is right", "verify", "", "RETURN ok;", "RETURN true;"},
		{"gate: rows are somebody else's by default", "tenant", "", "currval('partywall.mark'::pg_catalog.regclass)", "int8(1)"},
	}
}

// gate changes a function of the wall's and puts it back as it was.
func (w Walls) gate(g gate) Mutation {
	return Mutation{Name: g.name, Knock: func(ctx context.Context) (func(context.Context) error, error) {
		var was string
		err := w.Conn.QueryRow(ctx, `SELECT pg_get_functiondef(p.oid) FROM pg_proc p
			WHERE p.pronamespace = 'partywall'::regnamespace AND p.proname = $1`, pgx.QueryExecModeExec, g.function).Scan(&was)
		if err != nil {
			return nil, fmt.Errorf("reading partywall.%s: %w", g.function, err)
		}
		if !strings.Contains(was, g.before) {
			return nil, fmt.Errorf("partywall.%s has no %q", g.function, g.before)
		}
		restore := func(ctx context.Context) error { return execute(ctx, w.Conn, was) }
		return restore, execute(ctx, w.Conn, strings.Replace(was, g.before, g.after, 1))
	}}
}
