package provisioning_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partywall/partywall/provisioning"
)

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
	if err := e.Pause(t.Context(), h.ID(), "bob"); err != nil { // who comes too late changes nothing
		t.Error(err)
	}
	if o, err := e.Get(t.Context(), h.ID()); err != nil || o.State != provisioning.Paused || o.Owner != "" || !o.DueAt.IsZero() || d.read() != "+slow" {
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
