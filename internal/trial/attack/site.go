package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgserver"
)

// site is a PostgreSQL server and the PgBouncer in front of it.
type site struct {
	superuser string // URL to the database postgres
	bouncer   string // host:port
}

// environment is the site that testenv has started.
func environment() (site, error) {
	s := site{superuser: os.Getenv("PARTYWALL_TEST_POSTGRES"), bouncer: os.Getenv("PARTYWALL_TEST_PGBOUNCER")}
	if s.superuser == "" || s.bouncer == "" {
		return s, errors.New("no servers in the environment; run: go run ./internal/testenv -- go run ./internal/trial/attack, or: make attack")
	}
	return s, nil
}

// url returns the URL of a role to a database; the superuser's if that is "".
func (s site) url(role, database string) string {
	return pgserver.Rewrite(s.superuser, role, "", database)
}

// through is url through PgBouncer.
func (s site) through(role, database string) string {
	return pgserver.Rewrite(s.superuser, role, s.bouncer, database)
}

// admin runs SQL as the superuser in a database.
func (s site) admin(ctx context.Context, database string, sql ...string) error {
	conn, err := pgx.Connect(ctx, s.url("", database))
	if err != nil {
		return fmt.Errorf("connecting as superuser: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // the work is done, or has failed for a better reason
	for _, one := range sql {
		if _, err := conn.Exec(ctx, one); err != nil {
			return fmt.Errorf("%.60q: %w", one, err)
		}
	}
	return nil
}

// version asks the server for its version.
func (s site) version(ctx context.Context) (string, error) {
	conn, err := pgx.Connect(ctx, s.url("", "postgres"))
	if err != nil {
		return "", fmt.Errorf("connecting as superuser: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	var v string
	if err := conn.QueryRow(ctx, `SHOW server_version`).Scan(&v); err != nil {
		return "", fmt.Errorf("asking for the version: %w", err)
	}
	v, _, _ = strings.Cut(v, " ")
	return v, nil
}

// unique returns a name that nothing else on the server has.
func unique(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()[:8]) }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
