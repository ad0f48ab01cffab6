package prove_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/isolation/prove"
)

// private is a server of a test's own.
type private struct {
	*pgserver.Server

	admin *pgx.Conn
}

// TestServerSettings has a server of its own, because what closes a finding
// about a server is ALTER SYSTEM, and other tests run on the one they share.
func TestServerSettings(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	s := &private{Server: server}
	s.admin = s.login(t, server.Superuser())
	s.exec(t, `CREATE ROLE app LOGIN`)
	if found := s.settings(t); len(found) != 0 {
		t.Fatalf("control: %v", found)
	}
	for set, code := range map[string]string{
		`ALTER SYSTEM SET log_statement = 'mod'`:           "log-parameters",
		`ALTER SYSTEM SET log_min_duration_statement = 0`:  "log-parameters",
		`ALTER SYSTEM SET password_encryption = 'md5'`:     "password-encryption",
		`ALTER SYSTEM SET log_min_duration_statement = 60`: "log-parameters",
	} {
		s.exec(t, set)
		s.exec(t, reload)
		found := s.settings(t)
		if len(found) != 1 || found[0].Code != code {
			t.Fatalf("%s: found %v", set, found)
		}
		for sql := range strings.SplitSeq(found[0].SQL, "; ") { // ALTER SYSTEM wants to be alone
			s.exec(t, sql)
		}
		if found := s.settings(t); len(found) != 0 {
			t.Errorf("%s: closed, and found %v", set, found)
		}
		s.exec(t, `ALTER SYSTEM RESET ALL`)
		s.exec(t, reload)
	}
}

const reload = `SELECT pg_reload_conf()`

func (s *private) login(t *testing.T, user string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.User = user
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// exec runs SQL. When that loads the settings again it returns when those who
// log in from then on have them.
func (s *private) exec(t *testing.T, sql string) {
	t.Helper()
	var before, now time.Time
	if err := s.login(t, s.Superuser()).QueryRow(t.Context(), `SELECT pg_conf_load_time()`).Scan(&before); err != nil {
		t.Fatal(err)
	}
	if _, err := s.admin.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for now = before; sql == reload && !now.After(before); {
		conn := s.login(t, s.Superuser())
		if err := conn.QueryRow(t.Context(), `SELECT pg_conf_load_time()`).Scan(&now); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(t.Context()) // its settings are as old as it is
	}
}

// settings are the findings about the server's settings and version, with the
// eyes of a role that has just logged in.
func (s *private) settings(t *testing.T) []prove.Finding {
	t.Helper()
	report, err := prove.Catalog(t.Context(), s.login(t, "app"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(report.Findings, func(f prove.Finding) bool {
		return !slices.Contains([]string{"log-parameters", "password-encryption", "ssl", "server-version"}, f.Code)
	})
}
