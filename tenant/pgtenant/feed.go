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
	// silence is how long a listening connection may say nothing before it is
	// asked for a sign of life, and may take to answer: a network may forget
	// it without a word.
	silence time.Duration
}

func newStore(pool *pgxpool.Pool) *store { return &store{records{pool}, pool, 30 * time.Second} }

// A mark is the history that it belongs to and a snapshot of PostgreSQL's,
// such as "7345…/00000001/5/16390/1790000000.5 731:740:733". The snapshot says
// exactly which transactions were complete. The history tells a catalog from
// the same one after a restore:
//
//   - the cluster, and its timeline, which every recovery to a point in time
//     and every failover begins anew;
//   - the database, and the table in it, which a restore from a dump makes anew;
//   - the start of the server, without which its files are not replaced. So a
//     restart makes every node load everything once more, which it can afford.
const historySQL = `SELECT (SELECT system_identifier::text FROM pg_control_system())
	|| '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
	|| '/' || (SELECT oid::text FROM pg_database WHERE datname = current_database())
	|| '/' || to_regclass('partywall_catalog.tenant')::oid
	|| '/' || extract(epoch FROM pg_postmaster_start_time()),
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

// Watch implements [tenant.Store]. It takes a connection out of the pool, so
// that the pool's size is not lessened, and ends it on return.
func (s *store) Watch(ctx context.Context, wake func()) error {
	conn, err := s.listen(ctx)
	if err != nil {
		return fmt.Errorf("pgtenant: watching: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	for {
		wake() // the first time for all that happened before LISTEN
		if err := s.waitForWord(ctx, conn); err != nil {
			return fmt.Errorf("pgtenant: watching: %w", err)
		}
	}
}

// listen returns a connection of its own that listens.
func (s *store) listen(ctx context.Context) (*pgx.Conn, error) {
	short, cancel := context.WithTimeout(ctx, s.silence)
	defer cancel()
	pooled, err := s.pool.Acquire(short)
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	if _, err := pooled.Exec(short, `LISTEN partywall_catalog`); err != nil {
		pooled.Release() // which ends it where it is broken
		return nil, errors.Join(ctx.Err(), translate(err))
	}
	return pooled.Hijack(), nil
}

func (s *store) waitForWord(ctx context.Context, conn *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, s.silence)
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
		ping, cancel := context.WithTimeout(ctx, s.silence)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}
