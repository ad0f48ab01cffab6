package main

import (
	"context"
	"errors"

	"github.com/partywall/partywall/isolation"
)

// misbuilt is a host's schema with a hole in it: the control gets through, and
// the wall refuses to open over it, or holds in spite of it.
type misbuilt struct {
	fixture, undo []string
	attack        Attack
}

// standing plays it on the plain set-up, or on a wall that was opened before the
// hole was made.
func (m misbuilt) standing(ctx context.Context, s *scene) (err error) {
	defer func() { err = errors.Join(err, s.adminThere(context.WithoutCancel(ctx), m.undo...)) }()
	if err := s.adminThere(ctx, m.fixture...); err != nil {
		return err
	}
	return m.attack(ctx, s)
}

// opening plays it on a process that opens over the hole.
func (m misbuilt) opening(ctx context.Context, s *scene) (err error) {
	defer func() { err = errors.Join(err, s.adminThere(context.WithoutCancel(ctx), m.undo...)) }()
	if err := s.adminThere(ctx, m.fixture...); err != nil {
		return err
	}
	db, err := s.house.open(ctx, func(*isolation.Server) {})
	if errors.Is(err, isolation.ErrUnsafe) {
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Close()
	before := s.open
	defer func() { s.open = before }()
	s.open = walled{db}
	return m.attack(ctx, s)
}

// refused is a case that Open refuses, or a database's first use.
func (m misbuilt) refused(id, name string) Case {
	return Case{ID: id, Name: name, On: onPolicy, Control: m.standing, Attack: m.opening}
}

// held is a case that the wall holds while it stands.
func (m misbuilt) held(id, name, on string) Case {
	return Case{ID: id, Name: name, On: on, Control: m.standing, Attack: m.standing}
}

// proven is a case that Open warns of, and prove finds under a code: it gets
// through until the SQL that prove prints is run.
func (m misbuilt) proven(id, name, code string) Case {
	return Case{ID: id, Name: name, On: onPolicy, Control: m.standing, Attack: m.repaired(code), Proof: code}
}

// repaired plays it on a process that opens over the hole, and again after the
// hole has been closed as prove says. Without a word of prove's there is nothing
// between the two.
func (m misbuilt) repaired(code string) Attack {
	return func(ctx context.Context, s *scene) (err error) {
		defer func() { err = errors.Join(err, s.adminThere(context.WithoutCancel(ctx), m.undo...)) }()
		if err := s.adminThere(ctx, m.fixture...); err != nil {
			return err
		}
		db, err := s.house.open(ctx, func(*isolation.Server) {})
		if err != nil {
			return err
		}
		defer db.Close()
		probe, before := s.again(), s.open
		defer func() { s.open = before }()
		s.open, probe.open = walled{db}, walled{db}
		if err := probe.played(m.attack(ctx, probe)); err != nil {
			return err
		}
		report, err := db.Prove(ctx)
		if err != nil {
			return err
		}
		// As before, but for what prove says.
		if err := errors.Join(s.adminThere(ctx, m.undo...), s.seed(ctx), s.adminThere(ctx, m.fixture...)); err != nil {
			return err
		}
		for _, f := range report.Findings {
			if f.Code != code {
				continue
			}
			s.proven = len(probe.evidence()) > 0
			if err := s.house.admins.run(ctx, f.Database, `SET search_path = public`, f.SQL); err != nil {
				return err
			}
		}
		return m.attack(ctx, s)
	}
}

// hole is a fixture with what undoes it, and the statements that use it.
func hole(fixture, undo string, use ...string) misbuilt {
	return misbuilt{fixture: []string{fixture}, undo: []string{undo}, attack: statements(use...)}
}

func hostCases() []Case {
	hijack := hole(`
		CREATE TABLE membership (member bigint);
		CREATE FUNCTION my_orders() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS
			$$ SELECT o.item FROM {there}.orders o JOIN membership m ON m.member = o.tenant_id $$;`,
		`DROP TABLE IF EXISTS membership; DROP FUNCTION IF EXISTS my_orders`)
	hijack.attack = shadowMembership
	return []Case{
		hole(`CREATE VIEW loot AS TABLE {there}.orders; GRANT SELECT ON loot TO {app}`, `DROP VIEW IF EXISTS loot`,
			`SELECT item FROM {there}.loot`).refused("12", "a view without security_invoker"),
		hijack.held("13", "a definer function's search_path hijacked", onPolicy),
		hole(`CREATE FUNCTION loot() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS $$ SELECT item FROM {there}.orders $$`,
			`DROP FUNCTION IF EXISTS loot`, `SELECT {there}.loot()`).
			refused("13d", "a definer function of the host's that reads past the policies"),
		hole(`CREATE MATERIALIZED VIEW loot AS TABLE {there}.orders; GRANT SELECT ON loot TO {app}`, `DROP MATERIALIZED VIEW IF EXISTS loot`,
			`SELECT item FROM {there}.loot`).refused("14", "a materialized view"),
		hole(partitioned+`{protect events}`+grantAll, `DROP TABLE IF EXISTS events`,
			`SELECT item FROM {there}.events_one`, `SELECT item FROM {there}.events`).held("15", "a partition, directly", onPolicy),
		hole(partitioned+`{protect events} CREATE TABLE events_late (LIKE events_one); INSERT INTO events_late TABLE events_one;
			DROP TABLE events_one; ALTER TABLE events ATTACH PARTITION events_late FOR VALUES IN ({victim});`+grantAll, `DROP TABLE IF EXISTS events`,
			`SELECT item FROM {there}.events_late`).refused("15b", "a partition that came later, directly"),
		hole(`CREATE POLICY support ON {there}.orders USING (true)`, `DROP POLICY IF EXISTS support ON {there}.orders`,
			`SELECT item FROM {there}.orders`).refused("20", "an extra permissive policy"),
		hole(`CREATE TABLE loot (tenant_id bigint, item text); INSERT INTO loot SELECT tenant_id, item FROM {there}.orders; GRANT SELECT ON loot TO {app}`,
			`DROP TABLE IF EXISTS loot`, `SELECT item FROM {there}.loot`).refused("21", "a new table without a policy"),
		leaky(),
		hole(`CREATE FUNCTION peek(v text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE LEAKPROOF COST 0.0000001 AS
			$$ BEGIN IF strpos(v, '{own}') = 0 THEN RAISE EXCEPTION 'peeked %', v; END IF; RETURN true; END $$`, `DROP FUNCTION IF EXISTS peek`,
			`SELECT count(*) FROM {there}.orders WHERE {there}.peek(item)`).
			proven("24h", "a function that a superuser falsely calls LEAKPROOF", "function-leakproof"),
	}
}

// partitioned is a table whose rows of the victim are a partition.
const partitioned = `
	CREATE TABLE events (tenant_id bigint NOT NULL, item text) PARTITION BY LIST (tenant_id);
	CREATE TABLE events_one PARTITION OF events FOR VALUES IN ({victim});
	CREATE TABLE events_other PARTITION OF events DEFAULT;
	INSERT INTO events SELECT tenant_id, item FROM {there}.orders;`

// grantAll is what hosts write to have done with it.
const grantAll = ` GRANT SELECT ON ALL TABLES IN SCHEMA {there} TO {app};`

// shadowMembership puts a table of the attacker's in front of the one that a
// function means.
func shadowMembership(ctx context.Context, s *scene) error {
	mine := []string{
		`CREATE TEMP TABLE membership AS SELECT {victim}::bigint AS member`, `CREATE SCHEMA mine`,
		`CREATE TABLE {here}.membership AS SELECT {victim}::bigint AS member`,
	}
	return each(mine, `SELECT {there}.my_orders()`)(ctx, s)
}

// leaky tries functions that tell what they are given, on what the policies
// hide. The control hides it by a view that is no barrier.
func leaky() Case {
	const peek = `CREATE FUNCTION pg_temp.peek(v text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
		$$ BEGIN IF strpos(v, '{own}') = 0 THEN RAISE EXCEPTION 'peeked %', v; END IF; RETURN true; END $$`
	peeking := func(ctx context.Context, s *scene) error {
		_ = s.transaction(ctx, s.open, s.attacker, peek, `SELECT count(*) FROM {there}.mine WHERE pg_temp.peek(item)`,
			`SELECT count(*) FROM {there}.orders WHERE pg_temp.peek(item)`) // refusals are heard
		s.try(ctx, `SELECT count(*) FROM {there}.mine WHERE item::int = 1`, `SELECT count(*) FROM {there}.orders WHERE item::int = 1 AND tenant_id = {victim}`,
			`SELECT count(*) FROM {there}.orders WHERE 1 / strpos(item, '{own}') > 0`)
		return s.steal(ctx, peek, `SELECT count(*) FROM orders WHERE pg_temp.peek(item)`, `SELECT count(*) FROM orders WHERE item::int = 1`)
	}
	const undo = `DROP VIEW IF EXISTS mine`
	naive := hole(`CREATE VIEW mine AS SELECT tenant_id, id, item FROM {there}.orders WHERE tenant_id = current_setting('app.tenant')::bigint; GRANT SELECT ON mine TO {app}`, undo)
	honest := hole(`CREATE VIEW mine WITH (security_invoker = true) AS TABLE {there}.orders; GRANT SELECT ON mine TO {app}`, undo)
	naive.attack, honest.attack = peeking, peeking
	return Case{ID: "24", Name: "a leaky function or cast", On: onPolicy, Control: naive.standing, Attack: honest.opening}
}
