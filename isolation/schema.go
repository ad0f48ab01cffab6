package isolation

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// ownSchema gives a tenant a schema of its own, in the database that the
// server's shared tables are in.
type ownSchema struct{}

func (ownSchema) database(s *server, _ tenant.Tenant) string { return s.app.Database }

func (ownSchema) name(t tenant.Tenant) string { return cmp.Or(t.Placement.Schema, ownName(t)) }

// path puts the tenant's schema first, and the tables that tenants only read
// behind it.
func (o ownSchema) path(s *server, t tenant.Tenant) string {
	return quote(o.name(t)) + ", " + quote(s.opts.Schema)
}

func (o ownSchema) create(ctx context.Context, s *server, t tenant.Tenant) error {
	name := quote(o.name(t))
	err := s.asMigrator(ctx, s.app.Database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+name+`;
			GRANT USAGE ON SCHEMA `+name+` TO partywall_app, partywall_pooled, partywall_system`)
		if err != nil {
			return fmt.Errorf("isolation: creating schema %s: %w", name, err)
		}
		return s.migrate(ctx, conn, s.target(o, t))
	})
	if err != nil {
		return err
	}
	// The database has been looked at already; these tables are new in it.
	p, err := s.database(ctx, s.app.Database)
	if err != nil {
		return err
	}
	return s.inspect(ctx, p, o.name(t))
}

// fit refuses schemas that cannot be one tenant's own, so that nobody's end is
// everybody's.
func (o ownSchema) fit(s *server, t tenant.Tenant) error {
	name := o.name(t)
	switch {
	case name == s.opts.Schema, name == "public", name == "partywall", name == "information_schema", strings.HasPrefix(name, "pg_"):
		return fmt.Errorf("%w: schema %s is not tenant %s's (%s) own", ErrRefused, quote(name), t.ID, t.Slug)
	}
	return nil
}

func (o ownSchema) remove(ctx context.Context, s *server, t tenant.Tenant) error {
	if err := s.alone(ctx, s.app.Database, o.path(s, t), t); err != nil {
		return err
	}
	return s.asMigrator(ctx, s.app.Database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `DROP SCHEMA IF EXISTS `+quote(o.name(t))+` CASCADE`); err != nil {
			return fmt.Errorf("isolation: dropping schema %s: %w", o.name(t), err)
		}
		if _, err := conn.Exec(ctx, `DELETE FROM partywall.once WHERE tenant_id = $1`, t.Number); err != nil {
			return fmt.Errorf("isolation: forgetting what was done for tenant %d: %w", t.Number, err)
		}
		return nil
	})
}
