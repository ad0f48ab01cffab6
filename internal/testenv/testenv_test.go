package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// deadline bounds what these tests wait for.
const deadline = time.Minute

// built is the program and a folder for its servers.
type built struct {
	path, temp string
}

// TestProgram runs the built program; it is built once for all of these.
func TestProgram(t *testing.T) {
	t.Parallel()

	// Not t.TempDir: it is closed to the user that the servers run as, and
	// long names do not fit into the address of a unix socket.
	temp, err := os.MkdirTemp("", "testenv") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := os.RemoveAll(temp); err != nil {
			t.Error(err)
		}
	})

	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}

	program := &built{path: filepath.Join(temp, "program"), temp: temp}

	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program.path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}

	tests := map[string]func(*testing.T){
		"environment and status": program.testStatus,
		"signals":                program.testSignals,
		"serve without command":  program.testServe,
		"unknown command":        program.testUnknownCommand,
	}
	if runtime.GOOS == "linux" { // nothing else tells of the death of a parent
		tests["killed"] = program.testKilled
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// command prepares a run in a folder of its own.
func (b *built) command(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()

	temp, err := os.MkdirTemp(b.temp, "") //nolint:usetesting // as in TestProgram
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)

	cmd := exec.CommandContext(ctx, b.path, append([]string{"-disk"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "DATABASE_URL=")
	cmd.Stderr = &testWriter{t: t}
	// What a killed testenv's command started may hold the pipes open.
	cmd.WaitDelay = time.Second

	return cmd, temp
}

// testWriter logs what the program says.
type testWriter struct{ t *testing.T }

func (w *testWriter) Write(text []byte) (int, error) {
	w.t.Logf("testenv: %s", bytes.TrimSpace(text))

	return len(text), nil
}

func assertEmpty(t *testing.T, folder string) {
	t.Helper()

	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}

	for _, entry := range entries {
		t.Errorf("left behind: %s", entry.Name())
	}
}

func (b *built) testStatus(t *testing.T) {
	cmd, temp := b.command(t, "--", "sh", "-c", "env | grep ^PARTYWALL_TEST_; exit 7")

	output, err := cmd.Output()

	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("status = %v, want the command's 7", err)
	}

	for _, name := range []string{"POSTGRES=postgres://", "SOCKET=postgres://", "PGBOUNCER=127.0.0.1:"} {
		if !strings.Contains(string(output), "PARTYWALL_TEST_"+name) {
			t.Errorf("environment lacks %s: %s", name, output)
		}
	}

	assertEmpty(t, temp)
}

func (b *built) testUnknownCommand(t *testing.T) {
	cmd, temp := b.command(t, "--", "no-such-command-here")

	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != statusFailure {
		t.Errorf("status = %v, want %d", err, statusFailure)
	}

	assertEmpty(t, temp)
}

// begin starts the program and returns what it printed first.
func begin(t *testing.T, cmd *exec.Cmd) (string, io.Reader) {
	t.Helper()

	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	reader := bufio.NewReader(stdout)

	line, err := reader.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}

	return strings.TrimSpace(line), reader
}

// testSignals sends SIGTERM to testenv; its command catches it and chooses the
// status.
func (b *built) testSignals(t *testing.T) {
	// wait returns when the trap has run; sleep is in the group and gets the
	// signal too.
	cmd, temp := b.command(t, "--", "sh", "-c", `trap 'exit 9' TERM; echo ready; sleep 60 & wait`)

	begin(t, cmd)

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 9 {
		t.Errorf("status = %v, want the 9 of the command's trap", err)
	}

	assertEmpty(t, temp)
}

func (b *built) testServe(t *testing.T) {
	cmd, temp := b.command(t)

	line, rest := begin(t, cmd)

	url := strings.TrimSuffix(strings.TrimPrefix(line, "export 'PARTYWALL_TEST_POSTGRES="), "'")

	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}

	_ = conn.Close(t.Context())

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}

	if _, err := io.Copy(io.Discard, rest); err != nil {
		t.Error(err)
	}

	if err := cmd.Wait(); err != nil {
		t.Errorf("status after an interrupt = %v, want 0", err)
	}

	assertEmpty(t, temp)
}

// testKilled kills testenv in a way that it cannot notice. The kernel must end
// the servers, and the next run remove their folders.
func (b *built) testKilled(t *testing.T) {
	cmd, temp := b.command(t, "--", "sh", "-c", `echo "$PARTYWALL_TEST_POSTGRES"; exec cat`)

	input, err := cmd.StdinPipe() // held open, so that cat goes on
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = input.Close() }()

	url, _ := begin(t, cmd)
	pids := serverProcesses(t, url, temp)

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	_ = cmd.Wait() // its error is the kill

	for _, pid := range pids {
		awaitEnd(t, pid)
	}

	const servers = 2 + 1 + 3 // PostgreSQL and PgBouncer, Redis, a cluster

	left, err := filepath.Glob(filepath.Join(temp, "partywall-*"))
	if err != nil || len(left) != servers {
		t.Errorf("folders after the kill = %v, %v, want those of %d servers", left, err, servers)
	}

	again, _ := b.command(t, "--", "true")
	again.Env = cmd.Env // the same folder

	if err := again.Run(); err != nil {
		t.Fatal(err)
	}

	assertEmpty(t, temp)
}

// serverProcesses returns the numbers of the postmaster, one of its children,
// and PgBouncer.
func serverProcesses(t *testing.T, url, temp string) []int {
	t.Helper()

	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()

	var (
		child int
		data  string
	)

	const query = "SELECT pid, current_setting('data_directory') FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
	if err := conn.QueryRow(t.Context(), query).Scan(&child, &data); err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}

	first, _, _ := strings.Cut(string(text), "\n")

	postmaster, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}

	return []int{postmaster, child, bouncerProcess(t, temp)}
}

// bouncerProcess finds PgBouncer by its argument, the file in its folder.
func bouncerProcess(t *testing.T, temp string) int {
	t.Helper()

	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}

	for _, line := range lines {
		text, err := os.ReadFile(line)
		if err != nil || !bytes.Contains(text, []byte("\x00"+temp+"/partywall-pgbouncer-")) {
			continue // ended meanwhile, or another's
		}

		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(line)))
		if err != nil {
			t.Fatal(err)
		}

		return pid
	}

	t.Fatal("there is no PgBouncer")

	return 0
}

// awaitEnd waits until there is no such process. Nobody is told when a process
// ends that is not its child, so it has to look.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()

	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()

	for !ended(pid) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("process %d outlived testenv", pid)
		}
	}
}

// ended counts a zombie as gone: in a container nobody may be there to reap it.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}

	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")

	return err == nil && bytes.Contains(stat, []byte(") Z "))
}
