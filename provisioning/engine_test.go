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
		Kinds: k, Sweep: 50 * time.Millisecond, Lease: 3 * time.Second, // so long that a busy machine loses none
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
