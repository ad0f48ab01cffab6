package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// maker makes the clients of one transport.
type maker struct {
	*house

	base    *url.URL
	pooler  string // host:port of PgBouncer, "" where there is none
	nth     int64  // of the lines
	clients []named
}

// named is a client with the name that the tables give it.
type named struct {
	client

	name string
	over string // what it is compared with besides
}

// benches returns what there is to measure, over each transport.
func (h *house) benches(ctx context.Context, only string, rtt time.Duration) ([]*bench, error) {
	lines, err := h.lines(ctx, rtt)
	if err != nil {
		return nil, err
	}
	var out []*bench
	for nth, over := range lines {
		m := &maker{house: h, base: over.url, pooler: over.pooler, nth: int64(nth)}
		if err := m.make(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", over.name, err)
		}
		for _, statement := range []string{"point", "list", "insert", "join", "transaction", "batch"} {
			b := &bench{transport: over.name, statement: statement, slow: over.slow}
			for _, c := range m.clients {
				if run := c.running(statement); run != nil {
					b.ways = append(b.ways, &way{name: c.name, over: c.over, run: run})
				}
			}
			if b.keep(only) {
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// running is how the client runs a statement, nil if it does not.
func (c named) running(statement string) func(int) error {
	runs := map[string]func(int) error{"point": c.point, "list": c.list, "insert": c.insert}
	if l, ok := c.client.(larger); ok {
		runs["join"], runs["transaction"], runs["batch"] = l.join, l.transaction, l.batch
	}
	return runs[statement]
}

// line is one way to the servers.
type line struct {
	name   string
	url    *url.URL
	pooler string
	slow   bool
}

// lines are the ways to the servers. PgBouncer listens on no socket here.
func (h *house) lines(ctx context.Context, rtt time.Duration) ([]line, error) {
	all := []line{{name: "unix", url: h.socket}, {name: "tcp", url: h.tcp, pooler: h.bouncer}}
	if rtt <= 0 {
		return all, nil
	}
	server, err := openFar(ctx, h.tcp.Host, rtt)
	if err != nil {
		return nil, err
	}
	h.closers = append(h.closers, server.close)
	pooler, err := openFar(ctx, h.bouncer, rtt)
	if err != nil {
		return nil, err
	}
	h.closers = append(h.closers, pooler.close)
	return append(all, line{"tcp at " + rtt.String(), server.url(h.tcp), pooler.listener.Addr().String(), true}), nil
}

// make makes the clients in the order of the table's lines.
func (m *maker) make(ctx context.Context) error {
	plain := in(m.base, plainRole, m.name+"_plain")
	steps := []func() error{
		func() error {
			return m.addPlain(ctx, "hand-written pgx", plain, pgx.QueryExecModeCacheStatement, false)
		},
		func() error { return m.addPlain(ctx, "the same again", plain, pgx.QueryExecModeCacheStatement, false) },
		func() error { return m.addPlain(ctx, "textbook", plain, pgx.QueryExecModeCacheStatement, true) },
		func() error { return m.addWall(ctx, "shared, bound", "acme") },
		func() error { return m.addWall(ctx, "shared, switching", "acme", "globex") },
		func() error { return m.addWall(ctx, "schema, bound", "initech") },
		func() error { return m.addWall(ctx, "database, bound", "umbrella") },
		func() error { return m.addStd(ctx, "database/sql, bound") },
		func() error { return m.addPooled(ctx, "per transaction", m.at(m.base, pooledRole), 0) },
		// What a pooler that knows prepared statements would allow.
		func() error {
			return m.addPooled(ctx, "per transaction, prepared", m.at(m.base, pooledRole), pgx.QueryExecModeCacheStatement)
		},
		func() error {
			return m.addPlain(ctx, "pgx, described only", plain, pgx.QueryExecModeCacheDescribe, false)
		},
	}
	if m.pooler != "" {
		// PgBouncer of Debian 12 knows nothing of prepared statements.
		steps = append(steps,
			func() error {
				return m.addPlain(ctx, "pgx, PgBouncer", m.through(plainRole, m.name+"_plain"), pgx.QueryExecModeCacheDescribe, false)
			},
			func() error {
				err := m.addPooled(ctx, "per transaction, PgBouncer", m.through(pooledRole, m.name), 0)
				m.clients[len(m.clients)-1].over = "pgx, PgBouncer"
				return err
			})
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) add(name string, c client) {
	m.clients = append(m.clients, named{client: c, name: name})
}

// nextBase is where the ids of the next client's rows begin.
func (m *maker) nextBase() int64 {
	base := int64(len(m.clients)+1) * idRange
	return base + m.nth*100*idRange
}

// through is the URL of a role to a database through PgBouncer.
func (m *maker) through(role, database string) string {
	u := *m.tcp
	u.Host = m.pooler
	return in(&u, role, database)
}

func (m *maker) addPlain(ctx context.Context, name, to string, mode pgx.QueryExecMode, byTheBook bool) error {
	config, err := pgxpool.ParseConfig(to)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	config.MaxConns = 1
	config.ConnConfig.DefaultQueryExecMode = mode
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.closers = append(m.closers, pool.Close)
	c := &raw{ctx: ctx, pool: pool, tenant: m.who["acme"].Number, base: m.nextBase()}
	if byTheBook {
		m.add(name, (*textbook)(c))
	} else {
		m.add(name, c)
	}
	return nil
}

// addWall adds the wall on one connection, for the tenants given in turn.
func (m *maker) addWall(ctx context.Context, name string, slugs ...string) error {
	db, err := m.open(ctx, isolation.Server{App: m.at(m.base, appRole), MaxConns: 1}, &isolation.Options{})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c := &walled{db: db, base: m.nextBase()}
	for _, slug := range slugs {
		c.turn = append(c.turn, tenant.NewContext(ctx, m.who[slug]))
	}
	m.add(name, c)
	return nil
}

func (m *maker) addPooled(ctx context.Context, name, to string, mode pgx.QueryExecMode) error {
	db, err := m.open(ctx, isolation.Server{App: to, Pooled: true, MaxConns: 1}, &isolation.Options{ExecMode: mode})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.add(name, &walled{db: db, turn: []context.Context{tenant.NewContext(ctx, m.who["acme"])}, base: m.nextBase()})
	return nil
}

func (m *maker) addStd(ctx context.Context, name string) error {
	db, err := m.open(ctx, isolation.Server{App: m.at(m.base, appRole), MaxConns: 1}, &isolation.Options{})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.add(name, &std{db: db.StdDB(), ctx: tenant.NewContext(ctx, m.who["acme"]), base: m.nextBase()})
	return nil
}
