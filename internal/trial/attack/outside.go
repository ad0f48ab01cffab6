package main

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

func outsideCases() []Case {
	return []Case{
		{ID: "34", Name: "SQL in the name of a schema or database", On: onPolicy, Control: naiveNames, Attack: names},
		{
			ID: "35", Name: "names that a restored pg_dump would run (CVE-2025-8715)", On: onOwner, Control: poisonedNames, Attack: poisonedNames,
			Unbuilt: "tenants can make no object and no place with such a name; backup and restore are to come",
		},
	}
}

// openUp is SQL that a name may bring along.
const openUp = `ALTER TABLE {there}.orders DISABLE ROW LEVEL SECURITY`

// naiveNames provisions a tenant whose schema has been named by an attacker, as
// one would write it at first.
func naiveNames(ctx context.Context, s *scene) (err error) {
	name := `loot; ` + openUp + `; --`
	if err := s.admin(ctx, `CREATE SCHEMA `+name); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.admin(context.WithoutCancel(ctx), `ALTER TABLE {there}.orders ENABLE ROW LEVEL SECURITY`, `DROP SCHEMA loot`))
	}()
	s.try(ctx, reads()...)
	return nil
}

// names tries the same through the catalog. A name that is taken has to be
// quoted.
func names(ctx context.Context, s *scene) error {
	for _, name := range []string{
		`loot; ` + openUp + `; --`, `loot"; ` + openUp + `; --`, `loot' ; ` + openUp + `; --`, `loot" AUTHORIZATION partywall_app; --`,
		"loot\x00", `loot\"; ` + openUp, `"$user"`, `place_of_victim, public`, `public`, `partywall`, `pg_catalog`, s.victim.Placement.Schema,
	} {
		if err := s.settleAt(ctx, tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: s.expand(name)}); err != nil {
			return err
		}
	}
	for _, name := range []string{
		s.house.name + `"; ` + openUp + `; --`, s.house.name + ` OWNER partywall_app; --`, s.house.name, s.victim.Placement.Database,
	} {
		if err := s.settleAt(ctx, tenant.Placement{Server: "eu-1", Strategy: tenant.Database, Database: s.expand(name)}); err != nil {
			return err
		}
	}
	s.try(ctx, reads()...)
	return nil
}

// settleAt settles a new tenant somewhere, reads as that tenant, and ends it.
func (s *scene) settleAt(ctx context.Context, place tenant.Placement) error {
	who, err := s.house.tenants.Create(ctx, tenant.Spec{Slug: strings.ReplaceAll(unique("new"), "_", "-"), Placement: place, Status: tenant.Active})
	if err != nil {
		s.hearError(err)
		return nil // refused
	}
	if err := s.house.db.Provision(ctx, who); err != nil {
		s.hearError(err)
		return nil // refused: there is no such place
	}
	for _, sql := range reads() {
		got, _ := s.ask(ctx, s.open, party{Tenant: who}, sql) // refusals are heard
		s.hear(got...)
	}
	if place.Schema == s.victim.Placement.Schema && place.Database == s.victim.Placement.Database || place.Schema == "" && place.Database == "" {
		return nil // it must not be ended: it is where the victim is, and its rows are checked
	}
	if err := s.house.db.Deprovision(ctx, who); err != nil {
		s.hearError(err)
	}
	return nil
}

