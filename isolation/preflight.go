package isolation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// PermissionError lists the rights that a server's Migrator lacks to make and
// end places, each with the SQL that grants it. It matches [ErrRefused].
type PermissionError struct {
	Server string
	// Missing says what cannot be done, and what to run.
	Missing []string
}

// Error implements error.
func (e *PermissionError) Error() string {
	lines := make([]string, 0, len(e.Missing))
	for _, m := range e.Missing {
		lines = append(lines, fmt.Sprintf("isolation: server %q: %s", e.Server, m))
	}
	return strings.Join(lines, "\n")
}

// Is reports whether target is [ErrRefused].
func (e *PermissionError) Is(target error) bool { return target == ErrRefused }

// Preflight makes sure that places of the strategies given can be made and ended
// on every server, before a tenant waits for one: it fails with a
// [*PermissionError] for each server whose Migrator lacks rights, all at once,
// and with the error of a server that does not answer. It changes nothing.
func (db *DB) Preflight(ctx context.Context, strategies ...tenant.Strategy) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(db.servers)) {
		s := db.servers[name]
		errs = append(errs, s.asMigrator(ctx, s.app.Database, func(conn *pgx.Conn) error { return s.preflight(ctx, conn, strategies) }))
	}
	return errors.Join(errs...)
}

const rightsSQL = `
	SELECT current_user, r.rolsuper OR r.rolcreatedb, has_database_privilege(current_database(), 'CREATE'),
		pg_has_role('partywall_owner', 'USAGE'), has_function_privilege('pg_terminate_backend(integer, bigint)', 'EXECUTE')
	FROM pg_roles r WHERE r.rolname = current_user`

func (s *server) preflight(ctx context.Context, conn *pgx.Conn, strategies []tenant.Strategy) error {
	var who string
	var databases, schemas, owner, ends bool
	if err := conn.QueryRow(ctx, rightsSQL).Scan(&who, &databases, &schemas, &owner, &ends); err != nil {
		return fmt.Errorf("isolation: server %q: asking for the migrator's rights: %w", s.name, err)
	}
	missing := &PermissionError{Server: s.name}
	need := func(wanted, have bool, what, sql string) {
		if wanted && !have {
			missing.Missing = append(missing.Missing, fmt.Sprintf("role %s %s; run: %s", quote(who), what, sql))
		}
	}
	need(slices.Contains(strategies, tenant.Database), databases, "cannot make databases", "ALTER ROLE "+quote(who)+" CREATEDB")
	need(slices.Contains(strategies, tenant.Schema), schemas, "cannot make schemas",
		"GRANT CREATE ON DATABASE "+quote(s.app.Database)+" TO "+quote(who))
	need(true, owner, "is not of the wall's owner", "GRANT partywall_owner TO "+quote(who))
	need(true, ends, "cannot end sessions of workers that were given up on",
		"GRANT EXECUTE ON FUNCTION pg_terminate_backend TO "+quote(who))
	if len(missing.Missing) > 0 {
		return missing
	}
	return nil
}
