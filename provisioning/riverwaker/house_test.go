package riverwaker_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

type (
	none = struct{}
	kind = provisioning.Kind[none, none]
	step = provisioning.Step[none, none]
	run  = provisioning.Run[none, none]
)

// single is a kind of operations with one step.
func single(do func(context.Context, *run) error) kind {
	return kind{Name: "cook", Stages: []provisioning.Stage[none, none]{{step{Name: "cook", Do: do}}}}
}

// nothing is done by steps that need only be done.
func nothing(context.Context, *run) error { return nil }

// spy is a waker that tells whom it wakes before it does, and waits until it may.
type spy struct {
	provisioning.Waker

	over  <-chan struct{} // the test is
	woken chan provisioning.ID
	goOn  chan struct{}
}

func (s *spy) Start(ctx context.Context, wake func(provisioning.ID)) error {
	return s.Waker.Start(ctx, func(id provisioning.ID) {
		select {
		case s.woken <- id:
		case <-s.over:
			return
		}
		select {
		case <-s.goOn:
			wake(id)
		case <-s.over:
		}
	})
}

// next waits for the next one that is woken, and lets the engine know of it
// once look has looked.
func (s *spy) next(t *testing.T, want provisioning.ID, look func()) {
	t.Helper()
	if got := receive(t, s.woken); got != want {
		t.Fatalf("woke %v, want %v", got, want)
	}
	look()
	s.goOn <- struct{}{}
}

// receive waits for what is to come.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	select {
	case v = <-c:
	case <-ctx.Done():
		t.Fatal("nothing came within a minute")
	}
	return v
}

// looks is a tracer that tells when an engine has looked for something to do
// and found nothing.
type looks chan struct{}

type looking struct{}

func (l looks) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "due_at <= clock_timestamp() AND kind = ANY") {
		return context.WithValue(ctx, looking{}, true)
	}
	return ctx
}

func (l looks) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	if ctx.Value(looking{}) != nil && q.Err == nil && q.CommandTag.RowsAffected() == 0 {
		select {
		case l <- struct{}{}:
		default:
		}
	}
}

// node is a process with an engine that only looks when it is woken.
type node struct {
	pool   *pgxpool.Pool
	engine *provisioning.Engine
	waker  *riverwaker.Waker
	spy    *spy
	empty  looks // tells when the engine has found nothing to do
}

// open starts a node; workers as in [provisioning.Options].
func open(t *testing.T, db *pgtest.Database, workers int, k kind) *node {
	t.Helper()
	n := &node{empty: make(looks, 1)}
	config, err := pgxpool.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.Tracer = n.empty
	if n.pool, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.pool.Close)
	n.waker = own(t, n.pool, &riverwaker.Options{MaxWorkers: workers})
	n.spy = &spy{n.waker, t.Context().Done(), make(chan provisioning.ID), make(chan struct{})}
	n.start(t, workers, k)
	return n
}

// own is a waker with a client of its own.
func own(t *testing.T, pool *pgxpool.Pool, o *riverwaker.Options) *riverwaker.Waker {
	t.Helper()
	o.Logger = quiet(t)
	w, err := riverwaker.New(pool, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func quiet(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// start starts the node's engine, and stops it when the test ends.
func (n *node) start(t *testing.T, workers int, k kind) {
	t.Helper()
	var err error
	n.engine, err = provisioning.New(n.pool, nil, &provisioning.Options{
		Kinds: []provisioning.Definition{k}, Workers: workers, Sweep: time.Hour, Waker: n.spy, Logger: quiet(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(t) })
	if workers > 0 && n.empty != nil {
		receive(t, n.empty)
	}
}

func (n *node) stop(t *testing.T) {
	t.Helper()
	ctx, done := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer done()
	if err := n.engine.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// state is how far an operation is.
func (n *node) state(t *testing.T, id provisioning.ID) provisioning.Operation {
	t.Helper()
	o, err := n.engine.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// request starts an operation.
func request(t *testing.T, n *node, k kind) provisioning.Handle[none] {
	t.Helper()
	h, err := k.Start(t.Context(), n.engine, none{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// finish waits until an operation has succeeded.
func finish(t *testing.T, h provisioning.Handle[none]) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if _, err := h.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

// anID is an operation's that there is not.
func anID(n byte) provisioning.ID { return provisioning.ID{15: n} }

// ask has an operation woken, in a transaction of its own.
func ask(t *testing.T, pool *pgxpool.Pool, w provisioning.Waker, id provisioning.ID, at time.Time) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return w.Wake(t.Context(), tx, id, at) }); err != nil {
		t.Fatal(err)
	}
}

// jobs are how many jobs there are of an operation, by state.
func jobs(t *testing.T, pool *pgxpool.Pool, id provisioning.ID) map[string]int {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT state::text, count(*)::int FROM partywall_river.river_job WHERE args->>'operation' = $1 GROUP BY state`, id.String())
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	var state string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
		counts[state] = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// settled waits until all jobs of an operation are done.
func settled(t *testing.T, pool *pgxpool.Pool, id provisioning.ID) {
	t.Helper()
	until(t, func() bool {
		counts := jobs(t, pool, id)
		return len(counts) == 1 && counts["completed"] > 0
	})
}

// until asks until the answer is yes.
func until(t *testing.T, yes func() bool) {
	t.Helper()
	for began := time.Now(); !yes(); {
		if time.Since(began) > time.Minute {
			t.Fatal("it did not come to that within a minute")
		}
	}
}

// connect is a pool of somebody's.
func connect(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	p, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
