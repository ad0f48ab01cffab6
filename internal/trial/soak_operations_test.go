package trial_test

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

const (
	insertNote = `INSERT INTO note (id, owner, body) VALUES ($1, $2, $3)`
	updateNote = `UPDATE note SET body = $2 WHERE id = $1 RETURNING owner`
	deleteNote = `DELETE FROM note WHERE id = $1 RETURNING owner`
	pointNote  = `SELECT owner, body FROM note WHERE id = $1`
	listNotes  = `SELECT owner FROM note ORDER BY id DESC LIMIT 20`
)

// canary fails the test if a row is somebody else's.
func (j *job) canary(owner string) {
	if owner != j.who.Slug {
		j.t.Errorf("LEAK: %s got a row of %s", j.who.Slug, owner)
	}
}

func (j *job) point() error {
	m, ok := j.known()
	if !ok {
		return j.list()
	}
	return j.expect(m, j.QueryRow(j.ctx, pointNote, m.id))
}

// expect reads a row that must be there.
func (j *job) expect(m mine, row interface{ Scan(dest ...any) error }) error {
	var owner, body string
	if err := row.Scan(&owner, &body); err != nil {
		return fmt.Errorf("row %d: %w", m.id, err)
	}
	j.canary(owner)
	if body != m.body {
		j.t.Errorf("%s: row %d is %q, was written as %q", j.who.Slug, m.id, body, m.body)
	}
	return nil
}

// list reads some rows, and does not always read to the end.
func (j *job) list() error {
	rows, err := j.Query(j.ctx, listNotes)
	if err != nil {
		return err
	}
	defer rows.Close()
	most := j.r.IntN(30)
	for n := 0; n < most && rows.Next(); n++ {
		var owner string
		if err := rows.Scan(&owner); err != nil {
			return err
		}
		j.canary(owner)
	}
	rows.Close()
	return rows.Err()
}

func (j *job) insert() error {
	m := j.fresh()
	j.wrote = append(j.wrote, m)
	_, err := j.Exec(j.ctx, insertNote, m.id, j.who.Slug, m.body)
	return err
}

func (j *job) update() error {
	m, ok := j.known()
	if !ok {
		return j.insert()
	}
	m.body = j.fresh().body
	j.wrote = append(j.wrote, m)
	return j.owned(j.QueryRow(j.ctx, updateNote, m.id, m.body))
}

func (j *job) remove() error {
	m, ok := j.known()
	if !ok {
		return j.insert()
	}
	j.gone = append(j.gone, m)
	return j.owned(j.QueryRow(j.ctx, deleteNote, m.id))
}

// owned reads whose row was changed.
func (j *job) owned(row interface{ Scan(dest ...any) error }) error {
	var owner string
	if err := row.Scan(&owner); err != nil {
		return err
	}
	j.canary(owner)
	return nil
}

func (j *job) batch() error {
	one, two := j.fresh(), j.fresh()
	j.wrote = append(j.wrote, one, two)
	var b pgx.Batch
	b.Queue(insertNote, one.id, j.who.Slug, one.body)
	b.Queue(insertNote, two.id, j.who.Slug, two.body)
	b.Queue(pointNote, one.id).QueryRow(func(row pgx.Row) error { return j.expect(one, row) })
	b.Queue(listNotes).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := j.owned(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return j.SendBatch(j.ctx, &b).Close()
}

func (j *job) copy() error {
	var rows [][]any
	for range 1 + j.r.IntN(5) {
		m := j.fresh()
		j.wrote = append(j.wrote, m)
		rows = append(rows, []any{m.id, j.who.Slug, m.body})
	}
	_, err := j.CopyFrom(j.ctx, pgx.Identifier{"note"}, []string{"id", "owner", "body"}, pgx.CopyFromRows(rows))
	return err
}

// tx ends in each of the ways in which a transaction can.
func (j *job) tx() error {
	m := j.fresh()
	j.wrote = append(j.wrote, m)
	end := j.r.IntN(4)
	return j.Tx(j.ctx, nil, func(tx pgx.Tx) error {
		if _, err := tx.Exec(j.ctx, insertNote, m.id, j.who.Slug, m.body); err != nil {
			return err
		}
		if err := j.expect(m, tx.QueryRow(j.ctx, pointNote, m.id)); err != nil {
			return err
		}
		switch end {
		case 0:
			return errTakenBack
		case 1:
			panic(panicked{})
		}
		return nil
	})
}

// nested rolls an inner transaction back and commits the outer one.
func (j *job) nested() error {
	outer, inner, kept := j.fresh(), j.fresh(), j.fresh()
	j.wrote = append(j.wrote, outer, kept)
	return j.Tx(j.ctx, nil, func(tx pgx.Tx) error {
		if _, err := tx.Exec(j.ctx, insertNote, outer.id, j.who.Slug, outer.body); err != nil {
			return err
		}
		err := pgx.BeginFunc(j.ctx, tx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(j.ctx, insertNote, inner.id, j.who.Slug, inner.body); err != nil {
				return err
			}
			return errTakenBack
		})
		if !errors.Is(err, errTakenBack) {
			return err
		}
		if j.ctx.Err() != nil {
			return j.ctx.Err() // errTakenBack would hide it
		}
		return pgx.BeginFunc(j.ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(j.ctx, insertNote, kept.id, j.who.Slug, kept.body)
			return err
		})
	})
}

