package prove

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed scope.sql
var scopeSQL string

//go:embed roles.sql
var rolesSQL string

//go:embed tables.sql
var tablesSQL string

//go:embed policies.sql
var policiesSQL string

//go:embed keys.sql
var keysSQL string

//go:embed code.sql
var codeSQL string

//go:embed grants.sql
var grantsSQL string

//go:embed server.sql
var serverSQL string

//go:embed secrets.sql
var secretsSQL string

// sharedSQL and unsharedSQL are the declared shared tables, with a wall and
// without one.
const (
	sharedSQL   = "WITH shared AS (SELECT s.relation::oid FROM partywall.shared_table s)\n"
	unsharedSQL = "WITH shared (relation) AS (SELECT NULL::oid WHERE false)\n"
)

// Conn is what is asked of a connection; *pgx.Conn, pgx.Tx and *pgxpool.Pool
// are ones.
type Conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Options say what is judged. The zero value is a good start.
type Options struct {
	// Role is the role that serves tenants. Defaults to the connection's own.
	Role string
	// Wall is the wall's role that Role must be a member of: partywall_app, or
	// partywall_pooled behind a transaction pooler. Defaults to the one that
	// Role is a member of, partywall_app if it is neither, and to none where
	// the database has no wall.
	Wall string
	// TenantColumn is what tells the tenant's tables. Defaults to "tenant_id".
	TenantColumn string
	// Schema limits the tables that are looked at, and what the role owns and
	// may create, to one schema. Defaults to all, and to all that is not a table
	// too.
	Schema string
	// Secret names columns, as "table.column", of which a tenant must not learn
	// whether a value is there, say an e-mail address. The planner's statistics
	// are of all tenants' rows, and EXPLAIN shows its estimates. Defaults to
	// none.
	Secret []string
}

// Catalog reads the catalogues of the database that conn is connected to, and
// reports every way around the isolation of tenants that it finds there. Any
// role may ask, also the one that is judged. opts may be nil.
//
// It fails when the role does not exist or the catalogues cannot be read. With
// Options.Wall it takes one batch, without it one statement more; and where it
// finds a breach, the batch again, because tables come and go meanwhile: what is
// reported was there both times.
func Catalog(ctx context.Context, conn Conn, opts *Options) (*Report, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.TenantColumn = cmp.Or(o.TenantColumn, "tenant_id")
	if o.Wall == "" {
		if err := conn.QueryRow(ctx, wallSQL, o.Role).Scan(&o.Wall); err != nil {
			return nil, fmt.Errorf("prove: looking for the role %q: %w", o.Role, err)
		}
	}
	var before *Report
	for attempt := 0; ; attempt++ {
		report := &Report{}
		err := conn.SendBatch(ctx, o.batch(report)).Close()
		switch {
		case err == nil && before == nil && len(report.Only(Breach)) > 0:
			before = report // and look again: it may be about a table that is coming or going at this moment
		case err == nil:
			if before != nil {
				report = report.asBefore(before)
			}
			report.sort()
			return report, nil
		case hasCode(err, "42501") && o.Wall != "": // insufficient_privilege: not even a look at the wall
			return nil, fmt.Errorf("prove: reading the catalogues: %w; the role has to be a member of %s and inherit its rights; run: GRANT %[2]s TO it", err, o.Wall)
		case !vanished(err) || attempt == maxVanished:
			return nil, fmt.Errorf("prove: reading the catalogues: %w", err)
		}
	}
}

// maxVanished is how often in a row something may be dropped under our eyes.
const maxVanished = 20

// vanished reports whether err is about something that was dropped between
// being listed and being asked about.
func vanished(err error) bool {
	return hasCode(err, "42704", "42P01", "42883", "3F000", "3D000", "XX000")
}

func hasCode(err error, codes ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, pg.Code)
}

// wallSQL finds the wall's role that a role is a member of. No row means that
// there is no such role. It looks for the wall by name: a role that is no member
// may not look into its schema, and has to be told so.
const wallSQL = `SELECT CASE WHEN to_regrole('partywall_app') IS NULL OR NOT EXISTS (
		SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'partywall' AND c.relname = 'shared_table') THEN ''
	WHEN pg_has_role(r.oid, to_regrole('partywall_pooled')::oid, 'MEMBER') AND NOT pg_has_role(r.oid, to_regrole('partywall_app')::oid, 'MEMBER') THEN 'partywall_pooled'
	ELSE 'partywall_app' END FROM pg_roles r WHERE r.rolname = COALESCE(NULLIF($1::text, ''), current_user)`

// batch queues every question, whose answers go into the report.
func (o Options) batch(into *Report) *pgx.Batch {
	b := &pgx.Batch{}
	shared := sharedSQL
	if o.Wall == "" {
		shared = unsharedSQL
	}
	b.Queue(shared+scopeSQL+tablesSQL, o.args()...).Query(func(rows pgx.Rows) error {
		tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
		for _, t := range tables {
			into.Findings = append(into.Findings, t.findings(o.Wall != "")...)
		}
		return err
	})
	if o.Schema == "" {
		b.Queue(settingsSQL).QueryRow(func(row pgx.Row) error {
			var s settings
			err := row.Scan(&s.Number, &s.Version, &s.Statement, &s.Duration, &s.Parameters, &s.Passwords, &s.TLS, &s.Networked)
			into.Findings = append(into.Findings, s.findings()...)
			return err
		})
	}
	for _, sql := range []string{rolesSQL, policiesSQL, keysSQL, codeSQL, grantsSQL, serverSQL, secretsSQL} {
		b.Queue(shared+scopeSQL+sql, o.args()...).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f Finding, err error) {
				return f, row.Scan(&f.Severity, &f.Code, &f.Object, &f.Reason, &f.SQL)
			})
			into.Findings = append(into.Findings, found...)
			return err
		})
	}
	return b
}

func (o Options) args() []any { return []any{o.Role, o.Wall, o.TenantColumn, o.Schema, o.Secret} }
