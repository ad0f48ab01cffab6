package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Role makes a role with a unique name that begins with prefix, and returns
// that name. The attributes are SQL, such as "LOGIN NOINHERIT". Roles belong
// to the whole server, so it is dropped when the test has passed, with
// whatever it owns in any database; a failed test keeps it.
func Role(t testing.TB, prefix, attributes string) string {
	t.Helper()

	s := environment(t, os.Getenv)
	name := unique(prefix)

	if err := s.exec(t.Context(), "postgres", "CREATE ROLE "+quote(name)+" "+attributes); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if t.Failed() {
			return // the kept database may be of no use without it
		}

		ctx, cancel := cleanup(t)
		defer cancel()

		if err := s.dropRole(ctx, name); err != nil {
			t.Errorf("pgtest: drop role: %v", err)
		}
	})

	return name
}

// dropRole drops what the role owns and was granted, then the role: the server
// refuses the second while there is any of the first.
func (s *server) dropRole(ctx context.Context, name string) error {
	databases, err := s.databasesOf(ctx, name)
	if err != nil {
		return err
	}

	var failed error
	for _, database := range databases {
		err := s.exec(ctx, database, "DROP OWNED BY "+quote(name)+" CASCADE")
		if !hasCode(err, databaseMissing) { // another test has dropped it meanwhile
			failed = errors.Join(failed, err)
		}
	}

	return errors.Join(failed, s.exec(ctx, "postgres", "DROP ROLE "+quote(name)))
}

// databasesOf lists the databases with objects or grants of the role, and
// always one more: grants on shared objects are dropped from any database.
func (s *server) databasesOf(ctx context.Context, role string) ([]string, error) {
	conn, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()

	const query = `
		SELECT datname FROM pg_database
		WHERE datname = 'postgres' OR datallowconn AND oid IN (
			SELECT d.dbid FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
			WHERE d.refclassid = 'pg_authid'::regclass AND r.rolname = $1)`

	rows, err := conn.Query(ctx, query, role)
	if err != nil {
		return nil, fmt.Errorf("pgtest: databases of %s: %w", role, err)
	}

	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("pgtest: databases of %s: %w", role, err)
	}

	return names, nil
}
