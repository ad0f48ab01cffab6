package pgtest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
)

func TestURLs(t *testing.T) {
	t.Parallel()

	db := pgtest.New(t, nil)
	role := pgtest.Role(t, "app", "LOGIN")

	for name, url := range map[string]string{"As": db.As(role), "Pooled": db.Pooled(role), "Socket": db.Socket(role)} {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}

		var user, database string
		if err := conn.QueryRow(t.Context(), "SELECT current_user, current_database()").Scan(&user, &database); err != nil {
			t.Fatalf("%s: %v", name, err)
		}

		if user != role || database != db.Name {
			t.Errorf("%s leads to %s in %s, want %s in %s", name, user, database, role, db.Name)
		}

		if err := conn.Close(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPooledIsTransactionMode has clients that stay connected share one server
// connection, which only happens when it is given back after a transaction.
func TestPooledIsTransactionMode(t *testing.T) {
	t.Parallel()

	db := pgtest.New(t, nil)
	role := pgtest.Role(t, "app", "LOGIN")
	backends := map[int]bool{}

	const clients = 3

	for range clients {
		// PgBouncer before 1.21 lets the clients' prepared statements collide.
		conn, err := pgx.Connect(t.Context(), db.Pooled(role)+"&default_query_exec_mode=exec")
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })

		backends[count(t, conn, "SELECT pg_backend_pid()")] = true
	}

	if len(backends) != 1 {
		t.Errorf("%d clients used %d server connections, want 1", clients, len(backends))
	}
}

func TestRoleIsDroppedWithWhatItOwns(t *testing.T) {
	t.Parallel()

	db := pgtest.New(t, nil)
	admin := db.Conn(t)

	var role string

	inner := runFake(t, "TestRole", func(tb testing.TB) {
		role = pgtest.Role(tb, "owner", "LOGIN")
		name := pgx.Identifier{role}.Sanitize()

		for _, statement := range []string{
			"CREATE TABLE shed (n int)",
			"ALTER TABLE shed OWNER TO " + name,
			"GRANT CREATE ON SCHEMA public TO " + name,
			"GRANT CONNECT ON DATABASE " + pgx.Identifier{db.Name}.Sanitize() + " TO " + name,
		} {
			if _, err := admin.Exec(t.Context(), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
	if inner.Failed() {
		t.Errorf("the role was not dropped: %s", inner.log.String())
	}

	if !strings.HasPrefix(role, "pw_owner_") {
		t.Errorf("role = %q", role)
	}

	if got := count(t, admin, "SELECT count(*) FROM pg_roles WHERE rolname = $1", role); got != 0 {
		t.Error("the role is still there")
	}

	if got := count(t, admin, "SELECT count(*) FROM pg_tables WHERE tablename = 'shed'"); got != 0 {
		t.Error("its table is still there")
	}
}

func TestFailedTestKeepsItsRole(t *testing.T) {
	t.Parallel()

	admin := pgtest.New(t, nil).Conn(t)

	var role string

	runFake(t, "TestRole", func(tb testing.TB) {
		role = pgtest.Role(tb, "kept", "NOLOGIN")
		tb.Errorf("no luck")
	})

	if got := count(t, admin, "SELECT count(*) FROM pg_roles WHERE rolname = $1", role); got != 1 {
		t.Error("the role of a failed test is gone")
	}

	if _, err := admin.Exec(t.Context(), "DROP ROLE "+pgx.Identifier{role}.Sanitize()); err != nil {
		t.Error(err)
	}
}

func TestRoleWithBadAttributes(t *testing.T) {
	t.Parallel()

	inner := runFake(t, "TestRole", func(tb testing.TB) { pgtest.Role(tb, "bad", "NO SUCH ATTRIBUTE") })
	if !inner.Failed() {
		t.Error("bad attributes were taken")
	}
}

func BenchmarkNew(b *testing.B) {
	template := &pgtest.Template{Name: "benchmark", Version: "1", Fill: fill}
	pgtest.New(b, template)

	for b.Loop() {
		runOnce(b, template)
	}
}

// runOnce makes and drops one database.
func runOnce(b *testing.B, template *pgtest.Template) {
	b.Helper()

	db := pgtest.New(b, template)

	if _, err := db.Conn(b).Exec(b.Context(), "SELECT FROM guest"); err != nil {
		b.Fatal(err)
	}
}
