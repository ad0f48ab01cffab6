package isolation

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Servers lists the servers' names, sorted.
func (db *DB) Servers() []string { return slices.Sorted(maps.Keys(db.servers)) }

// Target returns the place where t's rows are by its placement, whether the
// place has been made or not. It needs nothing of t but the placement and the
// number. It fails with [ErrNoServer], and with [ErrRefused] for a placement
// that cannot be t's.
func (db *DB) Target(t tenant.Tenant) (Target, error) {
	s, how, err := db.whereabouts(t)
	if err != nil {
		return Target{}, err
	}
	return s.target(how, t), nil
}

// AtPlace runs fn on a connection of the server's Migrator whose search_path is
// the place's, past the wall. The connection is fn's alone, and closed when fn
// returns; that the place exists is not looked at. It fails with [ErrNoServer],
// with [ErrRefused] without a Migrator, when it cannot connect, and as fn does.
func (db *DB) AtPlace(ctx context.Context, to Target, fn func(*pgx.Conn) error) error {
	s := db.servers[to.Server]
	if s == nil {
		return fmt.Errorf("%w: %q", ErrNoServer, to.Server)
	}
	return s.asMigrator(ctx, to.Database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `SET search_path = `+to.Path); err != nil { //scopecheck:allow names that the strategies have quoted
			return fmt.Errorf("isolation: server %q: going to schema %s of %s: %w", s.name, quote(to.Schema), quote(to.Database), err)
		}
		return fn(conn)
	})
}

// target says where t's tables are.
func (s *server) target(how strategy, t tenant.Tenant) Target {
	schema := s.opts.Schema
	if own, ok := how.(ownSchema); ok {
		schema = own.name(t)
	}
	return Target{
		Server: s.name, Database: how.database(s, t), Schema: schema, Strategy: t.Placement.Strategy, Path: how.path(s, t),
	}
}
