// Package s3server runs a private S3 server, versitygw over a folder, for tests.
//
// Like packages pgserver and pgbouncer it listens on a free port of 127.0.0.1
// and dies with its parent.
package s3server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/partywall/partywall/internal/process"
)

// ErrNotFound is returned by [Find] and [Start] when this machine has no
// versitygw.
var ErrNotFound = errors.New("s3server: found no versitygw in PATH or .bin: run make test once, which builds it")

// What clients sign with.
const (
	AccessKey = "partywall"
	SecretKey = "partywall-secret" // of servers that only this process knows
	Region    = "us-east-1"
)

// portTries is how often a new port is tried when somebody else took the one
// that was free a moment ago.
const portTries = 5

// Server is one running server, with its folder.
type Server struct {
	bin, data string
	port      int
	dir       *process.Dir
	child     *process.Child
}

// Find returns the program, as [process.Built] finds it, or [ErrNotFound].
func Find() (string, error) {
	if path := process.Built("versitygw"); path != "" {
		return path, nil
	}
	return "", ErrNotFound
}

// Start starts a server without buckets, and returns when it answers. ctx
// bounds the start only: it runs until it is stopped or its parent dies.
func Start(ctx context.Context) (*Server, error) {
	bin, err := Find()
	if err != nil {
		return nil, err
	}
	dir, err := process.NewDir("s3", "", nil)
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, data: filepath.Join(dir.Path, "data"), dir: dir}
	for _, folder := range []string{s.data, s.attributes()} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("s3server: %w", err), dir.Remove())
		}
	}
	for range portTries {
		if s.port, err = process.FreePort(ctx); err != nil {
			break
		}
		if err = s.Restart(ctx); !errors.Is(err, process.ErrExited) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	return s, nil
}

// Restart starts the server again after [Server.Kill], on the port and the
// folder that it had.
func (s *Server) Restart(ctx context.Context) error {
	log, err := process.OpenLog(filepath.Join(s.dir.Path, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	s.child, err = s.dir.Start(&process.Command{
		Path: s.bin,
		Args: []string{"--port", s.Addr(), "--quiet", "posix", "--sidecar", s.attributes(), s.data},
		Env: append(process.Environ("ROOT_", "VGW_", "AWS_"),
			"ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey),
		Stdout: log.File(), Stderr: log.File(),
		DeathSignal: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	if err := s.child.WaitReady(ctx, s.answers); err != nil {
		return errors.Join(fmt.Errorf("s3server: %w\n%s", err, log.Tail()), s.Kill(context.WithoutCancel(ctx)))
	}
	return nil
}

// attributes is where the server keeps what is said of files, so that the file
// system need not be able to.
func (s *Server) attributes() string { return filepath.Join(s.dir.Path, "attributes") }

// answers reports whether somebody listens.
func (s *Server) answers(ctx context.Context) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was said
	return true
}

// Addr returns the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns the server's address for clients.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Kill ends the server as a crash would.
func (s *Server) Kill(ctx context.Context) error { return s.child.Stop(ctx, syscall.SIGKILL) }

// Stop ends the server and removes its folder.
func (s *Server) Stop(ctx context.Context) error {
	return errors.Join(s.child.Stop(ctx, syscall.SIGTERM), s.dir.Remove())
}
