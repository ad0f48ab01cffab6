package isolation_test

import (
	"cmp"
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// flushes counts what clients send, each time that they do.
type flushes struct {
	atomic.Int64

	bytes atomic.Int64
}

func (f *flushes) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return countingConn{conn, f}, err
}

type countingConn struct {
	net.Conn

	sent *flushes
}

func (c countingConn) Write(b []byte) (int, error) {
	c.sent.Add(1)
	c.sent.bytes.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// handle is what hand-written pgx and the wall have in common.
type handle interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	Begin(ctx context.Context) (pgx.Tx, error)
}

const (
	readOrder  = `SELECT item FROM orders WHERE tenant_id = $1 AND id = 1`
	writeOrder = `UPDATE orders SET total = total + 1 WHERE tenant_id = $1`
)

// operations are one of each kind, by name.
func operations() map[string]func(context.Context, handle, int64) error {
	read := func(ctx context.Context, db interface {
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}, who int64,
	) error {
		var item string
		return db.QueryRow(ctx, readOrder, who).Scan(&item)
	}
	return map[string]func(context.Context, handle, int64) error{
		"query": func(ctx context.Context, db handle, who int64) error { return read(ctx, db, who) },
		"exec": func(ctx context.Context, db handle, who int64) error {
			_, err := db.Exec(ctx, writeOrder, who)
			return err
		},
		"batch": func(ctx context.Context, db handle, who int64) error {
			var b pgx.Batch
			for range 3 {
				b.Queue(readOrder, who)
			}
			return db.SendBatch(ctx, &b).Close()
		},
		"transaction": func(ctx context.Context, db handle, who int64) error {
			tx, err := db.Begin(ctx)
			if err != nil {
				return err
			}
			if err := read(ctx, tx, who); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, writeOrder, who); err != nil {
				return err
			}
			return tx.Commit(ctx)
		},
	}
}

// TestNoModeAddsAFlush counts what each operation sends: once everybody's
// statements are known, the wall sends as often as hand-written pgx, also when
// every operation is another tenant's. (Options.Hostile pays for DISCARD ALL
// then, as its comment says.)
func TestNoModeAddsAFlush(t *testing.T) {
	t.Parallel()
	for name, change := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, func(h *house) {
				single(h)
				if change != nil {
					change(h)
				}
			})
			var plain, walled flushes
			h.DialBy(walled.dial)
			config, err := pgx.ParseConfig(h.data.URL)
			if err != nil {
				t.Fatal(err)
			}
			config.DialFunc = plain.dial
			config.DefaultQueryExecMode = cmp.Or(h.opts.ExecMode, pgx.QueryExecModeCacheStatement)
			raw, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = raw.Close(t.Context()) }()
			for operation, run := range operations() {
				count := func(db handle, ctx context.Context, who int64, sent *flushes) int64 {
					before := sent.Load()
					if err := run(ctx, db, who); err != nil {
						t.Fatalf("%s: %v", operation, err)
					}
					return sent.Load() - before
				}
				for range 2 { // what is known the second time was learnt the first
					for _, who := range []string{"acme", "globex", "initech", "acme"} {
						count(h, h.as(t, who), h.who[who].Number, &walled)
						count(raw, t.Context(), h.who["acme"].Number, &plain)
					}
				}
				want := count(raw, t.Context(), h.who["acme"].Number, &plain)
				turns := []string{"acme", "acme", "globex", "initech", "globex"}
				if h.opts.Hostile {
					turns = turns[:2]
				}
				for _, who := range turns {
					if got := count(h, h.as(t, who), h.who[who].Number, &walled); got != want {
						t.Errorf("%s by %s: %d flushes, hand-written pgx has %d", operation, who, got, want)
					}
				}
			}
		})
	}
}

// TestAllocations holds what a statement allocates against hand-written pgx on
// its own pool: for a tenant that the connection is bound to, and for tenants in
// turn.
func TestAllocations(t *testing.T) { //nolint:paralleltest // it counts what the whole process allocates
	h := build(t, single)
	pool := h.data.Pool(t)
	acme, globex := h.as(t, "acme"), h.as(t, "globex")
	var item string
	turn := 0
	once := func(db interface {
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}, contexts ...context.Context,
	) float64 {
		least := 1e9
		for range 5 { // what else goes on in the process is counted too
			least = min(least, testing.AllocsPerRun(100, func() {
				turn++
				if err := db.QueryRow(contexts[turn%len(contexts)], readOrder+` OR id = 1`, int64(1)).Scan(&item); err != nil {
					t.Fatal(err)
				}
			}))
		}
		return least
	}
	plain := once(pool, acme)
	for name, got := range map[string]float64{"bound": once(h, acme), "switching": once(h, acme, globex)} {
		if got > plain+3 {
			t.Errorf("%s: %.0f allocations, hand-written pgx has %.0f", name, got, plain)
		}
	}
}
