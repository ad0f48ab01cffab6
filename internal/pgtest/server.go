package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgserver"
)

// maxSlug keeps names far from PostgreSQL's 63 bytes, where it would cut them
// and with that the part that makes them unique.
const maxSlug = 24

// cleanupTimeout bounds the dropping of what a test made.
const cleanupTimeout = 30 * time.Second

// server is where the environment says the servers are.
type server struct {
	postgres string // superuser's URL to the database postgres
	socket   string // the same over a unix socket, or ""
	bouncer  string // host:port of PgBouncer, or ""
}

// environment reads the servers' places, and fails the test when there is no
// PostgreSQL: a test that is skipped proves nothing.
func environment(t testing.TB, getenv func(string) string) *server {
	t.Helper()

	s := &server{
		postgres: getenv("PARTYWALL_TEST_POSTGRES"),
		socket:   getenv("PARTYWALL_TEST_SOCKET"),
		bouncer:  getenv("PARTYWALL_TEST_PGBOUNCER"),
	}
	if s.postgres == "" {
		t.Fatalf("pgtest: PARTYWALL_TEST_POSTGRES is not set; run: make test, or: "+
			"go run ./internal/testenv -- go test %s", folder())
	}

	return s
}

// folder names the tested package as seen from the module's root, in which
// "go test" runs no test, for the command to copy.
func folder() string {
	dir, err := os.Getwd()
	if err != nil {
		return "./..."
	}

	for up := dir; ; {
		if _, err := os.Stat(up + "/go.mod"); err == nil {
			return "." + strings.TrimPrefix(dir, up)
		}

		cut := strings.LastIndex(up, "/")
		if cut < 0 {
			return "./..."
		}

		up = up[:cut]
	}
}

// url returns the superuser's URL of a database.
func (s *server) url(database string) string { return pgserver.Rewrite(s.postgres, "", "", database) }

// exec runs one statement as superuser in a database.
func (s *server) exec(ctx context.Context, database, statement string) error {
	conn, err := pgx.Connect(ctx, s.url(database))
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()

	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("pgtest: %s: %w", statement, err)
	}

	return nil
}

// slug makes a readable part of a name for a database or role.
func slug(text string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '_'
		}
	}, text)

	return clean[:min(len(clean), maxSlug)]
}

// unique returns a name that no other test uses, in this process or another.
func unique(text string) string {
	const bytes = 8 // of 26 letters: collisions are out of reach of any test run

	return "pw_" + slug(text) + "_" + strings.ToLower(rand.Text()[:bytes])
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// cleanup returns a context that outlives the test's own, which is cancelled
// before cleanup functions run.
func cleanup(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()

	return context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
}

// The SQLSTATEs that are expected.
const (
	// objectInUse: a template cannot be cloned while somebody is connected to
	// it, such as a connection of Fill that is being closed.
	objectInUse = "55006"

	databaseMissing = "3D000"
)

// hasCode reports whether the server answered with this SQLSTATE.
func hasCode(err error, code string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)

	return ok && pgErr.Code == code
}
