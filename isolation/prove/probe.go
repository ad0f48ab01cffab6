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
// to become the other by what SQL can say, and to come in by an epoch that is
// past. What succeeds is a [Breach]. It also tries to be told what the other
// has, by unique and by foreign keys; that is a [Warning].
//
// Every attempt is made in a transaction that is rolled back, but it takes
// locks and fires triggers on its way: the two are canaries, tenants for the
// purpose, whose tables are as all others'. Each should have a row or more in
// every table: what nobody has, nobody can be told of. Where a tenant that is
// fenced is waited for, Probe waits too.
//
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

// run makes all attempts. Those to become somebody else are the last of a
// transaction, which they may leave as somebody else's.
func (p prober) run(ctx context.Context, db DB) error {
	var known loot
	err := inTx(ctx, db, p.other, func(ctx context.Context, tx pgx.Tx) (err error) {
		known, err = p.learn(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading as tenant %s: %w", p.other.Slug, err)
	}
	err = inTx(ctx, db, p.me, func(ctx context.Context, tx pgx.Tx) error {
		tables, err := list[target](ctx, tx, targetsSQL+tableSQL)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if err := p.table(ctx, tx, t); err != nil {
				return err
			}
		}
		if err := p.ask(ctx, tx, tables, known); err != nil {
			return err
		}
		return p.forge(ctx, tx)
	})
	if err != nil {
		return err
	}
	return p.stale(ctx, db)
}

// inTx runs fn in a transaction of a tenant's that leaves nothing.
func inTx(ctx context.Context, db DB, who tenant.Tenant, fn func(context.Context, pgx.Tx) error) error {
	ctx = tenant.NewContext(ctx, who)
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // a transaction that is not committed leaves nothing
	return fn(ctx, tx)
}

// list reads the rows of a query of ours.
func list[T any](ctx context.Context, tx pgx.Tx, sql string) ([]T, error) {
	rows, err := tx.Query(ctx, sql) //scopecheck:allow one of this package's own queries
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

func (p prober) found(severity Severity, code, object, reason, sql string) {
	p.report.Findings = append(p.report.Findings, Finding{Severity: severity, Code: code, Object: object, Reason: reason, SQL: sql})
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
