package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/partywall/partywall/internal/bench/sqlcgen"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// opener makes a client on one connection of its own.
type opener func(ctx context.Context) (client, error)

// nextBase is where the ids of the next client's rows begin.
func (m *maker) nextBase() int64 {
	return (m.nth*100 + int64(len(m.clients)) + 1) * idRange
}

// through is the URL of a role to a database through PgBouncer.
func (m *maker) through(role, database string) string {
	u := *m.tcp
	u.Host = m.pooler
	return in(&u, role, database)
}

// plain opens pgx's own pool, and what stands on it.
func (m *maker) plain(to string, mode pgx.QueryExecMode, as func(*house, *raw) (client, error)) opener {
	return func(ctx context.Context) (client, error) {
		pool, err := m.pool(ctx, to, mode, 1)
		if err != nil {
			return nil, err
		}
		return as(m.house, &raw{ctx: ctx, pool: pool, tenant: m.who["acme"].Number, base: m.nextBase()})
	}
}

func asWritten(_ *house, c *raw) (client, error) { return c, nil }

func byTheBook(_ *house, c *raw) (client, error) { return (*textbook)(c), nil }

func inOneFlush(_ *house, c *raw) (client, error) { return (*flushed)(c), nil }

func throughSqlcPlain(_ *house, c *raw) (client, error) {
	return &generatedPlain{generated: generated{queries: sqlcgen.New(c.pool), ctx: c.ctx, base: c.base}, tenant: c.tenant}, nil
}

func throughGORMPlain(h *house, c *raw) (client, error) {
	db := stdlib.OpenDB(*c.pool.Config().ConnConfig)
	db.SetMaxOpenConns(1)
	h.closers = append(h.closers, func() { _ = db.Close() }) // nothing is to be lost
	orms, err := openGORM(c.ctx, db)
	return &ormPlain{orm: orm{db: orms, base: c.base}, tenant: c.tenant}, err
}

// direct opens the wall for the tenants given, in turn.
func (m *maker) direct(as func(*walled) (client, error), slugs ...string) opener {
	return func(ctx context.Context) (client, error) {
		db, err := m.open(ctx, isolation.Server{App: m.at(m.base, appRole), MaxConns: 1}, &isolation.Options{})
		if err != nil {
			return nil, err
		}
		c := &walled{db: db, base: m.nextBase()}
		for _, slug := range slugs {
			c.turn = append(c.turn, tenant.NewContext(ctx, m.who[slug]))
		}
		return as(c)
	}
}

func asGiven(c *walled) (client, error) { return c, nil }

func throughStd(c *walled) (client, error) {
	return &std{db: c.db.StdDB(), ctx: c.turn[0], base: c.base}, nil
}

func throughSqlc(c *walled) (client, error) {
	return &generated{queries: sqlcgen.New(c.db), ctx: c.turn[0], base: c.base}, nil
}

func throughGORM(c *walled) (client, error) {
	orms, err := openGORM(c.turn[0], c.db.StdDB())
	return &orm{db: orms, base: c.base}, err
}

// perTransaction opens the wall as it is behind a pooler.
func (m *maker) perTransaction(to string, mode pgx.QueryExecMode) opener {
	return func(ctx context.Context) (client, error) {
		db, err := m.open(ctx, isolation.Server{App: to, Pooled: true, MaxConns: 1}, &isolation.Options{ExecMode: mode})
		if err != nil {
			return nil, err
		}
		return &walled{db: db, turn: []context.Context{tenant.NewContext(ctx, m.who["acme"])}, base: m.nextBase()}, nil
	}
}

// pool opens pgx's own pool; the house closes it.
func (h *house) pool(ctx context.Context, to string, mode pgx.QueryExecMode, conns int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(to)
	if err != nil {
		return nil, fmt.Errorf("pgx: %w", err)
	}
	config.MaxConns = conns
	config.ConnConfig.DefaultQueryExecMode = mode
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("pgx: %w", err)
	}
	h.closers = append(h.closers, pool.Close)
	return pool, nil
}
