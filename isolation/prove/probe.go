package prove

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// DB is what [Probe] works on; *isolation.DB is one.
type DB interface {
	// Begin begins a transaction of the tenant that ctx belongs to.
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Probe tries to get from tenant a to tenant b and back, in every table behind
// the wall that either can name: to read, to write, to move rows and to delete,
// and to become the other by what SQL can say. What succeeds is a [Breach].
//
// Every attempt is made in a transaction that is rolled back, but it takes
// locks and fires triggers on its way: the two are canaries, tenants for the
// purpose, whose tables are as all others'. Each should have a row or more.
// Probe fails when a transaction cannot be had, or the two are one.
func Probe(ctx context.Context, db DB, a, b tenant.Tenant) (*Report, error) {
	if a.Number == b.Number {
		return nil, errors.New("prove: Probe needs two tenants")
	}
	report := &Report{}
	for _, p := range []prober{{me: a, other: b}, {me: b, other: a}} {
		p.report = report
		if err := p.run(ctx, db); err != nil {
			return nil, fmt.Errorf("prove: probing as tenant %s: %w", p.me.Slug, err)
		}
	}
	report.sort()
	return report, nil
}

// prober is one tenant on its way to another.
type prober struct {
	me, other tenant.Tenant
	report    *Report
}

// target is a table behind the wall.
type target struct {
	Name, Column string
	UUID         bool
}

const targetsSQL = `SELECT DISTINCT c.oid::regclass::text, quote_ident(a.attname), a.atttypid = 'uuid'::regtype
	FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
	JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = c.oid AND d.refobjsubid > 0
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
	WHERE p.polname IN ('partywall_bound', 'partywall_pooled') AND has_schema_privilege(c.relnamespace, 'USAGE')
	  AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
	  AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
	ORDER BY 1`

func (p prober) run(ctx context.Context, db DB) error {
	ctx = tenant.NewContext(ctx, p.me)
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // a transaction that is not committed leaves nothing
	rows, err := tx.Query(ctx, targetsSQL)
	if err != nil {
		return err
	}
	targets, err := pgx.CollectRows(rows, pgx.RowToStructByPos[target])
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := p.table(ctx, tx, t); err != nil {
			return err
		}
	}
	return p.forge(ctx, tx)
}

// table tries every way into one table.
func (p prober) table(ctx context.Context, tx pgx.Tx, t target) error {
	me, other := any(p.me.Number), any(p.other.Number)
	if t.UUID {
		me, other = p.me.ID, p.other.ID
	}
	for _, try := range []struct {
		code, does, sql string
		arg             any
		checked         bool // the policy looks at it before any constraint does
	}{
		{"probe-read", "reads others' rows of", `SELECT FROM ` + t.Name + ` WHERE ` + t.Column + ` <> $1 LIMIT 1`, me, false},    //scopecheck:allow names as the catalogue quotes them
		{"probe-delete", "deletes others' rows of", `DELETE FROM ` + t.Name + ` WHERE ` + t.Column + ` <> $1`, me, false},        //scopecheck:allow names as the catalogue quotes them
		{"probe-move", "gives its rows away in", `UPDATE ` + t.Name + ` SET ` + t.Column + ` = $1`, other, true},                 //scopecheck:allow names as the catalogue quotes them
		{"probe-write", "writes in another's name to", `INSERT INTO ` + t.Name + ` (` + t.Column + `) VALUES ($1)`, other, true}, //scopecheck:allow names as the catalogue quotes them
	} {
		tag, refused, err := attempt(ctx, tx, try.sql, try.arg)
		if err != nil {
			return err
		}
		// A constraint that complains has let the row past the policy.
		if tag.RowsAffected() > 0 || try.checked && refused != nil && refused.Code[:2] == "23" {
			p.found(try.code, t.Name, fmt.Sprintf("tenant %s %s table %s", p.me.Slug, try.does, t.Name),
				fmt.Sprintf("SELECT partywall.protect(%s)", literal(t.Name)))
		}
	}
	return nil
}

// forge tries to become the other by what a statement can say.
func (p prober) forge(ctx context.Context, tx pgx.Tx) error {
	n, e := p.other.Number, p.other.Placement.Epoch
	for _, sql := range []string{
		fmt.Sprintf(`SELECT set_config('partywall.mark', '%d', true)`, n),
		fmt.Sprintf(`SELECT setval('partywall.mark', %d)`, n),
		fmt.Sprintf(`SELECT partywall.bind(NULL, %d, %d, false, -1)`, n, e),
		fmt.Sprintf(`SELECT partywall.bind(0, %d, %d, false, -1)`, n, e),
		fmt.Sprintf(`SELECT partywall.rebind(NULL, %d, %d, NULL, NULL)`, n, e),
		fmt.Sprintf(`SELECT partywall.rebind(0, %d, %d, 1, 'public')`, n, e),
		fmt.Sprintf(`SELECT partywall.enter(NULL, %d, %d, false, -1, NULL, NULL)`, n, e),
		fmt.Sprintf(`SELECT partywall.enter(1, %d, %d, false, -1, 9999999999, '\x00')`, n, e),
	} {
		if _, _, err := attempt(ctx, tx, sql); err != nil {
			return err
		}
		// A sequence's value does not roll back, so a forged mark is still there.
		var mark int64
		if err := tx.QueryRow(ctx, `SELECT partywall.tenant()`).Scan(&mark); err != nil {
			return err
		}
		if mark != p.me.Number {
			p.found("probe-forge", "partywall.mark", fmt.Sprintf("tenant %s becomes another by: %s", p.me.Slug, sql), "")
			return nil // what comes next would be somebody else's doing
		}
	}
	return nil
}

func (p prober) found(code, object, reason, sql string) {
	p.report.Findings = append(p.report.Findings, Finding{Severity: Breach, Code: code, Object: object, Reason: reason, SQL: sql})
}

// attempt runs a statement in a savepoint and takes it back. A refusal of the
// database's is an answer, and not an error.
func attempt(ctx context.Context, tx pgx.Tx, sql string, args ...any) (tag pgconn.CommandTag, refused *pgconn.PgError, err error) {
	save, err := tx.Begin(ctx)
	if err != nil {
		return tag, nil, err
	}
	tag, failed := save.Exec(ctx, sql, args...)
	if err := save.Rollback(ctx); err != nil {
		return tag, nil, err
	}
	if failed != nil && !errors.As(failed, &refused) {
		return tag, nil, failed
	}
	return tag, refused, nil
}
