package riverwaker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/provisioning/riverwaker"
)

const victimVariable = "PARTYWALL_TEST_VICTIM"

// TestMain is a process that dies of being woken, where it was told to be one.
func TestMain(m *testing.M) {
	url := os.Getenv(victimVariable)
	if url == "" {
		os.Exit(m.Run())
	}
	if err := beVictim(context.Background(), url); err != nil {
		panic(err)
	}
	fmt.Println("waiting")
	select {}
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
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it does not return
	})
}

// die starts a process that dies of the job that comes, and returns when it has.
func die(t *testing.T, url string, comes func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatalf("the process ended at once: %v", err)
	}
	comes()
	var died *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &died) || died.ExitCode() != -1 {
		t.Fatalf("the process ended with %v", err)
	}
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
