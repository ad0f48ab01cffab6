package isolation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Provision makes the place where t's rows will be, brings the host's tables
// in it up to date, and lets t in if its status allows. What is there already
// is adopted, so that Provision can be repeated after a crash. It needs the
// server's Migrator.
//
// A Shared tenant needs no provisioning: its first statement does the same.
func (db *DB) Provision(ctx context.Context, t tenant.Tenant) error {
	s, how, err := db.whereabouts(t)
	if err != nil {
		return err
	}
	if err := how.create(ctx, s, t); err != nil {
		return err
	}
	_, err = db.admit(ctx, t)
	return err
}

// Deprovision ends t's rows on the server of its placement, for good. It
// shuts t out first, waits for what is under way and ends what does not
// return. It may be repeated after a crash.
func (db *DB) Deprovision(ctx context.Context, t tenant.Tenant) error {
	s, how, err := db.whereabouts(t)
	if err != nil {
		return err
	}
	if _, err := db.Drain(ctx, t, nil); err != nil && !noDatabase(err) {
		return err
	}
	return how.remove(ctx, s, t)
}

// alone makes sure that nobody but t is let in where t's rows are, before all
// of the place goes.
func (s *server) alone(ctx context.Context, database, path string, t tenant.Tenant) error {
	return s.asMigrator(ctx, database, func(conn *pgx.Conn) error {
		var other *int64
		err := conn.QueryRow(ctx, `SELECT min(tenant_id) FROM partywall.fence WHERE tenant_id <> $1 AND path = $2 AND state <> 'f'`,
			t.Number, path).Scan(&other)
		if err != nil {
			return fmt.Errorf("isolation: looking for other tenants on server %q: %w", s.name, err)
		}
		if other != nil {
			return fmt.Errorf("%w: tenant %d is at home where tenant %s (%s) is to end", ErrRefused, *other, t.ID, t.Slug)
		}
		return nil
	})
}

func (db *DB) whereabouts(t tenant.Tenant) (*server, strategy, error) {
	s := db.servers[t.Placement.Server]
	if s == nil {
		return nil, nil, fmt.Errorf("%w: tenant %s (%s) is on %q", ErrNoServer, t.ID, t.Slug, t.Placement.Server)
	}
	how, err := strategyOf(t)
	if err == nil {
		err = how.fit(s, t)
	}
	return s, how, err
}

// admit tells t's data server of t's epoch, and of what its status allows, and
// returns the fence that stands then.
func (db *DB) admit(ctx context.Context, t tenant.Tenant) (now Fence, err error) {
	s, how, err := db.whereabouts(t)
	if err != nil {
		return now, err
	}
	f := fence{number: t.Number, epoch: t.Placement.Epoch, state: stateOf(t), path: how.path(s, t)}
	if db.opts.UUIDKeys {
		hi := int64(binary.BigEndian.Uint64(t.ID[:8])) //nolint:gosec // G115: the bits, not the value
		lo := int64(binary.BigEndian.Uint64(t.ID[8:])) //nolint:gosec // G115: as above
		if hi == 0 {
			return now, fmt.Errorf("%w: tenant %s (%s): an ID that begins with eight zero bytes, which mark nobody", ErrRefused, t.ID, t.Slug)
		}
		f.hi, f.lo = &hi, &lo
	}
	s.drop(t.Number) // our own idle leases must not be waited for
	_, now, err = s.setFence(ctx, how.database(s, t), f, drainTime)
	return now, err
}

// RotateKeys gives every database that this process has opened a new signing
// key. Connections made from now on use it; the earlier keys stay good until
// [DB.RetireKeys]. It is for servers whose keys are in the database; configured
// keys are rotated by configuring them.
func (db *DB) RotateKeys(ctx context.Context) error {
	return db.eachDatabase(ctx, func(conn *pgx.Conn, d *database) error {
		newest, err := newestKey(ctx, conn)
		if err != nil {
			return err
		}
		if err := acceptKey(ctx, conn, NewKey(newest.ID+1)); err != nil {
			return err
		}
		d.dialer.keys.refused(newest) // to be read again
		return nil
	})
}

// RetireKeys makes every database that this process has opened forget all but
// its newest key. Sessions that are open stay so; a node that still signs with
// an earlier key reads the new one and goes on.
func (db *DB) RetireKeys(ctx context.Context) error {
	return db.eachDatabase(ctx, func(conn *pgx.Conn, _ *database) error {
		_, err := conn.Exec(ctx, `DELETE FROM partywall.key WHERE id < (SELECT max(id) FROM partywall.key)`)
		return err
	})
}

func (db *DB) eachDatabase(ctx context.Context, fn func(*pgx.Conn, *database) error) error {
	var errs []error
	for _, s := range db.servers {
		if len(s.config.Keys) > 0 {
			errs = append(errs, fmt.Errorf("%w: the keys of server %q are configured", ErrRefused, s.name))
			continue
		}
		s.mu.Lock()
		open := make([]*database, 0, len(s.databases))
		for _, d := range s.databases {
			open = append(open, d)
		}
		s.mu.Unlock()
		for _, d := range open {
			errs = append(errs, s.asMigrator(ctx, d.name, func(conn *pgx.Conn) error { return fn(conn, d) }))
		}
	}
	return errors.Join(errs...)
}

// Protect puts every table of the server's shared schema that carries the
// tenant column behind the wall, as partywall.protect does for one. It needs
// the server's Migrator.
func (db *DB) Protect(ctx context.Context, serverName string) error {
	s := db.servers[serverName]
	if s == nil {
		return fmt.Errorf("%w: %q", ErrNoServer, serverName)
	}
	return s.asMigrator(ctx, s.app.Database, func(conn *pgx.Conn) error {
		return Protect(ctx, conn, s.opts.Schema, s.opts.TenantColumn)
	})
}

// Protect puts every table of a schema that has the column given behind the
// wall, as partywall.protect does for one, in one transaction. conn is a
// migrator's, to a database that has been opened once with [Open].
func Protect(ctx context.Context, conn *pgx.Conn, schema, column string) error {
	_, err := conn.Exec(ctx, `
		SELECT partywall.protect(c.oid, a.attname)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $2 AND NOT a.attisdropped
		WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'p') AND NOT c.relispartition`,
		schema, column)
	if err != nil {
		return fmt.Errorf("isolation: protecting schema %s: %w", quote(schema), err)
	}
	return nil
}
