package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/partywall/partywall/internal/pglock"
	"github.com/partywall/partywall/isolation"
)

// visitor brings one place after another up to date, on one connection of the
// migrator's.
type visitor struct {
	migrations *Migrations
	live       *live
	versions   *versions
	provider   *goose.Provider
}

func (m *Migrations) visitor(conn *pgx.Conn) (*visitor, error) {
	v := &visitor{migrations: m, live: &live{conn: conn}, versions: &versions{table: pgx.Identifier{m.opts.Table}.Sanitize(), done: map[int64]bool{}}}
	var err error
	if v.provider, err = m.provider(v.live, v.versions); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return v, nil
}

// close ends goose's handle, and leaves the connection.
func (v *visitor) close() { _ = v.provider.Close() } // a handle in name only

// visit is what was found and done in a place.
type visit struct {
	absent  bool // there is no such schema
	version int64
	ran     []int64
}

// enter goes to a place. What migrations have left in the session, here or in
// the place before, does not come along: the next one would run elsewhere, or as
// somebody else.
func (v *visitor) enter(ctx context.Context, to isolation.Target) error {
	_, err := v.live.conn.Exec(ctx, `RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DISCARD TEMP; SET search_path = `+quotePath(to)+`; `+v.lockTimeout())
	return err
}

func (v *visitor) lockTimeout() string {
	return fmt.Sprintf(`SET lock_timeout = %d`, v.migrations.opts.LockTimeout.Milliseconds())
}

// bring runs what the place lacks, under the place's lock; the connection is at
// the place. When wait is false it fails with [errBusy] if another session has
// the lock. Errors are [*PlaceError]s and [*OrderError]s within one.
func (v *visitor) bring(ctx context.Context, to isolation.Target, wait bool) (did visit, err error) {
	fail := func(step *Migration, err error) (visit, error) {
		if v.live.conn.IsClosed() && ctx.Err() == nil && !Transient(err) {
			err = fmt.Errorf("%w: %w", errGone, err)
		}
		return did, placeError(to, step, v.live.failed, err)
	}
	v.live.failed = ""
	hasTable, err := v.lock(ctx, to, wait)
	if errors.Is(err, errAbsent) {
		return visit{absent: true}, nil
	}
	if err != nil {
		return fail(nil, err)
	}
	defer v.unlock(ctx, to)
	if hasTable {
		err = v.versions.read(ctx, v.live.conn)
	} else {
		err = v.versions.create(ctx, v.live.conn)
	}
	if err != nil {
		return fail(nil, err)
	}
	did.version = v.versions.latest()
	lacks, err := v.migrations.pending(v.versions.done)
	if err != nil {
		return fail(nil, err)
	}
	for i := range lacks {
		if i > 0 {
			if err := v.enter(ctx, to); err != nil {
				return fail(nil, err)
			}
		}
		if lacks[i].patient() {
			if _, err := v.live.conn.Exec(ctx, `SET lock_timeout = 0`); err != nil {
				return fail(nil, err)
			}
		}
		if _, err := v.provider.ApplyVersion(ctx, lacks[i].Version, true); err != nil {
			if partial, ok := errors.AsType[*goose.PartialError](err); ok {
				err = partial.Err // which migration it is, we say ourselves
			}
			return fail(&lacks[i], err)
		}
		v.versions.done[lacks[i].Version] = true
		did.ran = append(did.ran, lacks[i].Version)
		did.version = v.versions.latest()
	}
	return did, nil
}

// peek goes to a place and reads which versions have run there, without a lock.
// It fails with [errAbsent].
func (v *visitor) peek(ctx context.Context, to isolation.Target) error {
	if err := v.enter(ctx, to); err != nil {
		return err
	}
	hasTable, err := v.exists(ctx, to)
	if err == nil && hasTable {
		return v.versions.read(ctx, v.live.conn)
	}
	clear(v.versions.done)
	return err
}

var errAbsent = errors.New("schema: there is no such schema")

// lock takes the place's lock and looks whether it has goose's table.
func (v *visitor) lock(ctx context.Context, to isolation.Target, wait bool) (hasTable bool, err error) {
	got := true
	if wait {
		err = pglock.Take(ctx, v.live.conn, lockKey(to.Schema))
	} else {
		got, err = pglock.Try(ctx, v.live.conn, lockKey(to.Schema))
	}
	if err != nil {
		return false, err
	}
	if !got {
		return false, errBusy
	}
	// After the lock, so that what whoever had it has done is seen.
	hasTable, err = v.exists(ctx, to)
	if err != nil {
		v.unlock(ctx, to)
	}
	return hasTable, err
}

// exists reports whether the place has goose's table. It fails with [errAbsent]
// when there is no place.
func (v *visitor) exists(ctx context.Context, to isolation.Target) (hasTable bool, err error) {
	v.versions.table = pgx.Identifier{to.Schema, v.migrations.opts.Table}.Sanitize()
	var there bool
	err = v.live.conn.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL, to_regclass($2) IS NOT NULL`, pgx.QueryExecModeExec,
		pgx.Identifier{to.Schema}.Sanitize(), v.versions.table).Scan(&there, &hasTable)
	if err == nil && !there {
		err = errAbsent
	}
	return hasTable, err
}

// unlock gives the lock back. It goes with the connection otherwise.
func (v *visitor) unlock(ctx context.Context, to isolation.Target) {
	if !v.live.conn.IsClosed() {
		_, _ = v.live.conn.Exec(context.WithoutCancel(ctx), fmt.Sprintf(`SELECT pg_advisory_unlock(%d)`, lockKey(to.Schema)))
	}
}

// quotePath is the search_path of a place; one that was named by hand may have none.
func quotePath(to isolation.Target) string {
	return cmp.Or(to.Path, pgx.Identifier{to.Schema}.Sanitize())
}

// lockKey gives every schema of a database a lock of its own, apart from the
// locks of the rest of Partywall by the prefix. PostgreSQL keeps the advisory
// locks of databases apart.
func lockKey(schema string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("partywall/schema/" + schema)) // a hash does not fail
	return int64(h.Sum64())                              //nolint:gosec // G115: any 64 bits will do
}

// Migrate brings one place up to date, on a connection of the migrator's whose
// search_path is the place's, and leaves the connection as it was. It is what
// [isolation.Options] calls Migrate. It waits for whoever is at work in the
// place, and fails with a [*PlaceError].
func (m *Migrations) Migrate(ctx context.Context, conn *pgx.Conn, to isolation.Target) error {
	v, err := m.visitor(conn)
	if err != nil {
		return err
	}
	defer v.close()
	if _, err := conn.Exec(ctx, v.lockTimeout()); err != nil {
		return placeError(to, nil, "", err)
	}
	did, err := v.bring(ctx, to, true)
	if err == nil && did.absent {
		err = placeError(to, nil, "", errAbsent)
	}
	if !conn.IsClosed() {
		// If that fails, the next statement finds out.
		_, _ = conn.Exec(context.WithoutCancel(ctx), `SET search_path = `+quotePath(to)+`; RESET lock_timeout`)
	}
	return err
}
