package isolation

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// shared keeps a tenant's rows in the tables that all tenants share.
type shared struct{}

func (shared) database(s *server, _ tenant.Tenant) string { return s.app.Database }

func (shared) path(s *server, _ tenant.Tenant) string { return quote(s.opts.Schema) }

// fit has nothing to refuse: the tables are everybody's.
func (shared) fit(*server, tenant.Tenant) error { return nil }

// create has nothing to make: the tables are there since the server was opened.
func (shared) create(context.Context, *server, tenant.Tenant) error { return nil }

// remove deletes the tenant's rows from every protected table. Tables that
// others refer to have to wait for those, so it goes over the list until
// nothing is left of it, or nothing gives.
func (shared) remove(ctx context.Context, s *server, t tenant.Tenant) error {
	return s.asMigrator(ctx, s.app.Database, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			tables, err := protectedTables(ctx, tx, s.opts.Schema)
			tables = append(tables, protectedTable{name: "partywall.once", column: "tenant_id"})
			for err == nil && len(tables) > 0 {
				var left []protectedTable
				if left, err = deleteRows(ctx, tx, tables, t); len(left) == len(tables) {
					return err
				}
				tables, err = left, nil
			}
			return err
		})
	})
}

// protectedTable is a table behind the wall.
type protectedTable struct {
	name   string // quoted
	column string // quoted
	uuid   bool
}

// protectedTables lists the tables of one schema that are behind the wall.
// Partitions are left out: their parents stand for them.
func protectedTables(ctx context.Context, tx pgx.Tx, schema string) ([]protectedTable, error) {
	rows, err := tx.Query(ctx, `
		SELECT c.oid::regclass::text, quote_ident(a.attname), a.atttypid = 'uuid'::regtype
		FROM pg_policy p
		JOIN pg_class c ON c.oid = p.polrelid AND NOT c.relispartition
		JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = c.oid AND d.refobjsubid > 0
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
		WHERE p.polname = 'partywall_bound' AND c.relnamespace = to_regnamespace(quote_ident($1))
		GROUP BY 1, 2, 3`, schema)
	if err != nil {
		return nil, fmt.Errorf("isolation: listing protected tables: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t protectedTable, err error) {
		return t, row.Scan(&t.name, &t.column, &t.uuid)
	})
}

// deleteRows deletes a tenant's rows from the tables, and returns those that
// others still refer to.
func deleteRows(ctx context.Context, tx pgx.Tx, tables []protectedTable, t tenant.Tenant) (left []protectedTable, err error) {
	for _, table := range tables {
		key := any(t.Number)
		if table.uuid {
			key = t.ID
		}
		failed := pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error {
			_, err := save.Exec(ctx, `DELETE FROM `+table.name+` WHERE `+table.column+` = $1`, key)
			return err
		})
		var pg *pgconn.PgError
		switch {
		case failed == nil:
		case errors.As(failed, &pg) && pg.Code == "23503": // foreign_key_violation
			left, err = append(left, table), fmt.Errorf("isolation: deleting from %s: %w", table.name, scrub(pg))
		default:
			return tables, fmt.Errorf("isolation: deleting from %s: %w", table.name, failed)
		}
	}
	return left, err
}
