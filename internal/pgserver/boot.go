package pgserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/partywall/partywall/internal/process"
)

// portTries is how often a new port is tried when somebody else took the one
// that was free a moment ago.
const portTries = 5

// initialize runs initdb. The locale is fixed so that text sorts the same on
// every machine.
func (s *Server) initialize(ctx context.Context) error {
	locale := "C"
	if runtime.GOOS == "linux" {
		locale = "C.UTF-8"
	}

	output, err := process.OpenLog(filepath.Join(s.dir.Path, "initdb.log"))
	if err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	defer func() { _ = output.Close() }()

	err = s.dir.Run(ctx, &process.Command{
		Path: filepath.Join(s.binDir, "initdb"),
		Args: []string{
			"-D", s.DataDir(), "-U", s.options.Superuser, "-A", "trust",
			"-E", "UTF8", "--locale=" + locale, "--no-sync",
		},
		Env:         process.Environ("PG", "LC_", "LANG"),
		Stdout:      output.File(),
		Stderr:      output.File(),
		DeathSignal: syscall.SIGKILL,
	})
	if err != nil {
		return fmt.Errorf("pgserver: initdb: %w\n%s", err, output.Tail())
	}

	if err := s.certify(); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}

	// Appended to what initdb wrote, so that ALTER SYSTEM still wins.
	conf, err := os.OpenFile(filepath.Join(s.DataDir(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}

	_, err = conf.WriteString(configuration(s.options.Settings))
	if err = errors.Join(err, conf.Close()); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}

	return nil
}

// certify gives the server a certificate, if it is to have one.
func (s *Server) certify() error {
	if !s.options.TLS {
		return nil
	}

	cert, key, err := s.dir.WriteCertificate()
	if err != nil {
		return err
	}

	maps.Copy(s.options.Settings, map[string]string{"ssl": "on", "ssl_cert_file": cert, "ssl_key_file": key})

	return nil
}

// startOnFreePort settles the port. Between finding a free one and listening
// on it another process may take it.
func (s *Server) startOnFreePort(ctx context.Context) error {
	var failed error

	for range portTries {
		port, err := process.FreePort(ctx)
		if err != nil {
			return fmt.Errorf("pgserver: %w", err)
		}

		s.port = port

		failed = s.start(ctx)
		if failed == nil || !strings.Contains(failed.Error(), "Address already in use") {
			break
		}
	}

	return failed
}

// start runs postgres and waits until it takes connections.
func (s *Server) start(ctx context.Context) error {
	if s.removed {
		return ErrStopped
	}

	if s.running() {
		return errRunning
	}

	output, err := process.OpenLog(filepath.Join(s.dir.Path, "postgres.log"))
	if err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	defer func() { _ = output.Close() }()

	child, err := s.dir.Start(&process.Command{
		Path: filepath.Join(s.binDir, "postgres"),
		Args: []string{
			"-D", s.DataDir(), "-p", strconv.Itoa(s.port),
			"-c", "listen_addresses=127.0.0.1", "-k", s.dir.Path,
		},
		Env:         process.Environ("PG", "LC_", "LANG"),
		Stdout:      output.File(),
		Stderr:      output.File(),
		DeathSignal: syscall.SIGQUIT, // immediate shutdown: the postmaster takes its children along
	})
	if err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}

	s.child = child

	if err := child.WaitReady(ctx, s.ready); err != nil {
		// The ctx is over in most cases; this must still finish.
		stopErr := child.Stop(ctx, syscall.SIGQUIT)

		return fmt.Errorf("pgserver: start: %w\n%s", errors.Join(err, stopErr), output.Tail())
	}

	return nil
}

// ready reads the status that the server keeps in postmaster.pid, as pg_ctl
// does: a port that answers is not enough, since it does so while recovering
// too. The process number tells this server's file from a crashed one's.
func (s *Server) ready(context.Context) bool {
	text, err := os.ReadFile(filepath.Join(s.DataDir(), "postmaster.pid"))
	if err != nil {
		return false
	}

	const pidLine, statusLine = 0, 7

	lines := strings.Split(string(text), "\n")

	return len(lines) > statusLine &&
		lines[pidLine] == strconv.Itoa(s.child.PID()) &&
		strings.TrimSpace(lines[statusLine]) == "ready"
}