// poisonedNames makes objects whose names hold a line that psql takes for a
// command of its own, when it restores a dump that has them in comments.
func poisonedNames(ctx context.Context, s *scene) (err error) {
	const bare, name = "loot\n\\! touch loot\n--", "\"loot\n\\! touch loot\n--\""
	sqls := []string{
		`CREATE TABLE ` + name + ` (n int)`, `CREATE TABLE {here}.` + name + ` (n int)`, `CREATE SCHEMA ` + name, `CREATE TEMP TABLE ` + name + ` (n int)`,
		`CREATE SEQUENCE {here}.` + name, `CREATE TYPE {here}.` + name + ` AS (n int)`, `CREATE INDEX ` + name + ` ON {here}.orders (item)`,
		`ALTER TABLE {here}.orders RENAME TO ` + name, `ALTER TABLE {here}.orders ADD COLUMN ` + name + ` int`, `CREATE ROLE ` + name,
		`COMMENT ON TABLE {here}.orders IS 'x'`, `CREATE PUBLICATION ` + name, `ALTER TABLE {here}.orders RENAME COLUMN item TO ` + name,
		`CREATE FUNCTION {here}.` + name + `() RETURNS int LANGUAGE sql AS 'SELECT 1'`, `CREATE DOMAIN {here}.` + name + ` AS int`,
		`ALTER TABLE {here}.orders ADD CONSTRAINT ` + name + ` CHECK (true)`, `CREATE STATISTICS {here}.` + name + ` ON id, item FROM {here}.orders`,
		`CREATE POLICY ` + name + ` ON {here}.orders`, `CREATE DATABASE ` + name, `CREATE COLLATION {here}.` + name + ` FROM "C"`,
		`CREATE TRIGGER ` + name + ` BEFORE INSERT ON {here}.orders EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
	}
	s.try(ctx, sqls...)
	if s.wall { // what would be left of these on the plain set-up would be in the way of its other cases
		if err := s.steal(ctx, sqls...); err != nil {
			return err
		}
		for _, place := range []tenant.Placement{{Strategy: tenant.Schema, Schema: bare}, {Strategy: tenant.Database, Database: bare}} {
			place.Server = "eu-1"
			if err := s.settleAt(ctx, place); err != nil {
				return err
			}
		}
	}
	conn, err := pgx.Connect(ctx, s.house.url("", s.database(s.attacker)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	made, err := answered(conn.Query(ctx, `SELECT relname FROM pg_class WHERE relname LIKE E'%\n%' UNION ALL SELECT attname FROM pg_attribute WHERE attname LIKE E'%\n%'
		UNION ALL SELECT nspname FROM pg_namespace WHERE nspname LIKE E'%\n%' UNION ALL SELECT typname FROM pg_type WHERE typname LIKE E'%\n%'
		UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE E'%\n%' UNION ALL SELECT conname FROM pg_constraint WHERE conname LIKE E'%\n%'
		UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE E'%\n%' UNION ALL SELECT polname FROM pg_policy WHERE polname LIKE E'%\n%'
		UNION ALL SELECT collname FROM pg_collation WHERE collname LIKE E'%\n%' UNION ALL SELECT stxname FROM pg_statistic_ext WHERE stxname LIKE E'%\n%'
		UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE E'%\n%' UNION ALL SELECT datname FROM pg_database WHERE datname LIKE E'%\n%'
		UNION ALL SELECT pubname FROM pg_publication WHERE pubname LIKE E'%\n%'`))
	if len(made) == 0 || err != nil {
		return err
	}
	s.findf("made %.40q", made)
	if s.wall {
		return nil
	}
	for _, sql := range []string{
		`ALTER TABLE IF EXISTS orders RENAME COLUMN ` + name + ` TO item`, `ALTER TABLE IF EXISTS orders DROP COLUMN ` + name,
		`ALTER TABLE IF EXISTS orders DROP CONSTRAINT IF EXISTS ` + name, `DROP TRIGGER IF EXISTS ` + name + ` ON orders`, `DROP POLICY IF EXISTS ` + name + ` ON orders`,
		`DROP FUNCTION IF EXISTS ` + name, `DROP DOMAIN IF EXISTS ` + name, `DROP COLLATION IF EXISTS ` + name, `DROP STATISTICS IF EXISTS ` + name,
		`DROP SEQUENCE IF EXISTS ` + name, `DROP TABLE IF EXISTS ` + name, `DROP INDEX IF EXISTS ` + name, `DROP TYPE IF EXISTS ` + name,
	} {
		_, _ = conn.Exec(ctx, sql) // what is not there is not there
	}
	return nil
}
