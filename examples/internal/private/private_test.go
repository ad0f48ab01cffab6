package private_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/internal/pgtest"
)

// TestStop makes all that there can be on somebody else's server, and stops
// while it is in use.
func TestStop(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	admin := db.Conn(t)
	server, err := private.Start(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what is made is known, also to whoever is interrupted
	urls, err := server.Create(ctx, "first", "second")
	if err != nil {
		t.Fatal(err)
	}
	adopted := server.Name("adopted")
	server.Adopt(adopted)
	server.Adopt(server.Name("never made"))
	app, err := url.Parse(server.As(urls[0], "app"))
	if err != nil {
		t.Fatal(err)
	}
	role := app.User.Username()
	for _, sql := range []string{
		`CREATE DATABASE ` + pgx.Identifier{adopted}.Sanitize(),
		`CREATE ROLE ` + pgx.Identifier{role}.Sanitize() + ` LOGIN`,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, url := range append(urls, app.String()) {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) }) // it is ended by then
	}
	if n := count(t, admin, role); n != 4 {
		t.Errorf("%d databases and roles, want 3 and 1", n)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if n := count(t, admin, role); n != 0 {
		t.Errorf("%d databases and roles are left behind", n)
	}
}

// count counts what is called as the role is, at the end.
func count(t *testing.T, conn *pgx.Conn, role string) (n int) {
	t.Helper()
	_, suffix, _ := strings.Cut(role, "_")
	err := conn.QueryRow(t.Context(), `SELECT count(*) FROM (
		SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles) AS x (name) WHERE name LIKE '%\_' || $1`, suffix).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"nonsense", "postgres://me:hunter2@127.0.0.1:1/nothing"} {
		if _, err := private.Start(t.Context(), url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
