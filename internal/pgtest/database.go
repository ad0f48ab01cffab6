package pgtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgserver"
)

// cloneTries is how often a clone is tried when the template is in use. The
// server itself waits 5 seconds each time.
const cloneTries = 5

// Database is a database of one test. Its methods fail the test that made it
// when the environment lacks what they need.
type Database struct {
	// Name is the database's name, unique on the server.
	Name string

	// URL is the superuser's.
	URL string

	tb       testing.TB
	server   *server
	template *Template
}

// New makes a database for the test and drops it when the test has passed. A
// nil template makes an empty one. It fails the test at once when that cannot
// be done.
func New(t testing.TB, template *Template) *Database {
	t.Helper()

	return newDatabase(t, environment(t, os.Getenv), template)
}

func newDatabase(t testing.TB, s *server, template *Template) *Database {
	t.Helper()

	source := "template0"

	if template != nil {
		if err := template.check(); err != nil {
			t.Fatal(err)
		}

		if err := template.ensure(t.Context(), s); err != nil {
			t.Fatal(err)
		}

		source = template.database()
	}

	db := &Database{Name: unique(t.Name()), tb: t, server: s, template: template}
	db.URL = s.url(db.Name)

	if err := db.clone(t.Context(), source); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(db.drop)

	return db
}

// clone creates the database. Copying through the log costs no checkpoint,
// which the other strategy makes twice.
func (d *Database) clone(ctx context.Context, source string) error {
	statement := "CREATE DATABASE " + quote(d.Name) + " TEMPLATE " + quote(source) + " STRATEGY wal_log"

	var err error
	for range cloneTries {
		err = d.server.exec(ctx, "postgres", statement)
		if !hasCode(err, objectInUse) {
			break
		}
	}

	return err
}

func (d *Database) drop() {
	if d.tb.Failed() {
		d.tb.Logf("pgtest: kept the database of the failed test: psql '%s'", d.URL)

		return
	}

	ctx, cancel := cleanup(d.tb)
	defer cancel()

	// FORCE, since poolers and leaked connections may still hold it.
	err := d.server.exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+quote(d.Name)+" WITH (FORCE)")
	if err != nil {
		d.tb.Errorf("pgtest: drop: %v", err)
	}
}

// Sibling makes one more database from the same template.
func (d *Database) Sibling(t testing.TB) *Database {
	t.Helper()

	return newDatabase(t, d.server, d.template)
}

// As returns the URL for another login role.
func (d *Database) As(user string) string { return pgserver.Rewrite(d.URL, user, "", d.Name) }

// Pooled returns the URL through PgBouncer in transaction mode.
func (d *Database) Pooled(user string) string {
	if _, _, err := net.SplitHostPort(d.server.bouncer); err != nil {
		d.tb.Fatalf("pgtest: PARTYWALL_TEST_PGBOUNCER is no host:port: %v; run: make test", err)
	}

	return pgserver.Rewrite(d.URL, user, d.server.bouncer, d.Name)
}

// Socket returns the URL over a unix socket.
func (d *Database) Socket(user string) string {
	if d.server.socket == "" {
		d.tb.Fatal("pgtest: PARTYWALL_TEST_SOCKET is not set: this server has no unix socket; " +
			"run: make test, without DATABASE_URL and with local PostgreSQL binaries")
	}

	return pgserver.Rewrite(d.server.socket, user, "", d.Name)
}

// Pool returns a superuser's pool, closed when the test ends.
func (d *Database) Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()

	pool, err := pgxpool.New(t.Context(), d.URL)
	if err != nil {
		t.Fatal(fmt.Errorf("pgtest: %w", err))
	}

	t.Cleanup(func() { closePool(t, pool) })

	return pool
}

// closePool waits a moment only: Close itself waits for connections that a
// failed test has not given back, and would hide the failure behind a hang.
func closePool(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()

	closed := make(chan struct{})

	go func() {
		defer close(closed)

		pool.Close()
	}()

	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()

	select {
	case <-closed:
	case <-timer.C:
		t.Errorf("pgtest: %d connections were not given back to the pool", pool.Stat().AcquiredConns())
	}
}

// closeTimeout bounds the closing of a pool.
const closeTimeout = 5 * time.Second

// Conn returns a superuser's connection, closed when the test ends.
func (d *Database) Conn(t testing.TB) *pgx.Conn {
	t.Helper()

	conn, err := pgx.Connect(t.Context(), d.URL)
	if err != nil {
		t.Fatal(fmt.Errorf("pgtest: %w", err))
	}

	t.Cleanup(func() {
		ctx, cancel := cleanup(t)
		defer cancel()

		_ = conn.Close(ctx) // the test may have broken it on purpose
	})

	return conn
}
