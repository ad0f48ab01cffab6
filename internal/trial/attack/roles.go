package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/isolation"
)

func roleCases() []Case {
	return []Case{
		same("09", "SET ROLE, SET SESSION AUTHORIZATION", onPolicy, each([]string{
			`SET ROLE {owner}`, `SET LOCAL ROLE {owner}`, `SET SESSION AUTHORIZATION {owner}`, `SELECT set_config('role', '{owner}', false)`,
			`SET ROLE partywall_owner`, `SET ROLE partywall_system`, `SET ROLE partywall_app`, `SET ROLE partywall_pooled`, `SET ROLE partywall`,
			`SET SESSION AUTHORIZATION partywall`, `SET ROLE pg_read_all_data`, `SET ROLE NONE`, `RESET ROLE`, `RESET SESSION AUTHORIZATION`,
			`GRANT partywall_system TO {app}`, `ALTER ROLE {app} BYPASSRLS`,
		}, reads()...)),
		same("10", "row_security = off", onOwner, each([]string{
			`SET row_security = off`, `SET LOCAL row_security = off`, `SELECT set_config('row_security', 'off', false)`, `SET SESSION row_security TO 0`,
		}, reads()...)),
		{
			ID: "11", Name: "an app role that owns, is a superuser, or has BYPASSRLS", On: onPolicy,
			Control: impostors, Attack: impostors,
		},
	}
}

// impostors serves tenants as roles that no policy holds.
func impostors(ctx context.Context, s *scene) (err error) {
	bypass, owner := s.role()+"_bypass", s.role()+"_own"
	group := s.house.plain.app
	if s.wall {
		group = map[bool]string{false: "partywall_app", true: "partywall_pooled"}[s.mode.Pooled]
	}
	err = s.admin(ctx, `CREATE ROLE `+bypass+` LOGIN BYPASSRLS IN ROLE `+group, `CREATE ROLE `+owner+` LOGIN IN ROLE `+group,
		`CREATE TABLE owned AS TABLE {there}.orders`, `ALTER TABLE owned OWNER TO `+owner)
	defer func() {
		err = errors.Join(err, s.admin(context.WithoutCancel(ctx), `DROP TABLE IF EXISTS owned`,
			`DROP ROLE IF EXISTS `+bypass, `DROP ROLE IF EXISTS `+owner))
	}()
	if err != nil {
		return err
	}
	for _, role := range []string{"", bypass, owner} {
		if err := s.as(ctx, role, append(reads(), `SELECT item FROM owned`)...); err != nil {
			return err
		}
	}
	return nil
}

// as serves the attacker's statements as another role; the superuser if that is
// "".
func (s *scene) as(ctx context.Context, role string, sqls ...string) error {
	other := s.again()
	if s.wall {
		db, err := s.house.open(ctx, func(server *isolation.Server) {
			server.App = s.house.url(role, s.house.name)
			if s.mode.Pooled {
				server.App = s.house.through(role, s.house.name)
			}
		})
		if pg, ok := errors.AsType[*pgconn.PgError](err); errors.Is(err, isolation.ErrUnsafe) || ok && pg.Code == "42501" {
			return nil // refused, or not even able to look at the wall
		}
		if err != nil {
			return err
		}
		defer db.Close()
		other.open = walled{db}
	} else {
		d, err := s.house.plain.door(ctx, role, 1)
		if err != nil {
			return err
		}
		defer d.pool.Close()
		other.open = d
	}
	other.try(ctx, sqls...)
	s.hear(other.heard...)
	return nil
}
