package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

type order struct {
	Dish string
}

type meal struct {
	Plates []string
}

type (
	kind = provisioning.Kind[order, meal]
	step = provisioning.Step[order, meal]
	run  = provisioning.Run[order, meal]
)

// stage is one step alone.
func stage(s step) provisioning.Stage[order, meal] { return provisioning.Stage[order, meal]{s} }

// quick are options with which a test does not wait.
func quick(k ...provisioning.Definition) *provisioning.Options {
	return &provisioning.Options{
		Kinds: k, Sweep: 50 * time.Millisecond, Lease: time.Second,
		Backoff: func(int) time.Duration { return time.Millisecond },
	}
}

// catalog is a database for a test's engines.
func catalog(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return pgtest.New(t, nil).Pool(t)
}

// start starts a worker, and stops it when the test ends.
func start(t *testing.T, pool *pgxpool.Pool, o *provisioning.Options) *provisioning.Engine {
	t.Helper()
	e, err := provisioning.New(pool, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return e
}

// diary is what steps have done, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, " ")
}

// plain is a step that notes what it does, and puts a plate on the table.
func (d *diary) plain(name string) step {
	return step{
		Name: name,
		Do: func(_ context.Context, r *run) error {
			d.add("+" + name)
			r.Set(func(m *meal) { m.Plates = append(m.Plates, name+" for "+r.Input.Dish) })
			return nil
		},
		Compensate: func(context.Context, *run) error {
			d.add("-" + name)
			return nil
		},
	}
}

func TestSucceeds(t *testing.T) {
	t.Parallel()
	var d diary
	var seen meal
	last := d.plain("last")
	do := last.Do
	last.Do = func(ctx context.Context, r *run) error {
		seen = r.Output
		return do(ctx, r)
	}
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{
		stage(d.plain("first")), {d.plain("left"), d.plain("right")}, stage(last),
	}}
	e := start(t, catalog(t), quick(k))
	h, err := k.Start(t.Context(), e, order{Dish: "soup"}, &provisioning.Request{Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	var percent float64
	for v, err := range h.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, strings.TrimSpace(string(v.Type)+" "+v.Step))
		if v.Number != int64(len(told)) || v.Percent < percent {
			t.Errorf("event %d of %v: number %d, %v%% after %v%%", len(told), v.Type, v.Number, v.Percent, percent)
		}
		percent = v.Percent
	}
	if percent != 100 {
		t.Errorf("ends at %v%%", percent)
	}
	if told[0] != "requested" || told[len(told)-1] != "succeeded" || len(told) != 10 {
		t.Errorf("told %q", told)
	}
	out, err := h.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Plates) != 4 || out.Plates[0] != "first for soup" || out.Plates[3] != "last for soup" || len(seen.Plates) != 3 {
		t.Errorf("brought %q; the last step saw %q", out.Plates, seen.Plates)
	}
	o, err := e.Get(t.Context(), h.ID())
	if err != nil {
		t.Fatal(err)
	}
	if o.State != provisioning.Succeeded || o.Actor != "ann" || o.Owner != "" || o.EndedAt.IsZero() || len(o.Steps) != 4 {
		t.Errorf("%+v", o)
	}
}

func TestFailureIsUndoneInReverse(t *testing.T) {
	t.Parallel()
	why := errors.New("out of salt")
	for name, fail := range map[string]func() error{
		"permanent":       func() error { return provisioning.Fail(why) },
		"panic":           func() error { panic(why) },
		"again and again": func() error { return why },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d diary
			bad := d.plain("bad")
			bad.Attempts = 3
			bad.Do = func(_ context.Context, r *run) error {
				d.add("!bad")
				r.Set(func(m *meal) { m.Plates = append(m.Plates, "never") })
				return fail()
			}
			var refusals atomic.Int32
			stubborn := d.plain("b")
			stubborn.Compensate = func(context.Context, *run) error {
				if refusals.Add(1) < 4 { // more than a step's attempts
					return provisioning.Fail(errors.New("not yet"))
				}
				d.add("-b")
				return nil
			}
			k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{
				stage(d.plain("a")), stage(stubborn), stage(bad), stage(d.plain("never")),
			}}
			e := start(t, catalog(t), quick(k))
			h, err := k.Start(t.Context(), e, order{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			out, err := h.Wait(t.Context())
			var undone *provisioning.UndoneError
			if !errors.As(err, &undone) || !strings.Contains(undone.Reason, why.Error()) || !strings.HasPrefix(undone.Reason, "bad: ") {
				t.Errorf("ended with %v", err)
			}
			if len(out.Plates) != 2 {
				t.Errorf("a step that failed brought forth something: %q", out.Plates)
			}
			tries := 1
			if name == "again and again" {
				tries = 3
			}
			if want := "+a +b" + strings.Repeat(" !bad", tries) + " -bad -b -a"; d.read() != want {
				t.Errorf("did  %s\nwant %s", d.read(), want)
			}
		})
	}
}

