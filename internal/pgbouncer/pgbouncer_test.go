package pgbouncer_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgbouncer"
	"github.com/partywall/partywall/internal/pgserver"
)

func server(t *testing.T) *pgserver.Server {
	t.Helper()

	postgres, err := pgserver.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := postgres.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	return postgres
}

// connect avoids prepared statements, which PgBouncer does not follow before
// 1.21.
func connect(t *testing.T, user, addr string) (*pgx.Conn, error) {
	t.Helper()

	conn, err := pgx.Connect(t.Context(),
		"postgres://"+user+"@"+addr+"/postgres?sslmode=disable&default_query_exec_mode=exec")
	if err == nil {
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	}

	return conn, err
}

func TestStart(t *testing.T) {
	t.Parallel()

	postgres := server(t)

	bouncer, err := pgbouncer.Start(t.Context(), postgres.URL("postgres"), nil)
	if err != nil {
		t.Fatal(err)
	}

	admin, err := connect(t, postgres.Superuser(), bouncer.Addr())
	if err != nil {
		t.Fatal(err)
	}

	// A role that PgBouncer cannot have known when it started.
	if _, err := admin.Exec(t.Context(), "CREATE ROLE late LOGIN"); err != nil {
		t.Fatal(err)
	}

	late, err := connect(t, "late", bouncer.Addr())
	if err != nil {
		t.Fatal(err)
	}

	var user string
	if err := late.QueryRow(t.Context(), "SELECT current_user").Scan(&user); err != nil || user != "late" {
		t.Errorf("user = %q, %v", user, err)
	}

	if _, err := connect(t, "nobody_at_all", bouncer.Addr()); err == nil {
		t.Error("a role that does not exist was let in")
	}

	if err := bouncer.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", bouncer.Addr()); err == nil {
		_ = conn.Close()

		t.Error("it listens after Stop")
	}

	if err := bouncer.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()

	postgres := server(t)

	bouncer, err := pgbouncer.Start(t.Context(), postgres.URL("postgres"), &pgbouncer.Options{TLS: true})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := bouncer.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	for _, mode := range []string{"disable", "require"} {
		conn, err := pgx.Connect(t.Context(), "postgres://"+postgres.Superuser()+"@"+bouncer.Addr()+
			"/postgres?default_query_exec_mode=exec&sslmode="+mode)
		if err != nil {
			t.Fatalf("sslmode=%s: %v", mode, err)
		}

		if err := errors.Join(conn.Ping(t.Context()), conn.Close(t.Context())); err != nil {
			t.Errorf("sslmode=%s: %v", mode, err)
		}
	}
}

// script writes a program that stands for a PgBouncer, where the user it runs
// as can reach it; t.TempDir is closed to others.
func script(t *testing.T, text string) string {
	t.Helper()

	dir, err := os.MkdirTemp("", "pgbouncer") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})

	path := filepath.Join(dir, "pgbouncer")
	err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755))

	if err != nil {
		t.Fatal(err)
	}

	return path
}

func TestStartFailures(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ bin, want string }{
		"no program": {filepath.Join(t.TempDir(), "none"), "no such file"},
		"no version": {script(t, "echo something else"), `version "something else`},
		"dies":       {script(t, `[ "$1" = --version ] && echo PgBouncer 1.24.1`), "ended before it was ready"},
		"modern":     {script(t, `[ "$1" = --version ] && echo PgBouncer 1.21.0 || cat "$1"`), "max_prepared_statements = 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := pgbouncer.Start(t.Context(), "postgres://boss@127.0.0.1:1/postgres", &pgbouncer.Options{Bin: c.bin})
			if err == nil || !strings.HasPrefix(err.Error(), "pgbouncer: ") {
				t.Fatalf("error = %v, want one of pgbouncer", err)
			}

			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()

	path, err := pgbouncer.Find()
	if err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
