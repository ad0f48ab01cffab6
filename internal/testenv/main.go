// Command testenv runs a command with the servers that the tests need:
//
//	go run ./internal/testenv -- go test ./...
//	go run ./internal/testenv -install -- go test -race ./isolation
//	go run ./internal/testenv
//
// It starts a private PostgreSQL (see package embedded, or uses the one in
// DATABASE_URL), a private PgBouncer in front of it, and private Redis servers,
// tells the command where they are, and exits with the command's status:
//
//	PARTYWALL_TEST_POSTGRES       superuser's URL to the database postgres
//	PARTYWALL_TEST_SOCKET         the same over a unix socket, where there is one
//	PARTYWALL_TEST_PGBOUNCER      host:port of PgBouncer, in transaction mode
//	PARTYWALL_TEST_REDIS          host:port of a Redis server
//	PARTYWALL_TEST_REDIS_CLUSTER  those of the nodes of a Redis Cluster
//
// Without a command it prints these and serves until it is interrupted, so
// that tests can be run from another shell, and what a failed test kept can be
// looked at.
//
// Everything it started is stopped at the end, on SIGINT, SIGTERM and SIGHUP,
// and on Linux by the kernel when testenv itself is killed.
//
// A missing server is an error. With -install, as root where there is apt, the
// missing packages are installed first; none of their services is left
// running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// Exit statuses, as shells use them.
const (
	statusFailure = 1
	statusUsage   = 2
	statusSignal  = 128 // plus the signal's number
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// program is one run of testenv.
type program struct {
	install bool
	tempDir string // of the servers; "" for the system's
	command []string

	signals        chan os.Signal
	stdout, stderr io.Writer
}

// run is main with its surroundings given.
func run(args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr}

	flags := flag.NewFlagSet("testenv", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&p.install, "install", false, "install missing servers by apt, as root")

	disk := flags.Bool("disk", false, "keep the servers' data on disk, even where there is memory for it")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}

		return statusUsage
	}

	p.command = flags.Args()
	if !*disk {
		p.tempDir = memoryFolder()
	}

	p.signals = make(chan os.Signal, 1)
	signal.Notify(p.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)

	defer signal.Stop(p.signals)

	return status(p.run(context.Background()), stderr)
}

// run installs what is missing, if it may, and serves.
func (p *program) run(ctx context.Context) error {
	if missing := missingPackages(); len(missing) > 0 {
		if !p.install {
			if err := needs(missing); err != nil {
				return err
			}
		} else if err := newInstaller(p.stderr).install(ctx, missing); err != nil {
			return err
		}
	}

	return p.serve(ctx)
}

// status turns an error into an exit status: the command's own, silently, or
// that of testenv's failure, with its text. The status of a command counts for
// less than a failure to stop what was started.
func status(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}

	//nolint:errorlint // an exit status that is joined with another error must not hide that one
	if exit, ok := err.(*exec.ExitError); ok {
		return exitStatus(exit)
	}

	_, _ = fmt.Fprintln(stderr, err)

	return statusFailure
}

// exitStatus is the command's status, or the one that a shell shows for a
// command that a signal ended.
func exitStatus(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return statusSignal + int(status.Signal())
	}

	return exit.ExitCode()
}
