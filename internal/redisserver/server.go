// Package redisserver runs private Redis servers, one alone or a cluster, for
// demos and tests.
//
// Like package pgserver it listens on free ports of 127.0.0.1, gives up root,
// and dies with its parent.
package redisserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/partywall/partywall/internal/process"
)

// portTries is how often a new port is tried when somebody else took the one
// that was free a moment ago.
const portTries = 5

// ErrNotFound is returned by [Find] and [Start] when this machine has no
// Redis.
var ErrNotFound = errors.New("redisserver: found no redis-server in PATH: apt-get install redis-server")

// Options adjusts [Start]. The zero value is fit for tests.
type Options struct {
	// Bin is the program. Defaults to what [Find] finds.
	Bin string

	// Port is where to listen, such as where a server was before it was
	// killed. Defaults to a free one.
	Port int

	// Config is more lines of redis.conf.
	Config []string

	// TempDir is where its folder is made. Defaults to os.TempDir().
	TempDir string
}

// Server is one running Redis. It keeps its data in memory alone.
type Server struct {
	port   int
	dir    *process.Dir
	child  *process.Child
	remove func() error
}

// Find returns the program, or [ErrNotFound].
func Find() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", ErrNotFound
	}

	return path, nil
}

// Start starts a server and returns when clients can connect. ctx bounds the
// start only: the server runs until it is stopped or its parent dies.
func Start(ctx context.Context, options *Options) (*Server, error) {
	filled := Options{}
	if options != nil {
		filled = *options
	}

	if filled.Bin == "" {
		bin, err := Find()
		if err != nil {
			return nil, err
		}

		filled.Bin = bin
	}

	owner, err := process.Unprivileged()
	if err != nil {
		return nil, fmt.Errorf("redisserver: %w", err)
	}

	dir, err := process.NewDir("redis", filled.TempDir, owner)
	if err != nil {
		return nil, fmt.Errorf("redisserver: %w", err)
	}

	server := &Server{dir: dir, remove: sync.OnceValue(dir.Remove)}
	if err := server.settle(ctx, &filled); err != nil {
		return nil, errors.Join(err, server.remove())
	}

	return server, nil
}

// settle settles the port: between finding a free one and listening on it
// another process may take it.
func (s *Server) settle(ctx context.Context, options *Options) error {
	if options.Port != 0 {
		s.port = options.Port

		return s.start(ctx, options)
	}

	var failed error

	for range portTries {
		port, err := process.FreePort(ctx)
		if err != nil {
			return fmt.Errorf("redisserver: %w", err)
		}

		s.port = port

		failed = s.start(ctx, options)
		if failed == nil || !strings.Contains(failed.Error(), "ddress already in use") {
			break
		}
	}

	return failed
}

func (s *Server) start(ctx context.Context, options *Options) error {
	lines := append([]string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(s.port),
		"dir " + s.dir.Path,
		`save ""`,
		"appendonly no",
		"daemonize no",
		"databases 64",
	}, options.Config...)

	path, err := s.dir.WriteFile("redis.conf", strings.Join(lines, "\n")+"\n")
	if err != nil {
		return fmt.Errorf("redisserver: %w", err)
	}

	output, err := process.OpenLog(filepath.Join(s.dir.Path, "redis.log"))
	if err != nil {
		return fmt.Errorf("redisserver: %w", err)
	}
	defer func() { _ = output.Close() }()

	child, err := s.dir.Start(&process.Command{
		Path:        options.Bin,
		Args:        []string{path},
		Env:         process.Environ("REDIS"),
		Stdout:      output.File(),
		Stderr:      output.File(),
		DeathSignal: syscall.SIGKILL,
	})
	if err != nil {
		return fmt.Errorf("redisserver: %w", err)
	}

	s.child = child

	if err := child.WaitReady(ctx, func(ctx context.Context) bool { return s.answers(ctx, "PING", "+PONG") }); err != nil {
		stopErr := child.Stop(ctx, syscall.SIGKILL)

		return fmt.Errorf("redisserver: start: %w\n%s", errors.Join(err, stopErr), output.Tail())
	}

	return nil
}

// Port returns the port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Addr returns host:port for clients.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Signal sends the server a signal, such as SIGSTOP.
func (s *Server) Signal(sig os.Signal) error {
	if err := s.child.Signal(sig); err != nil {
		return fmt.Errorf("redisserver: %w", err)
	}

	return nil
}

// Stop kills the server, which has nothing to save, and removes its folder. A
// second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	err := s.child.Stop(ctx, syscall.SIGKILL)
	if err != nil {
		err = fmt.Errorf("redisserver: stop: %w", err)
	}

	return errors.Join(err, s.remove())
}

// answers reports whether what the server says to a command, in the protocol's
// inline form, holds a text.
func (s *Server) answers(ctx context.Context, command, want string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()

	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}

	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return false
	}

	const answer = 4096 // of all commands that are asked here

	buffer := make([]byte, answer)
	n, err := conn.Read(buffer)

	return err == nil && strings.Contains(string(buffer[:n]), want)
}
