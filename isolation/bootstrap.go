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

	"github.com/partywall/partywall/internal/pglock"
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
		if err := pglock.Take(ctx, conn, bootstrapLock); err != nil {
			return fmt.Errorf("waiting for another process: %w", err)
		}
		apply := func() error {
			_, err := pgmigrate.Apply(ctx, conn, set)
			return err
		}
		if err := insist(apply); err != nil {
			return err
		}
		if err := s.storeKeys(ctx, conn); err != nil {
			return err
		}
		if err := insist(func() error { return s.login(ctx, conn, database) }); err != nil {
			return err
		}
		return s.migrate(ctx, conn, Target{
			Server: s.name, Database: database, Schema: schema, Strategy: s.strategyIn(database), Path: quote(schema),
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
	var exists, member bool
	err := conn.QueryRow(ctx, `SELECT r.oid IS NOT NULL, COALESCE(pg_has_role(r.oid, $2, 'MEMBER'), false)
		FROM (VALUES ($1)) AS want (name) LEFT JOIN pg_roles r ON r.rolname = want.name`, user, group).Scan(&exists, &member)
	if err != nil || member {
		return err
	}
	if !exists {
		create := `CREATE ROLE ` + quote(user) + ` LOGIN`
		if password != "" {
			create += ` PASSWORD ` + literal(password)
		}
		if _, err := conn.Exec(ctx, create); err != nil {
			if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
				err = scrub(pg) // the statement may hold a password
			}
			return fmt.Errorf("creating role %s: %w; run: CREATE ROLE %s LOGIN IN ROLE %s", quote(user), err, quote(user), group)
		}
	}
	if _, err := conn.Exec(ctx, `GRANT `+group+` TO `+quote(user)); err != nil {
		return fmt.Errorf("%w; run: GRANT %s TO %s", err, group, quote(user))
	}
	return nil
}

// maxRaces is more often than anybody loses in a row: each loss means that
// another database has made something that then need not be made again.
const maxRaces = 20

// insist runs fn again when it lost a race for a role. Roles belong to the
// cluster, and no lock spans two of its databases: where those are opened for
// the first time at once, one of them makes a role and the others find it.
func insist(fn func() error) (err error) {
	for range maxRaces {
		if err = fn(); !lostRace(err) {
			break
		}
	}
	return err
}

// lostRace reports whether err is what PostgreSQL says of two who make or grant
// the same role: it is a duplicate, or not to be seen yet, or was changed.
func lostRace(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "42710" || pg.Code == "23505" || pg.Code == "42704" || pg.Code == "XX000")
}

// migrate runs the host's migrations in one place.
func (s *server) migrate(ctx context.Context, conn *pgx.Conn, to Target) error {
	if s.opts.Migrate == nil {
		return nil
	}
	if _, err := conn.Exec(ctx, `SET search_path = `+to.Path); err != nil { //scopecheck:allow names that the strategies have quoted
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
