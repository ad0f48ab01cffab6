package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// crew is what runs the statements of loads in one way: for any of the tenants,
// on one pool.
type crew struct {
	name          string
	point, insert func(who, i int) error
	counts        func() (same, others uint64) // see loadWay
	memory        func() uint64                // see loadWay
}

// crews makes the crews of one line.
type crews struct {
	*house

	ctx  context.Context //nolint:containedctx // see client
	base *url.URL
	ids  int64 // where the ids of the next crew's rows begin
}

// shared makes the crews for the tenants in the shared tables.
func (m *crews) shared() ([]crew, error) {
	pgx, err := m.plain("hand-written pgx", loadConns, m.crowd.shared, byColumn)
	again, againErr := m.plain("the same again", loadConns, m.crowd.shared, byColumn)
	wall, wallErr := m.wall("shared", loadConns, m.crowd.shared)
	return []crew{pgx, again, wall}, errors.Join(err, againErr, wallErr)
}

// schemas makes those for the tenants in schemas of their own. Hand-written is
// again WHERE tenant_id in shared tables; schemas without a wall stand in the
// statements, of which there are as many.
func (m *crews) schemas() ([]crew, error) {
	pgx, err := m.plain("hand-written pgx", schemaConns, m.crowd.shared, byColumn)
	again, againErr := m.plain("the same again", schemaConns, m.crowd.shared, byColumn)
	qualified, qualifiedErr := m.plain("pgx, qualified names", schemaConns, m.crowd.schemas, bySchema)
	wall, wallErr := m.wall("schema", schemaConns, m.crowd.schemas)
	return []crew{pgx, again, qualified, wall}, errors.Join(err, againErr, qualifiedErr, wallErr)
}

// plain makes a crew on pgx's own pool. It keeps every statement prepared, also
// where there is one for each schema.
func (m *crews) plain(name string, conns int32, crowd []tenant.Tenant, as func(c *raw, who int) client) (crew, error) {
	to, ids := m.next(in(m.base, plainRole, m.name+"_plain"))
	pool, err := m.pool(m.ctx, to+fmt.Sprintf("&statement_cache_capacity=%d", room(crowd)), pgx.QueryExecModeCacheStatement, conns)
	if err != nil {
		return crew{}, err
	}
	clients := make([]client, len(crowd))
	for who, t := range crowd {
		clients[who] = as(&raw{ctx: m.ctx, pool: pool, tenant: t.Number, base: ids}, who)
	}
	return m.crew(name, clients), nil
}

// room is how many statements each connection of a crew keeps: all that there
// are, where each of the crowd has its own.
func room(crowd []tenant.Tenant) int { return 2 * len(crowd) }

func byColumn(c *raw, _ int) client { return c }

func bySchema(c *raw, who int) client {
	return &qualified{raw: c, sql: `SELECT id, name, price, made FROM ` + ownSchema(who) + `.item WHERE id = $1`}
}

// qualified is hand-written pgx for a tenant whose schema stands in the statement.
type qualified struct {
	*raw

	sql string
}

func (c *qualified) point(i int) error { return readOne(c.ctx, c.pool, c.sql, pointID(i)) }

// wall makes a crew on the wall. One tenant may have all connections.
func (m *crews) wall(name string, conns int, crowd []tenant.Tenant) (crew, error) {
	to, ids := m.next(m.at(m.base, appRole))
	all := func(tenant.Tenant) isolation.Limits { return isolation.Limits{Conns: -1} }
	options := &isolation.Options{Limits: all, Statements: room(crowd)}
	db, err := m.open(m.ctx, isolation.Server{App: to, MaxConns: conns}, options)
	if err != nil {
		return crew{}, err
	}
	clients := make([]client, len(crowd))
	for who, t := range crowd {
		clients[who] = &walled{db: db, turn: []context.Context{tenant.NewContext(m.ctx, t)}, base: ids}
	}
	c := m.crew(name, clients)
	c.counts = func() (same, others uint64) {
		s := db.Stats()["bench"]
		return s.Hits, s.Switches
	}
	return c, nil
}

// next returns a URL by which the crew's server processes can be told from
// others, and where the ids of its rows begin.
func (m *crews) next(to string) (string, int64) {
	m.ids += idRange
	return to + "&application_name=" + m.application(), m.ids
}

func (m *crews) application() string { return fmt.Sprintf("%s_%d", m.name, m.ids/idRange) }

func (m *crews) crew(name string, clients []client) crew {
	application := m.application()
	return crew{
		name: name,
		// The crowd has every so manieth row. There may be more schemas than
		// tenants in the shared tables.
		point:  func(who, i int) error { return clients[who%len(clients)].point(i * every) },
		insert: func(who, i int) error { return clients[who%len(clients)].insert(i) },
		memory: func() uint64 { return m.backendBytes(m.ctx, application) },
	}
}
