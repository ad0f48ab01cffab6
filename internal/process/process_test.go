package process_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/process"
)

// open returns a folder that every user can reach, unlike t.TempDir.
func open(t *testing.T) string {
	t.Helper()

	dir, err := os.MkdirTemp("", "process") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})

	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}

	return dir
}

func shell(t *testing.T, script string) *process.Child {
	t.Helper()

	child, err := process.Start(&process.Command{Path: "/bin/sh", Args: []string{"-c", script}})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		_ = child.SignalGroup(syscall.SIGKILL)
		<-child.Done()
	})

	return child
}

func TestRun(t *testing.T) {
	t.Parallel()

	output, err := process.OpenLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}

	err = process.Run(t.Context(), &process.Command{
		Path:   "/bin/sh",
		Args:   []string{"-c", "for i in $(seq 100); do echo line $i; done; exit 3"},
		Stdout: output.File(),
	})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error = %v, want the status", err)
	}

	if tail := output.Tail(); !strings.HasPrefix(tail, "line 81\n") || !strings.HasSuffix(tail, "line 100") {
		t.Errorf("tail = %q, want the last 20 lines", tail)
	}

	if err := output.Close(); err != nil {
		t.Error(err)
	}
}

func TestRunObeysContext(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()

	err := process.Run(ctx, &process.Command{Path: "/bin/sh", Args: []string{"-c", "sleep 60"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the deadline", err)
	}
}

func TestStartMissing(t *testing.T) {
	t.Parallel()

	_, err := process.Start(&process.Command{Path: "/no/such/program"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want os.ErrNotExist", err)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()

	child := shell(t, "exec sleep 60")
	if child.Err() != nil {
		t.Errorf("a running child has the error %v", child.Err())
	}

	if err := child.Stop(t.Context(), syscall.SIGTERM); err != nil {
		t.Error(err)
	}

	if child.Err() == nil {
		t.Error("a child that a signal ended has no error")
	}

	if err := child.Stop(t.Context(), syscall.SIGTERM); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	t.Parallel()

	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}

	child, err := process.Start(&process.Command{
		Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; echo ready; sleep 60; sleep 60"}, Stdout: writer,
	})
	if err != nil {
		t.Fatal(err)
	}

	_ = writer.Close()

	if _, err := reader.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()

	if err := child.Stop(ctx, syscall.SIGTERM); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the deadline", err)
	}

	// The pipe ends when the last of the group has.
	if _, err := reader.Read(make([]byte, 1)); err == nil {
		t.Error("something of the group wrote after the kill")
	}
}

func TestWaitReady(t *testing.T) {
	t.Parallel()

	child := shell(t, "exec sleep 60")
	calls := 0

	err := child.WaitReady(t.Context(), func(context.Context) bool {
		calls++

		return calls == 3
	})
	if err != nil || calls != 3 {
		t.Errorf("after %d calls: %v", calls, err)
	}

	dead := shell(t, "exit 4")

	never := func(context.Context) bool { return false }
	if err := dead.WaitReady(t.Context(), never); !errors.Is(err, process.ErrExited) ||
		!strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("error = %v, want ErrExited with the status", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := child.WaitReady(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()

	owner, err := process.Unprivileged()
	if err != nil {
		t.Fatal(err)
	}

	if (owner == nil) != (os.Geteuid() != 0) {
		t.Fatalf("owner = %v for user %d", owner, os.Geteuid())
	}

	dir, err := process.NewDir("test", open(t), owner)
	if err != nil {
		t.Fatal(err)
	}

	path, err := dir.WriteFile("script", "[ $(id -u) != 0 ] && touch made")
	if err != nil {
		t.Fatal(err)
	}

	if err := dir.Run(t.Context(), &process.Command{Path: "/bin/sh", Args: []string{path}}); err != nil {
		t.Errorf("the owner cannot work in its folder: %v", err)
	}

	if err := dir.Remove(); err != nil {
		t.Error(err)
	}
}

func TestUnreachableBase(t *testing.T) {
	t.Parallel()

	base := open(t)
	if err := os.Chmod(base, 0o700); err != nil {
		t.Fatal(err)
	}

	_, err := process.NewDir("test", base, &process.Owner{Name: "someone"})
	if err == nil || !strings.Contains(err.Error(), "user someone cannot reach "+base) {
		t.Errorf("error = %v, want who cannot reach what", err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()

	base := open(t)

	living, err := process.NewDir("test", base, nil)
	if err != nil {
		t.Fatal(err)
	}

	// What a killed process leaves: its pid file, unlocked.
	dead := filepath.Join(base, "partywall-test-dead")
	// Made this moment, or by someone else.
	young, foreign := filepath.Join(base, "partywall-test-young"), filepath.Join(base, "other-test-dead")
	// Left between making the folder and its pid file, long ago.
	old := filepath.Join(base, "partywall-test-old")

	for _, dir := range []string{dead, young, foreign, old} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}

	for _, dir := range []string{dead, foreign} {
		pid := []byte(strconv.Itoa(os.Getpid()) + "\n") // a number that someone else has by now
		if err := os.WriteFile(filepath.Join(dir, "owner.pid"), pid, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}

	next, err := process.NewDir("test", base, nil)
	if err != nil {
		t.Fatal(err)
	}

	for dir, want := range map[string]bool{
		living.Path: true, next.Path: true, young: true, foreign: true, dead: false, old: false,
	} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: there = %v, want %v", dir, err == nil, want)
		}
	}
}

func TestFreePort(t *testing.T) {
	t.Parallel()

	port, err := process.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatalf("port %d is not free: %v", port, err)
	}

	_ = listener.Close()
}

func TestEnviron(t *testing.T) {
	t.Parallel()

	if all := process.Environ(); len(all) != len(os.Environ()) {
		t.Errorf("%d variables, want %d", len(all), len(os.Environ()))
	}

	for _, variable := range process.Environ("PATH", "HOME") {
		if strings.HasPrefix(variable, "PATH") || strings.HasPrefix(variable, "HOME") {
			t.Errorf("%s was kept", variable)
		}
	}
}
