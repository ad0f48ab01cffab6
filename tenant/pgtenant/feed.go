package pgtenant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/tenant"
)

// store implements [tenant.Store] and [tenant.KeySource] on a pool.
type store struct {
	records

	pool *pgxpool.Pool
}

func newStore(pool *pgxpool.Pool) *store { return &store{records{pool}, pool} }

// A mark is the history that it belongs to and a snapshot of PostgreSQL's,
// such as "7345…/1/16384 731:740:733". The snapshot says exactly which
// transactions were complete. The history tells a catalog from the same one
// after a restore: the cluster, its timeline, which every recovery to a point
// in time begins anew, and the database.
const historySQL = `SELECT (SELECT system_identifier::text FROM pg_control_system())
	|| '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
	|| '/' || (SELECT oid::text FROM pg_database WHERE datname = current_database()),
	pg_current_snapshot()::text`

// allSQL and changesSQL yield the rows for the zero mark and for a later one.
//
// What a transaction wrote that was complete at the mark was seen then; all
// else is new, however long ago its xid was given out. The first condition is
// what the index can find. The upper bound keeps out rows whose stamp comes
// from another cluster's higher count, by dump and restore: they came with the
// first load.
const (
	allSQL     = `SELECT ` + columns + ` FROM partywall_catalog.tenant`
	changesSQL = allSQL + ` WHERE changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)
		AND changed_in < pg_snapshot_xmax(pg_current_snapshot())
		AND NOT pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)`
)

// Changes implements [tenant.Store].
func (s *store) Changes(
	ctx context.Context, since tenant.Mark, fn func(tenant.Tenant) error,
) (next tenant.Mark, err error) {
	// One snapshot for both the mark and the rows.
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		var history, snapshot string
		if err := tx.QueryRow(ctx, historySQL).Scan(&history, &snapshot); err != nil {
			return translate(err)
		}
		next = tenant.Mark(history + " " + snapshot)
		sql, args := allSQL, []any(nil)
		if since != "" {
			seen, ok := strings.CutPrefix(string(since), history+" ")
			if !ok || rewound(seen, snapshot) {
				return tenant.ErrRewound
			}
			sql, args = changesSQL, []any{seen}
		}
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return translate(err)
		}
		return each(rows, fn)
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "22P02" {
		return "", tenant.ErrRewound // the mark is no snapshot; nothing else here is parsed
	}
	if err != nil {
		return "", err
	}
	return next, nil
}

// rewound reports whether seen knows of transactions that this database has
// not begun: it was replaced by an earlier copy of its files. Both are
// snapshots as xmin:xmax:…, and one that is not is no mark of ours.
func rewound(seen, now string) bool {
	xmax := func(snapshot string) (uint64, error) {
		parts := strings.Split(snapshot, ":")
		if len(parts) != 3 {
			return 0, strconv.ErrSyntax
		}
		return strconv.ParseUint(parts[1], 10, 64)
	}
	then, err := xmax(seen)
	current, err2 := xmax(now)
	return err != nil || err2 != nil || then > current
}

// pingInterval is how long a listening connection may be silent before it is
// asked for a sign of life: a network may forget it without a word.
const pingInterval = 30 * time.Second

// Watch implements [tenant.Store]. It takes a connection out of the pool, so
// that the pool's size is not lessened, and ends it on return.
func (s *store) Watch(ctx context.Context, wake func()) error {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("pgtenant: watching: %w", err)
	}
	conn := pooled.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, `LISTEN partywall_catalog`); err != nil {
		return fmt.Errorf("pgtenant: watching: %w", translate(err))
	}
	for {
		wake() // the first time for all that happened before LISTEN
		if err := s.waitForWord(ctx, conn); err != nil {
			return fmt.Errorf("pgtenant: watching: %w", err)
		}
	}
}

func (s *store) waitForWord(ctx context.Context, conn *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, pingInterval)
		_, err := conn.WaitForNotification(quiet)
		timedOut := quiet.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !timedOut || conn.IsClosed() {
			return err
		}
		ping, cancel := context.WithTimeout(ctx, pingInterval)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}