// TestFinal has a step fail after which there is no way back: it is tried
// until it succeeds, whatever it says.
func TestFinal(t *testing.T) {
	t.Parallel()
	var d diary
	final, after := d.plain("final"), d.plain("after")
	final.Final = true
	passed, goOn := make(chan struct{}), make(chan struct{})
	var tries atomic.Int32
	after.Do = func(context.Context, *run) error {
		n := tries.Add(1)
		if n == 1 {
			close(passed)
			<-goOn
		}
		if n < 12 { // more than a step's attempts
			return provisioning.Fail(errors.New("not yet"))
		}
		return nil
	}
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(final), stage(after)}}
	e := start(t, catalog(t), quick(k))
	h, err := k.Start(t.Context(), e, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-passed
	if err := e.Cancel(t.Context(), h.ID(), "ann"); !errors.Is(err, provisioning.ErrCommitted) {
		t.Errorf("cancelling says %v", err)
	}
	close(goOn)
	if _, err := h.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := e.Cancel(t.Context(), h.ID(), "ann"); !errors.Is(err, provisioning.ErrEnded) {
		t.Errorf("cancelling says %v", err)
	}
}

// TestOutputIsCommittedWithItsStep writes to the catalog with a step, which
// fails the first time after it has written.
func TestOutputIsCommittedWithItsStep(t *testing.T) {
	t.Parallel()
	pool := catalog(t)
	if _, err := pool.Exec(t.Context(), `CREATE TABLE bill (dish text)`); err != nil {
		t.Fatal(err)
	}
	var tries atomic.Int32
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "pay", Do: func(_ context.Context, r *run) error {
		r.Set(func(m *meal) { m.Plates = append(m.Plates, fmt.Sprint("try ", r.Attempt)) })
		r.WithStep(func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO bill VALUES ($1)`, r.Input.Dish); err != nil {
				return err
			}
			if tries.Add(1) == 1 {
				return errors.New("printer is out of paper")
			}
			return nil
		})
		return nil
	}})}}
	e := start(t, pool, quick(k))
	h, err := k.Start(t.Context(), e, order{Dish: "soup"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Wait(t.Context())
	if err != nil || !slices.Equal(out.Plates, []string{"try 2"}) {
		t.Errorf("brought %q, %v", out.Plates, err)
	}
	var bills int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM bill`).Scan(&bills); err != nil || bills != 1 {
		t.Errorf("%d bills, %v", bills, err)
	}
}

func TestOneOperationPerTenant(t *testing.T) {
	t.Parallel()
	who := tenant.NewID(time.Now())
	begun, goOn := make(chan struct{}), make(chan struct{})
	wait := stage(step{Name: "wait", Do: func(context.Context, *run) error {
		close(begun)
		<-goOn
		return nil
	}})
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{wait}}
	beside := kind{Name: "taste", Beside: true, Stages: []provisioning.Stage[order, meal]{stage(step{Name: "taste"})}}
	e := start(t, catalog(t), quick(k, beside))
	first, err := k.Start(t.Context(), e, order{}, &provisioning.Request{Tenant: who})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	var busy *provisioning.BusyError
	if _, err := k.Start(t.Context(), e, order{}, &provisioning.Request{Tenant: who}); !errors.As(err, &busy) || busy.Operation != first.ID() {
		t.Errorf("a second one says %v", err)
	}
	tasted, err := beside.Start(t.Context(), e, order{}, &provisioning.Request{Tenant: who})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tasted.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	close(goOn)
	if _, err := first.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestKey starts one request many times at once.
func TestKey(t *testing.T) {
	t.Parallel()
	var d diary
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(d.plain("a"))}}
	e := start(t, catalog(t), quick(k))
	const many = 20
	var all sync.WaitGroup
	ids := make([]provisioning.ID, many)
	for i := range many {
		all.Go(func() {
			h, err := k.Start(t.Context(), e, order{Dish: "soup"}, &provisioning.Request{Key: "order 7"})
			if err != nil {
				t.Error(err)
			}
			ids[i] = h.ID()
		})
	}
	all.Wait()
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("started %d", len(slices.Compact(ids)))
	}
	if _, err := k.Handle(e, ids[0]).Wait(t.Context()); err != nil || d.read() != "+a" {
		t.Errorf("did %s, %v", d.read(), err)
	}
	if _, err := k.Start(t.Context(), e, order{Dish: "pie"}, &provisioning.Request{Key: "order 7"}); !errors.Is(err, provisioning.ErrKeyUsed) {
		t.Errorf("another request with the key says %v", err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	var d diary
	begun := make(chan struct{})
	slow := d.plain("slow")
	slow.Do = func(ctx context.Context, _ *run) error {
		close(begun)
		<-ctx.Done()
		if context.Cause(ctx) != provisioning.ErrCanceled { //nolint:errorlint // the very one
			t.Errorf("cause %v", context.Cause(ctx))
		}
		return ctx.Err()
	}
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(d.plain("a")), stage(slow)}}
	e := start(t, catalog(t), quick(k))
	h, err := k.Start(t.Context(), e, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := e.Cancel(t.Context(), h.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := h.Wait(t.Context()); !errors.As(err, &undone) || undone.Reason != provisioning.ErrCanceled.Error() {
		t.Errorf("ended with %v", err)
	}
	if want := "+a -slow -a"; d.read() != want {
		t.Errorf("did %s, want %s", d.read(), want)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	var d diary
	slow := d.plain("slow")
	slow.Do = func(ctx context.Context, _ *run) error {
		<-ctx.Done()
		return provisioning.Later(time.Hour, ctx.Err()) // which it must not wait for
	}
	k := kind{Name: "cook", Timeout: 300 * time.Millisecond, Stages: []provisioning.Stage[order, meal]{stage(slow)}}
	e := start(t, catalog(t), quick(k))
	h, err := k.Start(t.Context(), e, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := h.Wait(t.Context()); !errors.As(err, &undone) || undone.Reason != provisioning.ErrDeadline.Error() {
		t.Errorf("ended with %v", err)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	var d diary
	begun, goOn := make(chan struct{}), make(chan struct{})
	slow := d.plain("slow")
	slow.Do = func(context.Context, *run) error {
		close(begun)
		<-goOn
		d.add("+slow")
		return nil
	}
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(slow), stage(d.plain("b"))}}
	e := start(t, catalog(t), quick(k))
	h, err := k.Start(t.Context(), e, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := e.Pause(t.Context(), h.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	for v, err := range h.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if string(v.Type) == string(provisioning.Paused) {
			break
		}
	}
	if o, err := e.Get(t.Context(), h.ID()); err != nil || o.State != provisioning.Paused || o.Owner != "" || d.read() != "+slow" {
		t.Errorf("paused: %+v, %v; did %s", o, err, d.read())
	}
	if err := e.Resume(t.Context(), h.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Wait(t.Context()); err != nil || d.read() != "+slow +b" {
		t.Errorf("did %s, %v", d.read(), err)
	}
}

func TestCancelWhilePaused(t *testing.T) {
	t.Parallel()
	var d diary
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(d.plain("a"))}}
	pool := catalog(t)
	e := start(t, pool, quick(k))
	h, err := k.Start(t.Context(), e, order{}, &provisioning.Request{At: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Pause(t.Context(), h.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	if err := e.Cancel(t.Context(), h.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := h.Wait(t.Context()); !errors.As(err, &undone) || d.read() != "" {
		t.Errorf("ended with %v, did %q", err, d.read())
	}
}

// TestLater waits for another party for longer than a step has attempts.
func TestLater(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "wait", Attempts: 2, Do: func(_ context.Context, r *run) error {
		if r.Attempt > 1 {
			t.Errorf("attempt %d", r.Attempt)
		}
		if tries.Add(1) < 6 {
			return provisioning.Later(time.Millisecond, errors.New("not there yet"))
		}
		return nil
	}})}}
	e := start(t, catalog(t), quick(k))
	h, err := k.Start(t.Context(), e, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Wait(t.Context()); err != nil || tries.Load() != 6 {
		t.Errorf("%d tries, %v", tries.Load(), err)
	}
}

// TestStop interrupts a step when the time to stop is over. Another worker does
// it at once, and not as a second attempt.
func TestStop(t *testing.T) {
	t.Parallel()
	begun := make(chan string, 2)
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "slow", Do: func(ctx context.Context, r *run) error {
		begun <- fmt.Sprint(r.Attempt)
		if r.Token.Number > 1 {
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}})}}
	pool := catalog(t)
	o := quick(k)
	o.Lease = time.Hour // what is not given back stays
	leaving, err := provisioning.New(pool, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := leaving.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := k.Start(t.Context(), leaving, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	hurry, cancel := context.WithCancel(t.Context())
	cancel()
	if err := leaving.Stop(hurry); !errors.Is(err, context.Canceled) {
		t.Errorf("stopping says %v", err)
	}
	start(t, pool, o)
	if _, err := h.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if attempt := <-begun; attempt != "1" {
		t.Errorf("attempt %s", attempt)
	}
}

// TestTakenOver lets a worker's lease run out while it works, and another go on:
// whatever the first does then is refused.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	pool := catalog(t)
	if _, err := pool.Exec(t.Context(), `CREATE TABLE bill (token bigint)`); err != nil {
		t.Fatal(err)
	}
	stuck, goOn, late := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "pay", Do: func(_ context.Context, r *run) error {
		pay := func() error {
			return r.Tx(context.Background(), func(tx pgx.Tx) error {
				_, err := tx.Exec(context.Background(), `INSERT INTO bill VALUES ($1)`, r.Token.Number)
				return err
			})
		}
		if r.Token.Number == 1 {
			close(stuck)
			<-goOn
			late <- pay()
			r.Set(func(m *meal) { m.Plates = append(m.Plates, "late") })
			return nil
		}
		return pay()
	}})}}
	o := quick(k)
	o.Name = "first"
	first := start(t, pool, o)
	h, err := k.Start(t.Context(), first, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-stuck
	// What a paused process looks like: its lease is over, and it does not know.
	if _, err := pool.Exec(t.Context(), `UPDATE partywall_operations.operation SET lease_until = clock_timestamp() - interval '1 s'`); err != nil {
		t.Fatal(err)
	}
	start(t, pool, quick(k))
	out, err := h.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-late; !errors.Is(err, provisioning.ErrLost) {
		t.Errorf("a late write says %v", err)
	}
	var tokens []int64
	if err := pool.QueryRow(t.Context(), `SELECT array_agg(token) FROM bill`).Scan(&tokens); err != nil || len(tokens) != 1 || tokens[0] < 2 {
		t.Errorf("paid by %v, %v", tokens, err)
	}
	if len(out.Plates) > 0 {
		t.Errorf("the late worker brought %q", out.Plates)
	}
	var over bool
	for v, err := range h.Events(t.Context()) {
		over = over || err == nil && v.Type == provisioning.TakenOver && v.Message == "first"
	}
	if !over {
		t.Error("nothing tells that it was taken over")
	}
}

