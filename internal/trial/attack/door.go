package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// door is how the application gets at its tenants' rows: through the wall, or
// as one would write it at first.
type door interface {
	// query runs one statement for a tenant, by the extended protocol.
	query(ctx context.Context, who party, sql string, args ...any) (pgx.Rows, error)
	// nobody runs one for no tenant: somebody has forgotten to say whose it is.
	nobody(ctx context.Context, sql string) (pgx.Rows, error)
	// begin begins a transaction of a tenant's.
	begin(ctx context.Context, who party) (pgx.Tx, error)
}

// party is a tenant with what only its rows hold.
type party struct {
	tenant.Tenant

	// canary is in every row, and known to nobody else. An attacker who comes
	// by it has read a row.
	canary string
	// guess is in one row, and what an attacker may guess but not know to be
	// there, such as an address.
	guess string
}

// walled is the wall.
type walled struct{ db *isolation.DB }

func (w walled) query(ctx context.Context, who party, sql string, args ...any) (pgx.Rows, error) {
	return w.db.Query(tenant.NewContext(ctx, who.Tenant), sql, args...)
}

func (w walled) nobody(ctx context.Context, sql string) (pgx.Rows, error) {
	return w.db.Query(ctx, sql)
}

func (w walled) begin(ctx context.Context, who party) (pgx.Tx, error) {
	tx, err := w.db.Begin(tenant.NewContext(ctx, who.Tenant))
	if err != nil {
		return nil, err
	}
	return tenantTx{tx, who.Tenant}, nil
}

// tenantTx says at every call whose it is, as a handler's context does.
type tenantTx struct {
	pgx.Tx

	who tenant.Tenant
}

func (t tenantTx) as(ctx context.Context) context.Context { return tenant.NewContext(ctx, t.who) }

func (t tenantTx) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := t.Tx.Begin(t.as(ctx))
	if err != nil {
		return nil, err
	}
	return tenantTx{tx, t.who}, nil
}

func (t tenantTx) Commit(ctx context.Context) error   { return t.Tx.Commit(t.as(ctx)) }
func (t tenantTx) Rollback(ctx context.Context) error { return t.Tx.Rollback(t.as(ctx)) }

func (t tenantTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.Tx.Exec(t.as(ctx), sql, args...)
}

func (t tenantTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.Tx.Query(t.as(ctx), sql, args...)
}

// plainDoor is the textbook: a pool, and set_config in every transaction.
type plainDoor struct{ pool *pgxpool.Pool }

func (p plainDoor) begin(ctx context.Context, who party) (pgx.Tx, error) {
	tx, err := p.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `SELECT set_config('app.tenant', $1, true)`, fmt.Sprint(who.Number)); err != nil {
		return nil, errors.Join(err, tx.Rollback(ctx))
	}
	return tx, nil
}

func (p plainDoor) query(ctx context.Context, who party, sql string, args ...any) (pgx.Rows, error) {
	tx, err := p.begin(ctx, who)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, errors.Join(err, tx.Rollback(ctx))
	}
	return &committing{Rows: rows, ctx: ctx, tx: tx}, nil
}

func (p plainDoor) nobody(ctx context.Context, sql string) (pgx.Rows, error) {
	return p.pool.Query(ctx, sql)
}

// committing ends the transaction with its rows.
type committing struct {
	pgx.Rows

	ctx context.Context
	tx  pgx.Tx
	err error
}

func (c *committing) Next() bool {
	if c.Rows.Next() {
		return true
	}
	c.Close()
	return false
}

func (c *committing) Close() {
	c.Rows.Close()
	if c.tx == nil {
		return
	}
	c.err = c.tx.Commit(c.ctx)
	c.tx = nil
}

func (c *committing) Err() error { return errors.Join(c.Rows.Err(), c.err) }
