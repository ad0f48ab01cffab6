package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/partywall/partywall/internal/process"
)

// errRunning is returned by a second start without a stop between.
var errRunning = errors.New("pgserver: already running")

// ErrStopped is returned by Start, Restart and StopImmediate after Stop has
// removed the server's data.
var ErrStopped = errors.New("pgserver: stopped and removed")

// Server is one private PostgreSQL. All methods are safe for concurrent use.
type Server struct {
	options *Options
	binDir  string
	dir     *process.Dir
	port    int

	mu      sync.Mutex
	child   *process.Child // nil before the first start
	removed bool
}

// Start makes a new cluster in a temporary folder, starts a server on it and
// returns when it answers. It returns a [*NotFoundError] when this machine has
// no binaries; other errors end with the tail of the server's log. ctx bounds
// the start only: the server runs until it is stopped or its parent dies.
func Start(ctx context.Context, options *Options) (*Server, error) {
	options = options.withDefaults()

	binDir, err := Find(options.BinDir)
	if err != nil {
		return nil, err
	}

	owner, err := process.Unprivileged()
	if err != nil {
		return nil, fmt.Errorf("pgserver: %w", err)
	}

	dir, err := process.NewDir("postgres", options.TempDir, owner)
	if err != nil {
		return nil, fmt.Errorf("pgserver: %w", err)
	}

	server := &Server{options: options, binDir: binDir, dir: dir}

	err = server.initialize(ctx)
	if err == nil {
		err = server.startOnFreePort(ctx)
	}

	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}

	return server, nil
}

// URL returns the superuser's URL of a database, over TCP.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(s.options.Superuser),
		Host:     s.Addr(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}

	return u.String()
}

// SocketURL returns the superuser's URL of a database, over the unix socket.
func (s *Server) SocketURL(database string) string {
	query := url.Values{"host": {s.dir.Path}, "port": {strconv.Itoa(s.port)}, "sslmode": {"disable"}}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(s.options.Superuser),
		Path:     "/" + database,
		RawQuery: query.Encode(),
	}

	return u.String()
}

// Addr returns host:port. It stays the same over restarts.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Superuser returns the name of the first role.
func (s *Server) Superuser() string { return s.options.Superuser }

// BinDir returns the folder of the server's programs, for the tools beside
// them such as pg_basebackup.
func (s *Server) BinDir() string { return s.binDir }

// DataDir returns the cluster's folder. Only its owner, the user that the
// server runs as, and root can read it.
func (s *Server) DataDir() string { return filepath.Join(s.dir.Path, "data") }

// PID returns the process number of the running server, 0 when there is none.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	if !s.running() {
		return 0
	}

	return s.child.PID()
}

// Start starts the server again after [Server.StopImmediate] or a crash, on
// the same data and port, and returns when it has recovered.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.start(ctx)
}

// Restart stops the server as [Server.Stop] does, keeping its data, and starts
// it again.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	if err := s.end(ctx, syscall.SIGINT); err != nil {
		return err
	}

	return s.start(ctx)
}

// StopImmediate ends the server as pg_ctl stop -m immediate does: connections
// break, nothing is flushed, the next start recovers from the log. Stopping a
// server that is not running is no error.
func (s *Server) StopImmediate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.end(ctx, syscall.SIGQUIT)
}

// Stop ends the server in order, breaking its connections, and removes its
// folder. When ctx ends first, the server is killed and still removed. A
// second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.removed {
		return nil
	}

	err := s.end(ctx, syscall.SIGINT)
	s.removed = true

	return errors.Join(err, s.dir.Remove())
}

func (s *Server) running() bool {
	if s.child == nil {
		return false
	}

	select {
	case <-s.child.Done():
		return false
	default:
		return true
	}
}

func (s *Server) end(ctx context.Context, sig os.Signal) error {
	if s.removed {
		return ErrStopped
	}

	if !s.running() {
		return nil
	}

	if err := s.child.Stop(ctx, sig); err != nil {
		return fmt.Errorf("pgserver: stop: %w", err)
	}

	return nil
}