func TestPublishedAtLeastOnce(t *testing.T) {
	t.Parallel()
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "a", Do: func(_ context.Context, r *run) error {
		r.Announce("dish.ready", map[string]string{"dish": r.Input.Dish})
		return nil
	}})}}
	o := quick(k)
	heard := make(chan provisioning.Notice, 10)
	var tries atomic.Int32
	o.Publisher = provisioning.PublisherFunc(func(_ context.Context, n provisioning.Notice) error {
		if tries.Add(1) <= 2 {
			panic("the queue is away")
		}
		heard <- n
		return nil
	})
	pool := catalog(t)
	e := start(t, pool, o)
	if _, err := k.Start(t.Context(), e, order{Dish: "soup"}, nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for range 2 {
		n := <-heard
		got[n.Topic] = string(n.Body)
	}
	if got["dish.ready"] != `{"dish": "soup"}` || got["cook.succeeded"] != `{"Plates": null}` {
		t.Errorf("heard %q", got)
	}
	for left := 1; left > 0; {
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM partywall_operations.outbox`).Scan(&left); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMistakes tells all that is wrong with an engine at once.
func TestMistakes(t *testing.T) {
	t.Parallel()
	twice := step{Name: "a"}
	bad := kind{Name: "no such name", Stages: []provisioning.Stage[order, meal]{{twice, twice}, {step{Name: "f", Final: true}, step{Name: "ok"}}}}
	_, err := provisioning.New(nil, nil, &provisioning.Options{Kinds: []provisioning.Definition{bad, kind{Name: "empty"}}, Workers: -2, Lease: time.Millisecond})
	if !errors.Is(err, provisioning.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{"pool is nil", "two steps", "not alone", "no steps", "Workers", "Lease"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nsays nothing of %q", err, want)
		}
	}
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	k := kind{Name: "cook", Stages: []provisioning.Stage[order, meal]{stage(step{Name: "a", Do: func(_ context.Context, r *run) error {
		r.Progress(0.5, "half \x00 \xff "+strings.Repeat("ü", 5000))
		return provisioning.Fail(errors.New("bad \x00 \xff " + strings.Repeat("x", 1<<20)))
	}})}}
	pool := catalog(t)
	e := start(t, pool, quick(k))
	for name, r := range map[string]*provisioning.Request{
		"key": {Key: strings.Repeat("k", 201)}, "actor": {Actor: strings.Repeat("a", 201)}, "timeout": {Timeout: -1},
	} {
		if _, err := k.Start(t.Context(), e, order{}, r); !errors.Is(err, provisioning.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, dish := range []string{"nul \x00", strings.Repeat("x", 2<<20)} {
		if _, err := k.Start(t.Context(), e, order{Dish: dish}, nil); !errors.Is(err, provisioning.ErrInvalid) {
			t.Errorf("%.10q: %v", dish, err)
		}
	}
	h, err := k.Start(t.Context(), e, order{Dish: `'); DROP TABLE x; -- \u0001`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := h.Wait(t.Context()); !errors.As(err, &undone) {
		t.Error(err)
	}
	if _, err := e.Get(t.Context(), provisioning.ID{1}); !errors.Is(err, provisioning.ErrNotFound) {
		t.Error(err)
	}
	if err := e.Cancel(t.Context(), provisioning.ID{1}, ""); !errors.Is(err, provisioning.ErrNotFound) {
		t.Error(err)
	}
	if _, err := provisioning.ParseID("x"); !errors.Is(err, provisioning.ErrInvalid) {
		t.Error(err)
	}
}

// TestDeadlineWhileWaiting has a step come back long after its deadline.
func TestDeadlineWhileWaiting(t *testing.T) {
	t.Parallel()
	k := kind{Name: "cook", Timeout: 200 * time.Millisecond, Stages: []provisioning.Stage[order, meal]{stage(step{Name: "wait", Do: func(context.Context, *run) error {
		return provisioning.Later(time.Hour, errors.New("not there yet"))
	}})}}
	e := start(t, catalog(t), quick(k))
	h, err := k.Start(t.Context(), e, order{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var undone *provisioning.UndoneError
	if _, err := h.Wait(t.Context()); !errors.As(err, &undone) || undone.Reason != provisioning.ErrDeadline.Error() {
		t.Errorf("ended with %v", err)
	}
}
