package riverwaker_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/childtest"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

// TestMain is a process that dies of being woken, where it was told to be one.
func TestMain(m *testing.M) {
	childtest.Main(m, func(ctx context.Context, url string) error {
		if err := beVictim(ctx, url); err != nil {
			return err
		}
		childtest.Work()
		return nil
	})
}

func beVictim(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	w, err := riverwaker.New(pool, &riverwaker.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return w.Start(ctx, func(provisioning.ID) {
		childtest.Die()
	})
}

// die starts a process that dies of the job that comes, and returns when it has.
func die(t *testing.T, url string, comes func()) {
	t.Helper()
	child := childtest.StartWorking(t, url)
	comes()
	childtest.Killed(t, child)
}

// TestKilledWhileBeingWoken kills a process with a job in its hands. River holds
// it for dead after a time, which is made shorter here, and another is woken.
func TestKilledWhileBeingWoken(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	pool := db.Pool(t)
	w := own(t, pool, &riverwaker.Options{})
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	die(t, db.URL, func() { ask(t, pool, w, anID(1), time.Time{}) })
	if got := jobs(t, pool, anID(1)); got["running"] != 1 || len(got) != 1 {
		t.Fatalf("jobs: %v", got)
	}
	for _, pass := range []string{
		`UPDATE partywall_river.river_job SET attempted_at = attempted_at - interval '1 min'`,
		`DELETE FROM partywall_river.river_leader`,
	} {
		if _, err := pool.Exec(t.Context(), pass); err != nil {
			t.Fatal(err)
		}
	}
	woken := make(chan provisioning.ID)
	if err := w.Start(t.Context(), func(id provisioning.ID) { woken <- id }); err != nil {
		t.Fatal(err)
	}
	if id := receive(t, woken); id != anID(1) {
		t.Errorf("woke %v", id)
	}
	settled(t, pool, anID(1))
	if err := w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
