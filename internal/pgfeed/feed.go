package pgfeed

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
)

// ErrRewound is returned for a mark that is not of the table's history: the
// database was restored to an earlier state, or is another. All has to be read
// again.
var ErrRewound = errors.New("pgfeed: database was rewound")

// Feed is one table that is followed.
type Feed struct {
	Pool *pgxpool.Pool
	// Table is the table's name with its schema, and Columns what is read of it.
	// Both go into statements as they are.
	Table, Columns string
	// Living is a condition that leaves out what is only history when everything
	// is read; "" is none. It goes into statements as it is.
	Living string
	// Channel is what the table's trigger notifies.
	Channel string
	// Silence is how long a listening connection may say nothing before it is
	// asked for a sign of life, and may take to answer: a network may forget it
	// without a word. 0 is 30 seconds.
	Silence time.Duration
}

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
	|| '/' || to_regclass($1)::oid
	|| '/' || extract(epoch FROM pg_postmaster_start_time()),
	pg_current_snapshot()::text`

// changes yields the rows for a mark that is not the zero one.
//
// What a transaction wrote that was complete at the mark was seen then; all
// else is new, however long ago its xid was given out. The first condition is
// what the index can find. The upper bound keeps out rows whose stamp comes
// from another cluster's higher count, by dump and restore: they came with the
// first load.
const changes = ` WHERE changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)
		AND changed_in < pg_snapshot_xmax(pg_current_snapshot())
		AND NOT pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)`

// Changes calls read with the rows that were written since the mark, all of
// them for the empty one, and returns the next mark. read closes the rows. It
// fails with [ErrRewound], and as read and the database do.
func (f *Feed) Changes(ctx context.Context, since string, read func(pgx.Rows) error) (next string, err error) {
	// One snapshot for both the mark and the rows.
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, f.Pool, options, func(tx pgx.Tx) error {
		var history, snapshot string
		if err := tx.QueryRow(ctx, historySQL, f.Table).Scan(&history, &snapshot); err != nil {
			return err
		}
		next = history + " " + snapshot
		//scopecheck:allow the table, its columns and Living are what a package of ours says
		sql, args := `SELECT `+f.Columns+` FROM `+f.Table, []any(nil)
		switch {
		case since == "" && f.Living != "":
			sql += ` WHERE ` + f.Living //scopecheck:allow as above
		case since != "":
			seen, ok := strings.CutPrefix(since, history+" ")
			if !ok || rewound(seen, snapshot) {
				return ErrRewound
			}
			sql, args = sql+changes, []any{seen}
		}
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		return read(rows)
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "22P02" {
		return "", ErrRewound // the mark is no snapshot; nothing else here is parsed
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

// Watch calls wake once it listens, for all that happened before, and whenever
// the table has changed, until ctx ends or the connection breaks. It takes a
// connection out of the pool, so that the pool's size is not lessened, and ends
// it on return.
func (f *Feed) Watch(ctx context.Context, wake func()) error {
	conn, err := f.listen(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	for {
		wake()
		if err := f.waitForWord(ctx, conn); err != nil {
			return err
		}
	}
}

func (f *Feed) silence() time.Duration {
	if f.Silence > 0 {
		return f.Silence
	}
	return 30 * time.Second
}

// listen returns a connection of its own that listens.
func (f *Feed) listen(ctx context.Context) (*pgx.Conn, error) {
	short, cancel := context.WithTimeout(ctx, f.silence())
	defer cancel()
	pooled, err := f.Pool.Acquire(short)
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	if _, err := pooled.Exec(short, `LISTEN `+pgx.Identifier{f.Channel}.Sanitize()); err != nil {
		pooled.Release() // which ends it where it is broken
		return nil, errors.Join(ctx.Err(), fmt.Errorf("listening to %s: %w", f.Channel, err))
	}
	return pooled.Hijack(), nil
}

func (f *Feed) waitForWord(ctx context.Context, conn *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, f.silence())
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
		ping, cancel := context.WithTimeout(ctx, f.silence())
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}
