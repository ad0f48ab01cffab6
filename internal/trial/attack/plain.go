package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/trial/mode"
)

// plainSQL is the set-up that the controls are played on: shared tables whose
// policies believe a setting. Keys are those that one writes without thinking of
// tenants. The role may do to the tables what GRANT ALL says.
const plainSQL = `
	CREATE TABLE orders (tenant_id bigint NOT NULL DEFAULT current_setting('app.tenant')::bigint, id bigint PRIMARY KEY, item text NOT NULL);
	CREATE TABLE accounts (tenant_id bigint NOT NULL DEFAULT current_setting('app.tenant')::bigint, id bigserial PRIMARY KEY, email text NOT NULL UNIQUE);
	CREATE TABLE lines (tenant_id bigint NOT NULL DEFAULT current_setting('app.tenant')::bigint, order_id bigint REFERENCES orders (id));
	GRANT CREATE ON SCHEMA public TO {owner};
	GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {app};`

const plainPolicySQL = `
	ALTER TABLE %[1]s ENABLE ROW LEVEL SECURITY;
	CREATE POLICY tenants ON %[1]s USING (tenant_id = current_setting('app.tenant')::bigint);
	ALTER TABLE %[1]s OWNER TO %[2]s;
	GRANT ALL ON %[1]s TO %[3]s;`

// plain is a database without a wall.
type plain struct {
	site

	mode       mode.Mode
	name       string
	app, owner string // roles; the app's may become the other
	pools      []*pgxpool.Pool
}

func openPlain(ctx context.Context, s site, m mode.Mode, name string) (*plain, error) {
	p := &plain{site: s, mode: m, name: name, app: name + "_app", owner: name + "_owner"}
	err := s.admin(ctx, "postgres", `CREATE ROLE `+p.owner+` LOGIN`, `CREATE ROLE `+p.app+` LOGIN NOINHERIT`,
		`GRANT `+p.owner+` TO `+p.app, `CREATE DATABASE `+name+` TEMPLATE template0`)
	if err == nil {
		sql := strings.NewReplacer("{app}", p.app, "{owner}", p.owner).Replace(plainSQL)
		err = s.admin(ctx, name, sql, p.protect("orders"), p.protect("accounts"), p.protect("lines"))
	}
	return p, err
}

// protect is the SQL that puts a table behind the policy.
func (p *plain) protect(table string) string {
	return fmt.Sprintf(plainPolicySQL, table, p.owner, p.app)
}

// door returns the door of a role with so many connections. An owner is held by
// no policy, unless it is told to be.
func (p *plain) door(ctx context.Context, role string, conns int32) (plainDoor, error) {
	url := p.url(role, p.name)
	if p.mode.Pooled {
		url = p.through(role, p.name)
	}
	return p.at(ctx, url, conns)
}

// at is door by a URL.
func (p *plain) at(ctx context.Context, url string, conns int32) (plainDoor, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return plainDoor{}, err
	}
	config.MaxConns = conns
	config.ConnConfig.DefaultQueryExecMode = p.mode.Exec
	if p.mode.Pooled && p.mode.Exec == pgx.QueryExecModeCacheStatement {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return plainDoor{}, err
	}
	p.pools = append(p.pools, pool)
	return plainDoor{pool}, nil
}

// reset takes away what a control has left in sessions, so that it does not
// help the next one.
func (p *plain) reset(ctx context.Context) {
	for _, pool := range p.pools {
		if p.mode.Pooled {
			_, _ = pool.Exec(ctx, `DISCARD ALL`, pgx.QueryExecModeExec) // a pool that is closed has nothing left
		}
		pool.Reset()
	}
}

func (p *plain) close(ctx context.Context) error {
	for _, pool := range p.pools {
		pool.Close()
	}
	return p.admin(ctx, "postgres", `DROP DATABASE IF EXISTS `+p.name+` WITH (FORCE)`,
		`DROP ROLE IF EXISTS `+p.app, `DROP ROLE IF EXISTS `+p.owner)
}
