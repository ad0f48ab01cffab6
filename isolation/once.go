package isolation

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Once runs fn in a transaction of the context's tenant, unless one of the same
// name was committed for the tenant before, and reports whether it did: for the
// first rows of a new tenant, which a process may have written that was killed
// before it could say so. Of several at once one runs fn, and the others wait
// for it. A name has at most 200 bytes.
//
// It fails as [DB.Tx] does, and with fn's error, after which it can be tried
// again.
func (db *DB) Once(ctx context.Context, name string, fn func(pgx.Tx) error) (ran bool, err error) {
	err = db.Tx(ctx, nil, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO partywall.once (name) VALUES ($1) ON CONFLICT DO NOTHING`, name)
		if err != nil {
			return fmt.Errorf("isolation: looking whether %q was done: %w", name, err)
		}
		if ran = tag.RowsAffected() == 1; !ran {
			return nil
		}
		return fn(tx)
	})
	return ran && err == nil, err
}

// errVerified rolls back what [DB.Verify] has written.
var errVerified = errors.New("isolation: verified")

// Verify makes sure that the context's tenant can work at its place, and
// nowhere else: it writes a row and reads it back, tries to write one of
// another tenant's, and looks for rows of others in every table behind the
// wall. Nothing of it stays. It fails as [DB.Tx] does, and with an
// [*UnsafeError].
func (db *DB) Verify(ctx context.Context) error {
	t, err := db.tenant(ctx)
	if err != nil {
		return err
	}
	s, how, err := db.whereabouts(t)
	if err != nil {
		return err
	}
	unsafe := &UnsafeError{Server: s.name, Database: how.database(s, t)}
	err = db.Tx(ctx, nil, func(tx pgx.Tx) error {
		for _, look := range []func(context.Context, pgx.Tx, *server, tenant.Tenant) ([]string, error){smoke, foreignWrite, foreignRows} {
			findings, err := look(ctx, tx, s, t)
			if err != nil {
				return err
			}
			unsafe.Findings = append(unsafe.Findings, findings...)
		}
		return errVerified
	})
	if err != nil && !errors.Is(err, errVerified) {
		return fmt.Errorf("isolation: verifying tenant %s (%s): %w", t.ID, t.Slug, err)
	}
	if len(unsafe.Findings) > 0 {
		return unsafe
	}
	return nil
}

// smoke writes a row and reads it back.
func smoke(ctx context.Context, tx pgx.Tx, _ *server, t tenant.Tenant) (findings []string, err error) {
	var who, rows int64
	if _, err = tx.Exec(ctx, `INSERT INTO partywall.once (name) VALUES ('partywall: verify')`); err == nil {
		err = tx.QueryRow(ctx, `SELECT max(tenant_id), count(*) FROM partywall.once WHERE name = 'partywall: verify'`).Scan(&who, &rows)
	}
	if err == nil && (who != t.Number || rows != 1) {
		findings = append(findings, fmt.Sprintf("%d rows of tenant %d where tenant %d has written one", rows, who, t.Number))
	}
	return findings, err
}

// foreignWrite tries to write a row of another tenant's.
func foreignWrite(ctx context.Context, tx pgx.Tx, _ *server, t tenant.Tenant) (findings []string, err error) {
	err = pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error {
		_, err := save.Exec(ctx, `INSERT INTO partywall.once (tenant_id, name) VALUES ($1, 'partywall: verify')`, t.Number+1)
		return err
	})
	switch {
	case err == nil:
		return []string{fmt.Sprintf("tenant %d can write a row of tenant %d", t.Number, t.Number+1)}, nil
	case isCode(err, "42501"): // insufficient_privilege, as the policies say
		return nil, nil
	}
	return nil, err
}

// foreignRows looks for rows of other tenants, in each table that is behind the
// wall.
func foreignRows(ctx context.Context, tx pgx.Tx, s *server, t tenant.Tenant) (findings []string, err error) {
	schema := s.opts.Schema
	if t.Placement.Strategy == tenant.Schema {
		schema = ownSchema{}.name(t)
	}
	tables, err := protectedTables(ctx, tx, schema)
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		key := any(t.Number)
		if table.uuid {
			key = t.ID
		}
		var seen bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+table.name+` WHERE `+table.column+` <> $1)`, key).Scan(&seen)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", table.name, err)
		}
		if seen {
			findings = append(findings, fmt.Sprintf("tenant %d sees rows of others in %s", t.Number, table.name))
		}
	}
	return findings, nil
}