func (j *job) stdRead() error {
	rows, err := j.std.QueryContext(j.ctx, listNotes)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err has it
	for rows.Next() {
		if err := j.owned(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (j *job) stdWrite() error {
	m := j.fresh()
	j.wrote = append(j.wrote, m)
	_, err := j.std.ExecContext(j.ctx, insertNote, m.id, j.who.Slug, m.body)
	return err
}

func (j *job) stdTx() error {
	m := j.fresh()
	j.wrote = append(j.wrote, m)
	tx, err := j.std.BeginTx(j.ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(j.ctx, insertNote, m.id, j.who.Slug, m.body); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := j.expect(m, tx.QueryRowContext(j.ctx, pointNote, m.id)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if j.r.IntN(3) == 0 {
		if err := tx.Rollback(); err != nil {
			return err
		}
		return errTakenBack
	}
	return tx.Commit()
}

// changeShared changes the row that all workers change.
func (j *job) changeShared() error {
	err := j.owned(j.QueryRow(j.ctx, `UPDATE note SET n = n + 1 WHERE id = $1 RETURNING owner`, sharedRow))
	if err == nil || ended(j.ctx) {
		j.book.hit(err == nil)
	}
	return err
}

// wrongTenant uses contexts that do not belong where they are used. Nothing
// may come of it but an error, and the transaction goes on.
func (j *job) wrongTenant() error {
	other := j.house.who[j.r.IntN(len(j.house.who))]
	theirs := tenant.NewContext(j.t.Context(), other)
	if other.ID != j.who.ID {
		if _, err := j.Exec(tenant.NewContext(j.ctx, other), `DELETE FROM note`); !errors.Is(err, tenant.ErrTwoTenants) {
			j.t.Errorf("a context of two tenants: %v, want ErrTwoTenants", err)
		}
	}
	if _, err := j.Exec(tenant.Without(j.ctx), `DELETE FROM note`); !errors.Is(err, tenant.ErrNoTenant) {
		j.t.Errorf("a context of nobody: %v, want ErrNoTenant", err)
	}
	return j.Tx(j.ctx, nil, func(tx pgx.Tx) error {
		if _, err := tx.Exec(theirs, `DELETE FROM note`); other.ID != j.who.ID && !errors.Is(err, tenant.ErrTwoTenants) {
			j.t.Errorf("another's context in a transaction: %v, want ErrTwoTenants", err)
		}
		if other.ID == j.who.ID {
			return errTakenBack
		}
		return j.owned(tx.QueryRow(j.ctx, listNotes))
	})
}

// reach tries to get at others' rows by plain SQL.
func (j *job) reach() error {
	var n int
	err := j.QueryRow(j.ctx, `SELECT count(*) FROM note WHERE owner <> $1 OR tenant_id <> $2`, j.who.Slug, j.who.Number).Scan(&n)
	if err != nil {
		return err
	}
	if n != 0 {
		j.t.Errorf("LEAK: %s sees %d rows of others", j.who.Slug, n)
	}
	tag, err := j.Exec(j.ctx, `UPDATE note SET body = 'stolen' WHERE owner <> $1`, j.who.Slug)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != 0 {
		j.t.Errorf("LEAK: %s changed %d rows of others", j.who.Slug, tag.RowsAffected())
	}
	_, err = j.Exec(j.ctx, `INSERT INTO note (tenant_id, id, owner, body) VALUES ($1, $2, $3, 'planted')`,
		j.who.Number+1, j.fresh().id, j.who.Slug)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" { // insufficient_privilege
		return nil
	}
	if err == nil {
		j.t.Errorf("LEAK: %s planted a row at another's", j.who.Slug)
	}
	return err
}
