package isolation

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed inspect_role.sql
var inspectRoleSQL string

//go:embed inspect_tables.sql
var inspectTablesSQL string

// inspectTime is how long a server has to answer for its wall.
const inspectTime = time.Minute

// inspect makes sure that the wall is standing in a database, or in one schema
// of it if that is named, seen with the eyes of the role that serves tenants.
func (s *server) inspect(ctx context.Context, p place, schema string) error {
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	config := p.dialer.config.Copy()
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("isolation: server %q: connecting as %s: %w", s.name, config.User, err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	findings, err := s.inspectRole(ctx, c)
	if err != nil {
		return fmt.Errorf("isolation: server %q: looking at the role: %w", s.name, err)
	}
	tables, err := s.inspectTables(ctx, c, schema)
	if err != nil {
		return fmt.Errorf("isolation: server %q: looking at the tables: %w", s.name, err)
	}
	if findings = append(findings, tables...); len(findings) > 0 {
		return &UnsafeError{Server: s.name, Database: config.Database, Findings: findings}
	}
	return nil
}

// role is the role of the wall that App's role must be a member of.
func (s *server) role() string {
	if s.config.Pooled {
		return "partywall_pooled"
	}
	return "partywall_app"
}

// inspectRole asks for every right that leads around row-level security. Each
// finding is worded in SQL, where the names are known.
func (s *server) inspectRole(ctx context.Context, c *pgx.Conn) ([]string, error) {
	rows, err := c.Query(ctx, inspectRoleSQL, s.role())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// table is a relation as the inspection sees it.
type table struct {
	Name       string // as the role would write it
	Kind       string // pg_class.relkind
	Reachable  bool   // the role has a right on it
	Writable   bool   // the role may change it
	Shared     bool   // declared by partywall.share
	Column     string // the tenant column that the wall's policy compares, "" without one
	Candidate  bool   // it has a column that looks like the tenant's
	Enabled    bool
	Forced     bool
	Invoker    bool     // a view that runs with its reader's rights
	Standing   bool     // the wall's policy is as partywall.protect makes it
	Permissive []string // other policies that let the role in
	Rights     []string // rights that look past row-level security
}

func (s *server) inspectTables(ctx context.Context, c *pgx.Conn, schema string) ([]string, error) {
	rows, err := c.Query(ctx, inspectTablesSQL, s.role(), s.opts.TenantColumn, schema)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return nil, err
	}
	var findings []string
	for _, t := range tables {
		findings = append(findings, t.findings()...)
	}
	slices.Sort(findings)
	return findings, nil
}

// findings says what is wrong with t, and which SQL puts it right.
func (t table) findings() []string {
	switch t.Kind {
	case "v":
		if t.Reachable && !t.Invoker {
			return one("view %[1]s runs with its owner's rights and would bypass the policies; run: ALTER VIEW %[2]s SET (security_invoker = true)", t)
		}
		return nil
	case "m", "f":
		if t.Reachable {
			kind := map[string]string{"m": "materialized view", "f": "foreign table"}[t.Kind]
			return one(kind+" %[1]s cannot be protected; run: REVOKE ALL ON %[2]s FROM PUBLIC, partywall_app, partywall_pooled", t)
		}
		return nil
	}
	switch {
	case t.Shared:
		if t.Writable {
			return one("shared table %[1]s can be written by tenants; run: SELECT partywall.share('%[2]s')", t)
		}
		return nil
	case t.Column == "" && t.Candidate:
		return one("table %[1]s is neither protected nor shared; add: SELECT partywall.protect('%[2]s')", t)
	case t.Column == "" && t.Reachable:
		return one("table %[1]s is neither protected nor shared, and has no tenant column; run: SELECT partywall.share('%[2]s') if all tenants may read it", t)
	case t.Column == "":
		return nil
	}
	return t.breaches()
}

// breaches says what is wrong with a table that is behind the wall.
func (t table) breaches() (out []string) {
	if !t.Enabled || !t.Forced || !t.Standing {
		out = one("the policy of table %[1]s is not as partywall.protect made it; run: SELECT partywall.protect('%[2]s')", t)
	}
	for _, p := range t.Permissive {
		out = append(out, fmt.Sprintf("policy %s lets tenants see more of table %s; run: DROP POLICY %s ON %s, and create it AS RESTRICTIVE", p, quoted(t.Name), p, t.Name))
	}
	if len(t.Rights) > 0 {
		rights := strings.Join(t.Rights, ", ")
		out = append(out, fmt.Sprintf("the right to %s looks past the policies of table %s; run: REVOKE %s ON %s FROM PUBLIC, partywall_app, partywall_pooled", rights, quoted(t.Name), rights, t.Name))
	}
	return out
}

// one is a single finding on t, worded with its name for people and for SQL.
func one(format string, t table) []string {
	return []string{fmt.Sprintf(format, quoted(t.Name), t.Name)}
}

func quoted(name string) string {
	if strings.HasPrefix(name, `"`) {
		return name
	}
	return `"` + name + `"`
}
