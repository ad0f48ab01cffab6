package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// maker makes the clients of one transport.
type maker struct {
	*house

	base    *url.URL
	pooler  string // host:port of PgBouncer, "" where there is none
	nth     int64  // of the lines
	clients []named
}

// named is a client with its line of the tables.
type named struct {
	client
	entry
}

// benches returns what there is to measure, over each line.
func (h *house) benches(ctx context.Context, lines []line, only string) ([]*bench, error) {
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

// entry is one line of the tables.
type entry struct {
	name string
	over string // what it is compared with besides
	open opener
}

// entries are the lines of the tables, in order.
func (m *maker) entries() []entry {
	const cached, described = pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe
	plain, pooled := in(m.base, plainRole, m.name+"_plain"), m.at(m.base, pooledRole)
	all := []entry{
		{name: "hand-written pgx", open: m.plain(plain, cached, asWritten)},
		{name: "the same again", open: m.plain(plain, cached, asWritten)},
		{name: "textbook", open: m.plain(plain, cached, byTheBook)},
		{name: "plain GUC in one flush", open: m.plain(plain, cached, inOneFlush)},
		{name: "shared, bound", open: m.direct(asGiven, "acme")},
		{name: "shared, switching", open: m.direct(asGiven, "acme", "globex")},
		{name: "schema, bound", open: m.direct(asGiven, "initech")},
		{name: "database, bound", open: m.direct(asGiven, "umbrella")},
		{name: "per transaction", open: m.perTransaction(pooled, 0)},
		// What a pooler that knows prepared statements would allow.
		{name: "per transaction, prepared", open: m.perTransaction(pooled, cached)},
		{name: "pgx, described only", open: m.plain(plain, described, asWritten)},
	}
	if m.pooler != "" {
		// PgBouncer of Debian 12 knows nothing of prepared statements.
		all = append(all,
			entry{name: "pgx, PgBouncer", open: m.plain(m.through(plainRole, m.name+"_plain"), described, asWritten)},
			entry{name: "per transaction, PgBouncer", over: "pgx, PgBouncer", open: m.perTransaction(m.through(pooledRole, m.name), 0)})
	}
	return append(all,
		entry{name: "database/sql, bound", open: m.direct(throughStd, "acme")},
		entry{name: "GORM, no wall", open: m.plain(plain, cached, throughGORMPlain)},
		entry{name: "GORM, bound", over: "GORM, no wall", open: m.direct(throughGORM, "acme")},
		entry{name: "sqlc, no wall", open: m.plain(plain, cached, throughSqlcPlain)},
		entry{name: "sqlc, bound", over: "sqlc, no wall", open: m.direct(throughSqlc, "acme")})
}

// make makes the clients.
func (m *maker) make(ctx context.Context) error {
	for _, e := range m.entries() {
		c, err := e.open(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		m.clients = append(m.clients, named{client: c, entry: e})
	}
	return nil
}
