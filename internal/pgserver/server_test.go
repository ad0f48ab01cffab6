package pgserver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgserver"
)

// deadline bounds a start in these tests; it is generous, as other packages'
// tests run at the same time.
const deadline = time.Minute

func start(t *testing.T, options *pgserver.Options) *pgserver.Server {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()

	server, err := pgserver.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), deadline)
		defer cancel()

		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})

	return server
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()

	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()

	var value T
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}

	return value
}

func TestStart(t *testing.T) {
	t.Parallel()

	server := start(t, &pgserver.Options{
		Superuser: "boss",
		Settings:  map[string]string{"max_connections": "20", "application_name": `it's a \ test`},
	})

	if got := query[string](t, server.URL("postgres"), "SELECT current_user::text"); got != "boss" {
		t.Errorf("user over TCP = %q", got)
	}

	socket := server.SocketURL("postgres")
	if got := query[bool](t, socket, "SELECT inet_server_addr() IS NULL"); !got {
		t.Errorf("%s is not a unix socket", socket)
	}

	for setting, want := range map[string]string{
		"max_connections": "20", "fsync": "off", "wal_level": "logical",
		"max_locks_per_transaction": "256", "server_encoding": "UTF8", "application_name": `it's a \ test`,
	} {
		if got := query[string](t, server.URL("postgres"), "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
}

// TestTLS reaches one server in the clear and by TLS, before and after it is
// started again.
func TestTLS(t *testing.T) {
	t.Parallel()

	server := start(t, &pgserver.Options{TLS: true})

	const secured = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

	for range 2 {
		plain := server.URL("postgres")
		if query[bool](t, plain, secured) {
			t.Error("sslmode=disable is encrypted")
		}

		if !query[bool](t, strings.Replace(plain, "disable", "require", 1), secured) {
			t.Error("sslmode=require is in the clear")
		}

		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopRemoves(t *testing.T) {
	t.Parallel()

	server := start(t, nil)
	if server.PID() == 0 {
		t.Error("a running server has no PID")
	}

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(filepath.Dir(server.DataDir())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}

	if err := server.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}

	if err := server.Start(t.Context()); !errors.Is(err, pgserver.ErrStopped) {
		t.Errorf("Start after Stop: %v", err)
	}

	if err := server.StopImmediate(t.Context()); !errors.Is(err, pgserver.ErrStopped) {
		t.Errorf("StopImmediate after Stop: %v", err)
	}

	if server.PID() != 0 {
		t.Error("a stopped server has a PID")
	}
}

func TestCrashAndRecovery(t *testing.T) {
	t.Parallel()

	server := start(t, nil)
	before := server.URL("postgres")

	conn, err := pgx.Connect(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()

	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)"); err != nil {
		t.Fatal(err)
	}

	if err := server.StopImmediate(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived the server")
	}

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	if server.URL("postgres") != before {
		t.Errorf("URL changed from %s to %s", before, server.URL("postgres"))
	}

	if got := query[int](t, before, "SELECT n FROM kept"); got != 7 {
		t.Errorf("row after recovery = %d", got)
	}

	if err := server.Start(t.Context()); err == nil {
		t.Error("a running server was started again")
	}

	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := query[int](t, before, "SELECT n FROM kept"); got != 7 {
		t.Errorf("row after restart = %d", got)
	}
}

func TestStartFailureShowsLog(t *testing.T) {
	t.Parallel()

	_, err := pgserver.Start(t.Context(), &pgserver.Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("error without the log's tail: %v", err)
	}
}

func TestStartObeysContext(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if _, err := pgserver.Start(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()

	_, err := pgserver.Find(t.TempDir())

	var missing *pgserver.NotFoundError
	if !errors.As(err, &missing) || len(missing.Looked) != 1 {
		t.Errorf("error = %v, want a NotFoundError with one place", err)
	}

	if err != nil && !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("error does not say what to install: %v", err)
	}

	dir, err := pgserver.Find("")
	if err != nil {
		t.Fatal(err)
	}

	if again, err := pgserver.Find(dir); err != nil || again != dir {
		t.Errorf("Find(%q) = %q, %v", dir, again, err)
	}
}
