package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// scene is where one attack is played: on the wall, or on the set-up without.
type scene struct {
	combination
	pair

	house *house
	wall  bool
	// open is the application's door, and tight the one with a single connection
	// that all tenants use in turn.
	open, tight door

	heard []string // what the attacker got to read, errors and notices with it
	found []string // what it found out in another way

	proven bool // prove has found a hole that lets the attack through

	broken error // why an attack could not be played to its end
}

// scene returns where the attacks of one combination are played.
func (h *house) scene(at combination) *scene {
	return &scene{combination: at, pair: *h.pairs[at.strategy], house: h, wall: true, open: walled{h.db}, tight: walled{h.tight}}
}

// control is the scene without a wall. The role is the application's, or the
// one that owns the tables.
func (h *house) control(ctx context.Context, role string) (*scene, error) {
	s := &scene{
		combination: combination{h.mode, tenant.Shared},
		pair: pair{
			attacker: party{Tenant: tenant.Tenant{Number: 1, Slug: "attacker"}, canary: unique("canary"), guess: unique("guess")},
			victim:   party{Tenant: tenant.Tenant{Number: 2, Slug: "victim"}, canary: unique("canary"), guess: unique("guess")},
		},
		house: h,
	}
	open, err := h.plain.door(ctx, role, 4)
	if err != nil {
		return nil, err
	}
	tight, err := h.plain.door(ctx, role, 1)
	s.open, s.tight = open, tight
	return s, err
}

// again is the same scene before anything has happened.
func (s *scene) again() *scene {
	fresh := *s
	fresh.heard, fresh.found, fresh.proven, fresh.broken = nil, nil, false, nil
	return &fresh
}

// database is where a party's rows are.
func (s *scene) database(of party) string {
	switch {
	case !s.wall:
		return s.house.plain.name
	case s.strategy == tenant.Database:
		return cmp.Or(of.Placement.Database, s.house.name)
	}
	return s.house.name
}

// schema is where in the database they are.
func (s *scene) schema(of party) string {
	if s.wall && s.strategy == tenant.Schema {
		return of.Placement.Schema
	}
	return "public"
}

// reach is the schema of the victim's rows that the attacker's statements could
// get at. In a database of its own there are none, but those that somebody has
// put there by mistake; see [scene.seed].
func (s *scene) reach() string {
	if s.strategy == tenant.Database {
		return s.schema(s.attacker)
	}
	return s.schema(s.victim)
}

// role is the application's.
func (s *scene) role() string {
	if s.wall {
		return s.house.app
	}
	return s.house.plain.app
}

// expand fills in what the attacker knows: everything but the canaries.
func (s *scene) expand(sql string) string {
	sql = strings.NewReplacer(
		"{victim}", fmt.Sprint(s.victim.Number), "{attacker}", fmt.Sprint(s.attacker.Number),
		"{there}", quote(s.reach()), "{here}", quote(s.schema(s.attacker)), "{guess}", s.victim.guess,
		"{app}", quote(s.role()), "{own}", s.attacker.canary,
		"{together}", strconv.FormatBool(s.strategy != tenant.Database), "{owner}", quote(s.house.plain.owner),
	).Replace(sql)
	for {
		before, rest, ok := strings.Cut(sql, "{protect ")
		if !ok {
			return sql
		}
		table, after, _ := strings.Cut(rest, "}")
		protect := `SELECT partywall.protect('` + table + `');`
		if !s.wall {
			protect = s.house.plain.protect(table)
		}
		sql = before + protect + after
	}
}

// hear keeps what the attacker got to read.
func (s *scene) hear(text ...string) { s.heard = append(s.heard, text...) }

// findf keeps what it found out.
func (s *scene) findf(format string, args ...any) {
	s.found = append(s.found, fmt.Sprintf(format, args...))
}

// ask runs a statement of the application's for a tenant, and returns what comes
// back, row by row. An error is heard, with all that the server says.
func (s *scene) ask(ctx context.Context, d door, who party, sql string) ([]string, error) {
	rows, err := d.query(ctx, who, s.expand(sql))
	return s.collect(rows, err)
}

// try is ask for the attacker, who hears it.
func (s *scene) try(ctx context.Context, sqls ...string) {
	for _, sql := range sqls {
		got, _ := s.ask(ctx, s.open, s.attacker, sql) // refusals are heard
		s.hear(got...)
	}
}

