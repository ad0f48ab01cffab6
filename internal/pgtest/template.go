package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
)

// ready marks a template that was filled to the end. It is a comment on the
// database, since that is dropped together with it.
const ready = "partywall: template is ready"

// Template is a database that others are cloned from. Templates with the same
// name and version are the same database to all tests on a server.
type Template struct {
	// Name says what is in it, for people.
	Name string

	// Version changes when the content does, such as a digest of migrations.
	Version string

	// Fill makes the content, as a superuser, and closes its connections. It is
	// called again, on an empty database, when an earlier call failed or was
	// killed. Nil leaves the database empty.
	Fill func(ctx context.Context, url string) error
}

// database returns the template's own database, which name and version decide.
func (m *Template) database() string {
	digest := sha256.Sum256([]byte(m.Name + "\x00" + m.Version))

	return "pw_template_" + slug(m.Name) + "_" + hex.EncodeToString(digest[:6])
}

// ensure makes the template unless it is there already.
func (m *Template) ensure(ctx context.Context, s *server) error {
	admin, err := pgx.Connect(ctx, s.postgres)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer func() { _ = admin.Close(ctx) }()

	done, err := m.isReady(ctx, admin)
	if done || err != nil {
		return err
	}

	// A session lock: it goes when this process is killed, and another process
	// then finds the template half-made.
	if _, err := admin.Exec(ctx, "SELECT pg_advisory_lock($1)", m.lockKey()); err != nil {
		return fmt.Errorf("pgtest: lock template %s: %w", m.Name, err)
	}

	done, err = m.isReady(ctx, admin) // somebody else made it while we waited
	if done || err != nil {
		return err
	}

	return m.build(ctx, admin, s)
}

func (m *Template) isReady(ctx context.Context, admin *pgx.Conn) (bool, error) {
	const query = `SELECT coalesce((
		SELECT shobj_description(oid, 'pg_database') = $2 FROM pg_database WHERE datname = $1
	), false)`

	var done bool
	if err := admin.QueryRow(ctx, query, m.database(), ready).Scan(&done); err != nil {
		return false, fmt.Errorf("pgtest: look for template %s: %w", m.Name, err)
	}

	return done, nil
}

// build makes the template anew. The mark comes last; until then nobody clones
// from it.
func (m *Template) build(ctx context.Context, admin *pgx.Conn, s *server) error {
	name := quote(m.database())
	if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("pgtest: drop half-made template %s: %w", m.Name, err)
	}

	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return fmt.Errorf("pgtest: create template %s: %w", m.Name, err)
	}

	if m.Fill != nil {
		if err := m.Fill(ctx, s.url(m.database())); err != nil {
			return fmt.Errorf("pgtest: fill template %s: %w", m.Name, err)
		}
	}

	for _, statement := range []string{
		// A connection to the template would hold up every clone.
		"ALTER DATABASE " + name + " WITH ALLOW_CONNECTIONS false",
		"COMMENT ON DATABASE " + name + " IS '" + ready + "'",
	} {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return fmt.Errorf("pgtest: finish template %s: %w", m.Name, err)
		}
	}

	return nil
}

// lockKey is the advisory lock of making this template.
func (m *Template) lockKey() int64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(m.database()))

	return int64(sum.Sum64()) //nolint:gosec // any 64 bits will do
}

// check reports what New cannot work with.
func (m *Template) check() error {
	if m.Name == "" {
		return errors.New("pgtest: a template needs a name")
	}

	return nil
}
