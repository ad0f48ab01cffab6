package pgtenant_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

func portOf(n uint16) string { return strconv.Itoa(int(n)) }

// eventually waits for what a node does in the background. The ticker paces
// looking, nothing depends on it.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not so in 20 seconds: %s", what)
		}
	}
}

// The catalog's network goes away and comes back. Serving goes on, what is not
// known is not denied, and what happened meanwhile is caught up with.
func TestOutage(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, pgtenant.Template(t))
	elsewhere := open(t, db.Pool(t), nil)
	pool, line := behindProxy(t, db)
	here := open(t, pool, &tenant.Options{PollInterval: 50 * time.Millisecond})
	acme, err := elsewhere.Create(t.Context(), tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	known := func() bool {
		got, err := here.Lookup(t.Context(), tenant.BySlug("acme"))
		return err == nil && got.ID == acme.ID
	}
	eventually(t, "acme is known", known)

	line.setCut(true)
	eventually(t, "the outage is noticed", func() bool { h := here.Health(); return h.Err != nil && !h.Watching })
	if !known() {
		t.Error("acme is not served from memory")
	}
	_, err = here.Lookup(t.Context(), tenant.BySlug("stranger"))
	if !errors.Is(err, tenant.ErrUnavailable) {
		t.Errorf("a miss: %v", err)
	}
	for what, err := range map[string]error{
		"Create":  second(here.Create(t.Context(), tenant.Spec{Slug: "new"})),
		"Suspend": second(here.Suspend(t.Context(), acme.ID, "")),
		"Refresh": second(here.Refresh(t.Context(), tenant.ByID(acme.ID))),
		"List":    second(here.List(t.Context(), tenant.Query{})),
		"Rotate":  second(here.RotateEnvelopeKey(t.Context())),
		"Drop":    second(here.DropEnvelopeKeys(t.Context(), 0)),
	} {
		if !errors.Is(err, tenant.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if acme, err = elsewhere.Suspend(t.Context(), acme.ID, "abuse"); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, elsewhere.Writer, "stranger")

	line.setCut(false)
	eventually(t, "the change is caught up with", func() bool {
		got, err := here.Lookup(t.Context(), tenant.BySlug("acme"))
		return err == nil && got.Version == acme.Version
	})
	if _, err := here.Lookup(t.Context(), tenant.BySlug("stranger")); err != nil {
		t.Errorf("the new tenant: %v", err)
	}
	eventually(t, "it watches again", func() bool { h := here.Health(); return h.Err == nil && h.Watching })
}

func second[T any](_ T, err error) error { return err }

// Backends are ended by somebody: the line that tells of changes comes back by
// itself, and without polling.
func TestWatchReconnects(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, pgtenant.Template(t))
	elsewhere := open(t, db.Pool(t), nil)
	here := open(t, db.Pool(t), &tenant.Options{PollInterval: time.Hour, MaxStale: -1})
	eventually(t, "it watches", func() bool { return here.Health().Watching })
	_, err := db.Pool(t).Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'`)
	if err != nil {
		t.Fatal(err)
	}
	acme := mustCreate(t, elsewhere.Writer, "acme")
	told := make(chan struct{})
	var once bool
	here.Subscribe(func(e tenant.Event) {
		if !once && e.After.ID == acme.ID && e.After.Version == 2 {
			once = true
			close(told)
		}
	})
	if _, err := elsewhere.Activate(t.Context(), acme.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		t.Error("not told")
	}
}

// A network that swallows packets must not keep a node from listening again:
// neither while it asks to be told, nor later.
func TestWatchSilence(t *testing.T) {
	t.Parallel()
	pool, line := behindProxy(t, pgtest.New(t, pgtenant.Template(t)))
	s := pgtenant.NewHeld(t, pool).Impatient(300 * time.Millisecond)
	release := sync.OnceFunc(line.hold.Unlock)
	line.hold.Lock()
	t.Cleanup(release)
	if err := s.Watch(t.Context(), func() { t.Error("woken by nobody") }); err == nil || t.Context().Err() != nil {
		t.Errorf("while it asks: %v", err)
	}
	release()
	told := make(chan struct{}, 1)
	ended := make(chan error)
	watch := func() {
		ended <- s.Watch(t.Context(), func() {
			select {
			case told <- struct{}{}:
			default:
			}
		})
	}
	go watch()
	for listening := false; !listening; {
		select {
		case <-told:
			listening = true
		case <-ended: // a busy machine has more silence than this test allows
			go watch()
		}
	}
	line.hold.Lock()
	defer line.hold.Unlock()
	if err := <-ended; err == nil || t.Context().Err() != nil {
		t.Errorf("later: %v", err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
