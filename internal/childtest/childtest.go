// Package childtest runs a test's program once more as a process of its own,
// which a test can kill as no goroutine can be.
package childtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

const variable = "PARTYWALL_TEST_CHILD"

// Main is what TestMain calls. In a child it does the orders and ends, with a
// panic if they end in an error, and else it runs the tests.
func Main[T any](m *testing.M, work func(ctx context.Context, orders T) error) {
	text := os.Getenv(variable)
	if text == "" {
		os.Exit(m.Run())
	}
	var orders T
	if err := json.Unmarshal([]byte(text), &orders); err != nil {
		panic(err)
	}
	if err := work(context.Background(), orders); err != nil {
		panic(err)
	}
}

// Start starts a child, which is killed with the test at the latest.
func Start[T any](t testing.TB, orders T) *exec.Cmd {
	t.Helper()
	cmd := command(t, orders)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// StartWorking starts a child and returns when it has called [Work].
func StartWorking[T any](t testing.TB, orders T) *exec.Cmd {
	t.Helper()
	cmd := command(t, orders)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatalf("the child ended at once: %v", err)
	}
	return cmd
}

func command[T any](t testing.TB, orders T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(orders)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // G204: the very program that runs
	cmd.Env = append(os.Environ(), variable+"="+string(text))
	cmd.Stderr = os.Stderr
	return cmd
}

// Work tells the parent that the child is ready, and waits to be killed.
func Work() {
	fmt.Println("working")
	select {}
}

// Die kills this process, as kill -9 does. It does not return.
func Die() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }

// Killed waits until a child has killed itself, for two minutes, and fails the test
// if it ends otherwise.
func Killed(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer late.Stop()
	_ = cmd.Wait() // that it was killed is an error to it
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v", cmd.ProcessState)
	}
}
