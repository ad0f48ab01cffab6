package prove

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// loot is what the other has: a row for each key by its id, and for each table
// by the id of a key without a name. A row is text, which becomes a row again
// wherever there is such a table.
type loot map[string]string

// learn reads as the other what its rows are.
func (p prober) learn(ctx context.Context, tx pgx.Tx) (loot, error) {
	tables, err := list[target](ctx, tx, targetsSQL+tableSQL)
	if err != nil {
		return nil, err
	}
	keys, err := list[unique](ctx, tx, targetsSQL+uniquesSQL)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		keys = append(keys, unique{Path: t.Path})
	}
	known := loot{}
	for _, k := range keys {
		t, ok := at(tables, k.Path)
		if !ok {
			continue
		}
		row, err := p.sample(ctx, tx, t, k)
		if err != nil {
			return nil, err
		}
		if row != "" {
			known[k.id()] = row
		}
	}
	return known, nil
}

// sample reads a row of the other's that is in a key, "" when there is none, or
// none that it may read.
func (p prober) sample(ctx context.Context, tx pgx.Tx, t target, k unique) (row string, err error) {
	sql := `SELECT partywall_row::text FROM ` + t.Path + ` AS partywall_row WHERE ` + t.Column + ` = $1` + k.and() + ` LIMIT 1` //scopecheck:allow names as the catalogue quotes them
	err = pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error {
		return save.QueryRow(ctx, sql, t.key(p.other)).Scan(&row)
	})
	var refused *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &refused) {
		return "", nil
	}
	return row, err
}

// ask asks every key what the other has.
func (p prober) ask(ctx context.Context, tx pgx.Tx, tables []target, known loot) error {
	// What constraints put off until the end would never be said: there is none.
	if _, err := tx.Exec(ctx, `SET CONSTRAINTS ALL IMMEDIATE`); err != nil {
		return err
	}
	uniques, err := list[unique](ctx, tx, targetsSQL+uniquesSQL)
	if err != nil {
		return err
	}
	for _, u := range uniques {
		if err := p.duplicate(ctx, tx, tables, u, known); err != nil {
			return err
		}
	}
	references, err := list[reference](ctx, tx, targetsSQL+referencesSQL)
	if err != nil {
		return err
	}
	for _, r := range references {
		if err := p.refer(ctx, tx, tables, r, uniques, known); err != nil {
			return err
		}
	}
	return nil
}

// told reports a key that has answered, with the SQL that [Catalog] has for it.
func (p prober) told(ctx context.Context, tx pgx.Tx, code, object, reason, catalogCode string) error {
	rows, err := tx.Query(ctx, sharedSQL+scopeSQL+keysSQL, Options{Wall: "partywall_app", TenantColumn: "tenant_id"}.args()...)
	if err != nil {
		return err
	}
	var sql string
	var f Finding
	_, err = pgx.ForEachRow(rows, []any{&f.Severity, &f.Code, &f.Object, &f.Reason, &f.SQL}, func() error {
		if f.Code == catalogCode && f.Object == object {
			sql = f.SQL
		}
		return nil
	})
	p.found(Warning, code, object, reason, sql)
	return err
}
