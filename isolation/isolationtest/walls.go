package isolationtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Walls are the mutations of the wall that Partywall builds in a database, as
// one who has the rights to may make them by mistake.
type Walls struct {
	// Conn is a superuser's connection to the database, used by nobody else
	// meanwhile.
	Conn *pgx.Conn
	// Role is the login role that serves tenants.
	Role string
	// Tables are those whose walls fall. Defaults to all that
	// partywall.protect protects; of many alike a few will do.
	Tables []string
}

// wall is what knocks out a wall, and what puts it back, in SQL. In it {role}
// is the role that serves tenants, {wall} the wall's role that it is a member of,
// {other} the one that it is not, {policy} the one of each table for it, {table}
// and {column} a table and its tenant column, {schema} the table's, and {db} the
// database.
type wall struct {
	name, do, undo string
	// needs is an extension without which it cannot be played.
	needs string
}

// Mutations returns one mutation for each wall of each table, role, function
// and database, over sixty in all.
func (w Walls) Mutations(ctx context.Context) ([]Mutation, error) {
	tables, err := w.tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("isolationtest: Walls: %w", err)
	}
	var pooled bool
	if err := w.Conn.QueryRow(ctx, `SELECT pg_has_role($1, 'partywall_pooled', 'MEMBER')`, w.Role).Scan(&pooled); err != nil {
		return nil, fmt.Errorf("isolationtest: Walls: %w", err)
	}
	names := w.names(pooled)
	var out []Mutation
	for _, t := range tables {
		for _, one := range tableWalls() {
			out = append(out, w.sql(one.of(t), names))
		}
	}
	for _, one := range append(roleWalls(), databaseWalls()...) {
		ok, err := w.available(ctx, one.needs)
		if err != nil {
			return nil, fmt.Errorf("isolationtest: Walls: %w", err)
		}
		if ok {
			out = append(out, w.sql(one.of(tables[0]), names))
		}
	}
	for _, g := range gates() {
		if g.of == "" || (g.of == "partywall_pooled") == pooled {
			out = append(out, w.gate(g))
		}
	}
	return out, nil
}

// table is one that is protected.
type table struct{ name, schema, column, kind string }

func (w Walls) tables(ctx context.Context) ([]table, error) {
	if w.Conn == nil || w.Role == "" {
		return nil, errors.New("needs a Conn and a Role")
	}
	rows, err := w.Conn.Query(ctx, `
		SELECT format('%I.%I', n.nspname, c.relname), quote_ident(n.nspname), quote_ident(a.attname), a.atttypid::regtype::text
		  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		  JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = c.oid AND d.refobjsubid > 0
		  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
		 WHERE p.polname = 'partywall_bound' AND n.nspname <> 'partywall'
		   AND (cardinality($1::text[]) = 0 OR c.oid = ANY ($1::text[]::regclass[]))
		 GROUP BY 1, 2, 3, 4 ORDER BY 1`, append([]string{}, w.Tables...))
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		return t, row.Scan(&t.name, &t.schema, &t.column, &t.kind)
	})
	if err == nil && len(tables) == 0 {
		err = errors.New("no table is protected")
	}
	return tables, err
}

// available reports whether an extension can be had.
func (w Walls) available(ctx context.Context, extension string) (ok bool, err error) {
	if extension == "" {
		return true, nil
	}
	return ok, w.Conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)`, extension).Scan(&ok)
}

// of is the wall of a table.
func (w wall) of(t table) wall {
	names := strings.NewReplacer("{table}", t.name, "{schema}", t.schema, "{column}", t.column, "{type}", t.kind)
	return wall{name: names.Replace(w.name), do: names.Replace(w.do), undo: names.Replace(w.undo)}
}

// names are the role's, its side of the wall, and the database's.
func (w Walls) names(pooled bool) *strings.Replacer {
	wall, other, policy := "partywall_app", "partywall_pooled", "partywall_bound"
	if pooled {
		wall, other, policy = "partywall_pooled", "partywall_app", "partywall_pooled"
	}
	return strings.NewReplacer("{role}", pgx.Identifier{w.Role}.Sanitize(), "{db}", pgx.Identifier{w.Conn.Config().Database}.Sanitize(),
		"{wall}", wall, "{other}", other, "{policy}", policy)
}

// sql is a wall as a mutation.
func (w Walls) sql(one wall, names *strings.Replacer) Mutation {
	return SQL(w.Conn, names.Replace(one.name), names.Replace(one.do), names.Replace(one.undo))
}

// SQL is a mutation in a database's own words: do knocks a wall out, and undo
// puts it back. Both may be several statements, and run in a transaction each.
func SQL(conn *pgx.Conn, name, do, undo string) Mutation {
	return Mutation{Name: cmp.Or(name, do), Knock: func(ctx context.Context) (func(context.Context) error, error) {
		restore := func(ctx context.Context) error { return execute(ctx, conn, undo) }
		return restore, execute(ctx, conn, do)
	}}
}

func execute(ctx context.Context, conn *pgx.Conn, sql string) error {
	if err := conn.PgConn().Exec(ctx, sql).Close(); err != nil {
		return fmt.Errorf("%.80s: %w", sql, err)
	}
	return nil
}