func (s *scene) collect(rows pgx.Rows, err error) ([]string, error) {
	if err != nil {
		s.hearError(err)
		return nil, err
	}
	got, err := read(rows)
	s.hearError(err)
	return got, err
}

func (s *scene) hearError(err error) {
	if err == nil {
		return
	}
	s.hear(err.Error())
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		s.hear(pg.Message, pg.Detail, pg.Hint, pg.Where, pg.InternalQuery)
	}
}

// answered is read of a query.
func answered(rows pgx.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	return read(rows)
}

// read returns all rows as text.
func read(rows pgx.Rows) ([]string, error) {
	defer rows.Close()
	var got []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			for _, raw := range rows.RawValues() {
				values = append(values, raw)
			}
		}
		line := make([]string, 0, len(values))
		for _, v := range values {
			if raw, ok := v.([]byte); ok {
				v = string(raw)
			}
			line = append(line, fmt.Sprint(v))
		}
		got = append(got, strings.Join(line, "|"))
	}
	return got, rows.Err()
}

// transaction runs statements in one transaction of a tenant's, each of which
// may fail.
func (s *scene) transaction(ctx context.Context, d door, who party, sqls ...string) error {
	tx, err := d.begin(ctx, who)
	if err != nil {
		s.hearError(err)
		return err
	}
	for _, sql := range sqls {
		if _, err := tx.Exec(ctx, `SAVEPOINT step`); err != nil {
			s.broken = errors.Join(s.broken, fmt.Errorf("before %.60q: %w", sql, err))
			break
		}
		rows, err := tx.Query(ctx, s.expand(sql))
		got, err := s.collect(rows, err)
		if err != nil {
			if _, err := tx.Exec(ctx, `ROLLBACK TO SAVEPOINT step`); err != nil {
				s.broken = errors.Join(s.broken, fmt.Errorf("after %.60q: %w", sql, err))
				break
			}
		}
		s.hear(got...)
	}
	return tx.Commit(ctx)
}

// login connects with the application's stolen password, past the pooler.
func (s *scene) login(ctx context.Context, to party) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(s.house.url(s.role(), s.database(to)))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { s.hear(n.Message, n.Detail) }
	return pgx.ConnectConfig(ctx, config)
}

// steal runs statements one after the other in a session of the stolen
// password's, to where the victim's rows are.
func (s *scene) steal(ctx context.Context, sqls ...string) error {
	conn, err := s.login(ctx, s.victim)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // whatever became of it
	if s.schema(s.victim) != "public" {
		sqls = append([]string{`SET search_path = ` + quote(s.schema(s.victim))}, sqls...)
	}
	for _, sql := range sqls {
		got, _ := s.collect(conn.Query(ctx, s.expand(sql))) // refusals are heard
		s.hear(got...)
	}
	return nil
}

// admin runs SQL as the superuser where the attacker's rows are.
func (s *scene) admin(ctx context.Context, sql ...string) error {
	expanded := []string{`SET search_path = ` + quote(s.schema(s.attacker)) + `, public`}
	for _, one := range sql {
		expanded = append(expanded, s.expand(one))
	}
	return s.house.admins.run(ctx, s.database(s.attacker), expanded...)
}

// adminThere is admin where the victim's rows are within reach.
func (s *scene) adminThere(ctx context.Context, sql ...string) error {
	return s.admin(ctx, append([]string{`SET search_path = ` + quote(s.reach()) + `, public`}, sql...)...)
}

// The attacks that are nothing but statements.

// statements are tried one by one, injected into the application.
func statements(sqls ...string) Attack {
	return func(ctx context.Context, s *scene) error {
		s.try(ctx, sqls...)
		return nil
	}
}

// each begins a transaction for each first statement, and goes on with the
// rest; then it does all of it in a session of the stolen password's.
func each(first []string, rest ...string) Attack {
	return func(ctx context.Context, s *scene) error {
		var session []string
		for _, sql := range first {
			_ = s.transaction(ctx, s.open, s.attacker, append([]string{sql}, rest...)...) // refusals are heard
			s.try(ctx, append([]string{sql}, rest...)...)
			session = append(append(session, sql), rest...)
		}
		return s.steal(ctx, session...)
	}
}

// all plays several attacks one after the other.
func all(attacks ...Attack) Attack {
	return func(ctx context.Context, s *scene) error {
		for _, attack := range attacks {
			if err := attack(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}
