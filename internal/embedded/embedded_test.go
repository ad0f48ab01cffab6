package embedded_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/embedded"
	"github.com/partywall/partywall/internal/pgserver"
)

// patience bounds what must fail in bounded time; a hang would take minutes.
const patience = time.Minute

func start(t *testing.T, options *embedded.Options) *embedded.Server {
	t.Helper()

	server, err := embedded.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	return server
}

func fails(t *testing.T, options *embedded.Options) error {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	server, err := embedded.Start(ctx, options)
	if err == nil {
		_ = server.Stop(ctx)

		t.Fatalf("%s gave a server, want an error", server.Source())
	}

	if ctx.Err() != nil {
		t.Errorf("it took the whole %v to fail: %v", patience, err)
	}

	return err
}

func database(t *testing.T, url string) string {
	t.Helper()

	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()

	var name string
	if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}

	return name
}

// closedPort returns host:port where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}

	return addr
}

func TestLocal(t *testing.T) {
	t.Parallel()

	server := start(t, &embedded.Options{Sources: []embedded.Source{embedded.Local}})

	if server.Source() != embedded.Local {
		t.Errorf("source = %s", server.Source())
	}

	for _, url := range []string{server.URL("template1"), server.SocketURL("template1")} {
		if got := database(t, url); got != "template1" {
			t.Errorf("%s leads to %s", url, got)
		}
	}

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if _, err := pgx.Connect(t.Context(), server.URL("postgres")); err == nil {
		t.Error("the server answers after Stop")
	}
}

func TestDatabaseURLIsUsedAndLeftRunning(t *testing.T) {
	t.Parallel()

	other := start(t, &embedded.Options{Sources: []embedded.Source{embedded.Local}})

	server, err := embedded.Start(t.Context(), &embedded.Options{DatabaseURL: other.URL("postgres")})
	if err != nil {
		t.Fatal(err)
	}

	if server.Source() != embedded.DatabaseURL || server.URL("postgres") != other.URL("postgres") {
		t.Errorf("got %s at %s, want the given %s", server.Source(), server.URL("postgres"), other.URL("postgres"))
	}

	if server.SocketURL("postgres") != "" {
		t.Errorf("socket = %q, want none", server.SocketURL("postgres"))
	}

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := database(t, other.URL("postgres")); got != "postgres" {
		t.Errorf("the given server is gone: %q", got)
	}
}

func TestDatabaseURLThatFailsEndsTheSearch(t *testing.T) {
	t.Parallel()

	for name, url := range map[string]string{
		"closed port": "postgres://boss:geheim@" + closedPort(t) + "/postgres",
		"no URL":      "mysql://boss:geheim@127.0.0.1/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := fails(t, &embedded.Options{
				DatabaseURL: url,
				Sources:     []embedded.Source{embedded.DatabaseURL, embedded.Local},
			})
			if errors.Is(err, embedded.ErrNoServer) || !strings.Contains(err.Error(), "DATABASE_URL") {
				t.Errorf("error = %v, want that of DATABASE_URL alone", err)
			}

			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()

	want := []embedded.Source{embedded.DatabaseURL, embedded.Local, embedded.Docker, embedded.Download}
	if got := embedded.Order(); !slices.Equal(got, want) {
		t.Errorf("default order = %v, want %v", got, want)
	}

	// Download fails, so the next in the given order must be taken.
	server := start(t, &embedded.Options{
		Sources:     []embedded.Source{embedded.Download, embedded.Local, embedded.Docker},
		DownloadURL: "http://" + closedPort(t),
	})
	if server.Source() != embedded.Local {
		t.Errorf("source = %s, want the one after the failed one", server.Source())
	}
}

func TestEveryReasonIsReported(t *testing.T) {
	t.Parallel()

	repository := "http://" + closedPort(t)
	err := fails(t, &embedded.Options{
		// No Docker: some machines have it.
		Sources:     []embedded.Source{embedded.Local, embedded.Download, "nonsense"},
		Postgres:    &pgserver.Options{BinDir: t.TempDir()},
		DownloadURL: repository,
	})

	var missing *pgserver.NotFoundError
	if !errors.Is(err, embedded.ErrNoServer) || !errors.As(err, &missing) {
		t.Errorf("error wraps neither ErrNoServer nor the reason of local binaries: %v", err)
	}

	for _, want := range []string{
		"apt-get install postgresql",
		"embedded: local binaries: pgserver: found no folder",
		"embedded: download: unable to connect to " + repository,
		"embedded: nonsense: unknown source",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
}

func TestCancelledContextEndsTheSearch(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := embedded.Start(ctx, &embedded.Options{
		Sources: []embedded.Source{embedded.Local, embedded.Docker, embedded.Download},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
