package schema

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pglock"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// templatePrefix begins the names of a fleet's templates on a server, which may
// have other fleets on it, with other databases. The release follows.
func templatePrefix(home isolation.Target) string {
	return fmt.Sprintf("partywall_template_%08x_", uint32(lockKey(home.Database))) //nolint:gosec // G115: a hash of a hash
}

// templateReady marks a template that was filled to the end. It is a comment on
// the database, since that goes together with it.
const templateReady = "partywall: template is ready"

// keptTemplates is how many releases have a template on a server: while one is
// rolled out, nodes of the one before still make databases.
const keptTemplates = 2

// copyThrough is the size in bytes up to which a template is copied through the
// log, which takes no checkpoint. Above, files are copied, after one.
const copyThrough = 512 << 20

// EnsureTemplate makes sure that a server has a template for new databases with
// the wall and the tables of this release in it, and returns its name. Making
// one takes as long as making one tenant's database; finding one is a query.
// Any number of processes may call it: one makes the template, and the others
// wait for it. One that was not finished is made anew, and those of earlier
// releases go, but the last.
func (f *Fleet) EnsureTemplate(ctx context.Context, server string) (name string, err error) {
	home, err := f.home(server)
	if err != nil {
		return "", err
	}
	name = templatePrefix(home) + f.migrations.release
	err = f.places.AtPlace(ctx, home, func(conn *pgx.Conn) error {
		if ready, err := templateIsReady(ctx, conn, name); ready || err != nil {
			return err
		}
		// It goes with the connection: also when this process is killed.
		if err := pglock.Take(ctx, conn, lockKey(templatePrefix(home))); err != nil {
			return err
		}
		if ready, err := templateIsReady(ctx, conn, name); ready || err != nil {
			return err
		}
		if err := dropTemplate(ctx, conn, name); err != nil {
			return err
		}
		if err := f.fillTemplate(ctx, conn, server, name); err != nil {
			return err
		}
		return dropOldTemplates(ctx, conn, templatePrefix(home))
	})
	if err != nil {
		return "", fmt.Errorf("schema: template of server %q: %w", server, err)
	}
	return name, nil
}

// CopyTemplate makes a database out of the server's template, ready for
// [isolation.DB.Provision], which gives it keys of its own and finds its tables
// there. A database that is there already is left as it is. It makes the
// template if there is none.
func (f *Fleet) CopyTemplate(ctx context.Context, server, database string) error {
	template, err := f.EnsureTemplate(ctx, server)
	if err != nil {
		return err
	}
	home, err := f.home(server)
	if err != nil {
		return err
	}
	err = f.places.AtPlace(ctx, home, func(conn *pgx.Conn) error {
		var size int64
		if err := conn.QueryRow(ctx, `SELECT pg_database_size($1::name)`, template).Scan(&size); err != nil {
			return err
		}
		strategy := "wal_log"
		if size > copyThrough {
			strategy = "file_copy"
		}
		_, err := conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{database}.Sanitize()+` TEMPLATE `+pgx.Identifier{template}.Sanitize()+` STRATEGY `+strategy)
		if hasCode(err, "42P04", "23505") { // duplicate_database, or a race for it
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("schema: copying the template of server %q: %w", server, err)
	}
	return nil
}

// home is a server's own place.
func (f *Fleet) home(server string) (isolation.Target, error) {
	return f.places.Target(tenant.Tenant{Placement: tenant.Placement{Server: server, Strategy: tenant.Shared}})
}

func templateIsReady(ctx context.Context, conn *pgx.Conn, name string) (ready bool, err error) {
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND shobj_description(oid, 'pg_database') LIKE $2 || '%')`,
		name, templateReady).Scan(&ready)
	return ready, err
}

// fillTemplate makes the template as a tenant's database, and takes out of it
// what is one tenant's own. The mark comes last.
func (f *Fleet) fillTemplate(ctx context.Context, conn *pgx.Conn, server, name string) error {
	nobody := tenant.Tenant{ID: tenant.ID{0: 1}, Number: math.MaxInt64, Slug: "template", Placement: tenant.Placement{
		Server: server, Strategy: tenant.Database, Database: name, Epoch: 1,
	}}
	if err := f.places.Provision(ctx, nobody); err != nil {
		return err
	}
	to, err := f.places.Target(nobody)
	if err != nil {
		return err
	}
	err = f.places.AtPlace(ctx, to, func(conn *pgx.Conn) error {
		if err := f.migrations.Migrate(ctx, conn, to); err != nil {
			return err
		}
		// Copies have keys of their own: who has one's opens no other's gate.
		_, err := conn.Exec(ctx, `DELETE FROM partywall.fence; DELETE FROM partywall.key`)
		return err
	})
	if err != nil {
		return err
	}
	quoted := pgx.Identifier{name}.Sanitize()
	for _, statement := range []string{
		`ALTER DATABASE ` + quoted + ` WITH ALLOW_CONNECTIONS false`, // one connection would hold up every copy
		`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '` + name + `'`,
		`COMMENT ON DATABASE ` + quoted + ` IS '` + templateReady + `'`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func dropTemplate(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`)
	return err
}

// dropOldTemplates leaves the newest ones. Numbers of databases rise, until they
// begin again after four thousand million.
func dropOldTemplates(ctx context.Context, conn *pgx.Conn, prefix string) error {
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY oid::bigint DESC OFFSET $2`,
		prefix, keptTemplates)
	if err != nil {
		return err
	}
	old, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range old {
		errs = append(errs, dropTemplate(ctx, conn, name))
	}
	return errors.Join(errs...)
}
