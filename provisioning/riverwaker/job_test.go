package riverwaker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

// TestJobIsTheTransactions starts operations in transactions of the host's.
func TestJobIsTheTransactions(t *testing.T) {
	t.Parallel()
	k := single(nothing)
	n := open(t, pgtest.New(t, nil), -1, k)
	no := errors.New("the host thinks better of it")
	for _, end := range []error{no, nil} {
		var h provisioning.Handle[none]
		err := pgx.BeginFunc(t.Context(), n.pool, func(tx pgx.Tx) (err error) {
			if h, err = k.StartTx(t.Context(), n.engine, tx, none{}, nil); err != nil {
				return err
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Fatal(err)
		}
		got, want := jobs(t, n.pool, h.ID()), 0
		if end == nil {
			want = 1
		}
		if got["available"] != want || len(got) != want {
			t.Errorf("the transaction ended with %v; jobs: %v", end, got)
		}
	}
}

// TestOneJobPerMoment asks for the same again and again.
func TestOneJobPerMoment(t *testing.T) {
	t.Parallel()
	n := open(t, pgtest.New(t, nil), -1, single(nothing))
	later := time.Now().Add(time.Hour)
	for range 5 {
		ask(t, n.pool, n.waker, anID(1), later)
		ask(t, n.pool, n.waker, anID(1), time.Time{})
		ask(t, n.pool, n.waker, anID(1), time.Now()) // which is past when it is looked at
		ask(t, n.pool, n.waker, anID(1), later.Add(time.Second))
	}
	if got := jobs(t, n.pool, anID(1)); got["available"] != 1 || got["scheduled"] != 2 {
		t.Errorf("jobs: %v", got)
	}
}

// TestWokenAgainWhileBeingWoken asks for an operation whose job is being worked:
// that one may have come too early.
func TestWokenAgainWhileBeingWoken(t *testing.T) {
	t.Parallel()
	n := open(t, pgtest.New(t, nil), 2, single(nothing))
	again := func() { ask(t, n.pool, n.waker, anID(1), time.Time{}) }
	again()
	n.spy.next(t, anID(1), again)
	n.spy.next(t, anID(1), func() {})
	settled(t, n.pool, anID(1))
	if got := jobs(t, n.pool, anID(1)); got["completed"] != 2 {
		t.Errorf("jobs: %v", got)
	}
}

// TestInVain wakes for an operation that has ended, and for one that there is
// not.
func TestInVain(t *testing.T) {
	t.Parallel()
	k := single(nothing)
	n := open(t, pgtest.New(t, nil), 2, k)
	h := request(t, n, k)
	n.spy.next(t, h.ID(), func() {})
	finish(t, h)
	before := n.state(t, h.ID())
	for _, id := range []provisioning.ID{h.ID(), anID(1)} {
		ask(t, n.pool, n.waker, id, time.Time{})
		n.spy.next(t, id, func() {})
		settled(t, n.pool, id)
	}
	if after := n.state(t, h.ID()); after.Token != before.Token || after.State != provisioning.Succeeded {
		t.Errorf("was %+v\nis %+v", before, after)
	}
	// It still works.
	h = request(t, n, k)
	n.spy.next(t, h.ID(), func() {})
	finish(t, h)
}

// TestResumedBeforeItsTime has an operation that waits for an hour go on now, on
// another node than the one that is asked.
func TestResumedBeforeItsTime(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	k := single(nothing)
	first, second := open(t, db, -1, k), open(t, db, 2, k)
	h, err := k.Start(t.Context(), first.engine, none{}, &provisioning.Request{At: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.engine.Resume(t.Context(), h.ID(), "ann"); err != nil {
		t.Fatal(err)
	}
	second.spy.next(t, h.ID(), func() {})
	finish(t, h)
	if got := jobs(t, first.pool, h.ID()); got["scheduled"] != 1 {
		t.Errorf("jobs: %v", got)
	}
}

// TestStopReturnsWithItsContext stops a waker whose engine does not return.
func TestStopReturnsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, nil).Pool(t)
	w := own(t, pool, &riverwaker.Options{})
	stuck, goOn := make(chan struct{}), make(chan struct{})
	err := w.Start(t.Context(), func(provisioning.ID) {
		close(stuck)
		<-goOn
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context(), func(provisioning.ID) {}); err == nil {
		t.Error("started twice")
	}
	ask(t, pool, w, anID(1), time.Time{})
	receive(t, stuck)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stopping says %v", err)
	}
	close(goOn)
	if err := w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStartEndsWithItsContext starts a waker within a time that is over, and
// within one that ends when it has started.
func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, nil).Pool(t)
	w := own(t, pool, &riverwaker.Options{})
	woken := make(chan provisioning.ID)
	tell := func(id provisioning.ID) { woken <- id }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Start(ctx, tell); !errors.Is(err, context.Canceled) {
		t.Fatalf("starting says %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if err := w.Start(ctx, tell); err != nil {
		t.Fatal(err)
	}
	cancel()
	ask(t, pool, w, anID(1), time.Time{})
	receive(t, woken)
	if err := w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
