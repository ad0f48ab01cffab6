package isolation

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/tenant"
)

//go:embed wall/*.sql
var wallFiles embed.FS

// wall is the data server's half of the library, as versioned migrations.
func wall() (pgmigrate.Set, error) {
	files, err := fs.Sub(wallFiles, "wall")
	return pgmigrate.Set{Schema: "partywall", Files: files}, err
}

// bootstrapLock is held while one process makes a database ready.
const bootstrapLock = 5784945678139654145

// bootstrap brings the wall and the host's tables in a database up to date.
func (s *server) bootstrap(ctx context.Context, database, schema string) error {
	set, err := wall()
	if err != nil {
		return err
	}
	return s.asMigrator(ctx, database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(bootstrapLock)); err != nil {
			return fmt.Errorf("waiting for another process: %w", err)
		}
		if _, err := pgmigrate.Apply(ctx, conn, set); err != nil {
			return err
		}
		if err := s.storeKeys(ctx, conn); err != nil {
			return err
		}
		if err := s.login(ctx, conn, database); err != nil {
			return err
		}
		return s.migrate(ctx, conn, Target{
			Server: s.name, Database: database, Schema: schema, Strategy: s.strategyIn(database),
		})
	})
}

// strategyIn says whose tables a database's are.
func (s *server) strategyIn(database string) tenant.Strategy {
	if database == s.app.Database {
		return tenant.Shared
	}
	return tenant.Database
}

// storeKeys lets the database accept the configured keys, or gives it one of
// its own if it has none.
func (s *server) storeKeys(ctx context.Context, conn *pgx.Conn) error {
	for _, k := range s.config.Keys {
		if err := acceptKey(ctx, conn, k); err != nil {
			return err
		}
	}
	if len(s.config.Keys) > 0 {
		return nil
	}
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM partywall.key)`).Scan(&exists); err != nil || exists {
		return err
	}
	return acceptKey(ctx, conn, NewKey(1))
}

// login lets the roles of App and System in. A role that does not exist yet is
// made, with the password of its URL, where the migrator may.
func (s *server) login(ctx context.Context, conn *pgx.Conn, database string) error {
	if err := grantLogin(ctx, conn, s.app.User, s.app.Password, s.role()); err != nil {
		return err
	}
	if s.config.System != "" {
		config, err := parseURL(s.config.System)
		if err != nil {
			return err
		}
		if err := grantLogin(ctx, conn, config.User, config.Password, "partywall_system"); err != nil {
			return err
		}
	}
	// Every time, because a database cloned from another does not inherit them.
	_, err := conn.Exec(ctx, `REVOKE CONNECT, TEMPORARY, CREATE ON DATABASE `+quote(database)+` FROM PUBLIC;
		GRANT CONNECT ON DATABASE `+quote(database)+` TO partywall_app, partywall_pooled, partywall_system;
		GRANT USAGE ON SCHEMA `+quote(s.opts.Schema)+` TO partywall_app, partywall_pooled, partywall_system`)
	if err != nil {
		return fmt.Errorf("letting the roles in: %w", err)
	}
	return nil
}

// grantLogin makes a login role a member of one of the wall's.
func grantLogin(ctx context.Context, conn *pgx.Conn, user, password, group string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var exists, member bool
		err := tx.QueryRow(ctx, `SELECT r.oid IS NOT NULL, COALESCE(pg_has_role(r.oid, $2, 'MEMBER'), false)
			FROM (VALUES ($1)) AS want (name) LEFT JOIN pg_roles r ON r.rolname = want.name`, user, group).Scan(&exists, &member)
		if err != nil || member {
			return err
		}
		if !exists {
			create := `CREATE ROLE ` + quote(user) + ` LOGIN`
			if password != "" {
				create += ` PASSWORD ` + literal(password)
			}
			if err := tolerate(ctx, tx, create); err != nil {
				return fmt.Errorf("creating role %s: %w; run: CREATE ROLE %s LOGIN IN ROLE %s", quote(user), err, quote(user), group)
			}
		}
		if err := tolerate(ctx, tx, `GRANT `+group+` TO `+quote(user)); err != nil {
			return fmt.Errorf("%w; run: GRANT %s TO %s", err, group, quote(user))
		}
		return nil
	})
}

// tolerate runs a statement on a role that another database's migrator may be
// running at the same moment: roles belong to the cluster, and no lock spans two
// of its databases.
func tolerate(ctx context.Context, tx pgx.Tx, sql string) error {
	err := pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error {
		_, err := save.Exec(ctx, sql)
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		if pg.Code == "42710" || pg.Code == "23505" { // duplicate_object, or a race for it
			return nil
		}
		return scrub(pg) // the statement may hold a password
	}
	return err
}

// migrate runs the host's migrations in one place.
func (s *server) migrate(ctx context.Context, conn *pgx.Conn, to Target) error {
	if s.opts.Migrate == nil {
		return nil
	}
	path := quote(to.Schema)
	if to.Schema != s.opts.Schema {
		path += ", " + quote(s.opts.Schema)
	}
	if _, err := conn.Exec(ctx, `SET search_path = `+path); err != nil {
		return err
	}
	if err := s.opts.Migrate(ctx, conn, to); err != nil {
		return fmt.Errorf("isolation: Options.Migrate: %s.%s: %w", to.Database, to.Schema, err)
	}
	return nil
}

// literal makes a text safe to stand in SQL, for the statements that take no
// parameters.
func literal(text string) string {
	if strings.ContainsRune(text, '\\') {
		return ` E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + `'`
	}
	return `'` + strings.ReplaceAll(text, `'`, `''`) + `'`
}
