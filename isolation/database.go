package isolation

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// ownDatabase gives a tenant a database of its own.
type ownDatabase struct{}

func (ownDatabase) database(_ *server, t tenant.Tenant) string {
	if t.Placement.Database != "" {
		return t.Placement.Database
	}
	return ownName(t)
}

func (ownDatabase) path(s *server, _ tenant.Tenant) string { return quote(s.opts.Schema) }

// fit refuses databases that cannot be one tenant's own, so that nobody's end
// is everybody's.
func (o ownDatabase) fit(s *server, t tenant.Tenant) error {
	name := o.database(s, t)
	switch name {
	case s.app.Database, "postgres", "template0", "template1":
		return fmt.Errorf("%w: database %s is not tenant %s's (%s) own", ErrRefused, quote(name), t.ID, t.Slug)
	}
	return nil
}

func (o ownDatabase) create(ctx context.Context, s *server, t tenant.Tenant) error {
	name := o.database(s, t)
	err := s.asMigrator(ctx, s.app.Database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `CREATE DATABASE `+quote(name))
		var pg *pgconn.PgError
		if errors.As(err, &pg) && (pg.Code == "42P04" || pg.Code == "23505") { // duplicate_database, or a race for it
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("isolation: creating database %s: %w", quote(name), err)
	}
	if err := s.bootstrap(ctx, name, s.opts.Schema); err != nil {
		return fmt.Errorf("isolation: database %s: %w", quote(name), err)
	}
	return nil
}

func (o ownDatabase) remove(ctx context.Context, s *server, t tenant.Tenant) error {
	name := o.database(s, t)
	if err := s.alone(ctx, name, o.path(s, t), t); err != nil && !noDatabase(err) {
		return err
	}
	s.forget(name)
	return s.asMigrator(ctx, s.app.Database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+quote(name)+` WITH (FORCE)`); err != nil {
			return fmt.Errorf("isolation: dropping database %s: %w", quote(name), err)
		}
		return nil
	})
}

// forget ends the pool of a database that is going away. Statements that are
// under way fail.
func (s *server) forget(name string) {
	s.mu.Lock()
	d := s.databases[name]
	delete(s.databases, name)
	s.mu.Unlock()
	if d != nil {
		go d.pool.Close()
	}
}

// noDatabase reports whether a connection failed for want of its database: it
// is gone (invalid_catalog_name), or half gone, because the server crashed while
// it was dropped, and can only be dropped again (object_not_in_prerequisite_state).
func noDatabase(err error) bool { return isCode(err, "3D000") || isCode(err, "55000") }
