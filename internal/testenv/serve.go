package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/partywall/partywall/internal/embedded"
	"github.com/partywall/partywall/internal/pgbouncer"
	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/internal/process"
	"github.com/partywall/partywall/internal/redisserver"
)

const (
	// startTimeout bounds the start of all servers, a download included.
	startTimeout = 10 * time.Minute

	// stopTimeout bounds an orderly stop; what is not gone by then is killed.
	stopTimeout = 20 * time.Second
)

// servers are what the tests need.
type servers struct {
	postgres *embedded.Server
	bouncer  *pgbouncer.Bouncer
	redis    *redisserver.Server
	cluster  *redisserver.Cluster
}

// serve starts the servers, runs the command, or waits for a signal when
// there is none, and stops the servers.
func (p *program) serve(ctx context.Context) error {
	running, err := startServers(ctx, p.tempDir, p.signals)
	if err != nil {
		return err
	}

	if len(p.command) == 0 {
		for _, variable := range running.environment() {
			_, _ = fmt.Fprintf(p.stdout, "export '%s'\n", variable)
		}

		<-p.signals
	} else {
		err = p.runCommand(running.environment())
	}

	if stopErr := running.stop(ctx); stopErr != nil {
		return errors.Join(err, stopErr)
	}

	return err
}

// startServers gives up, and stops what it has started, on the first signal.
func startServers(ctx context.Context, tempDir string, signals <-chan os.Signal) (*servers, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	started := make(chan struct{})
	watched := make(chan struct{})

	go func() {
		defer close(watched)

		select {
		case <-signals:
			cancel()
		case <-started:
		}
	}()

	running, err := start(ctx, tempDir)

	close(started)
	<-watched // from here on the signals are the command's

	return running, err
}

func start(ctx context.Context, tempDir string) (*servers, error) {
	postgres, err := embedded.Start(ctx, &embedded.Options{Postgres: &pgserver.Options{TempDir: tempDir, TLS: true}})
	if err != nil {
		return nil, fmt.Errorf("testenv: %w", err)
	}

	running := &servers{postgres: postgres}

	if err := running.startOthers(ctx, tempDir); err != nil {
		return nil, errors.Join(fmt.Errorf("testenv: %w", err), running.stop(ctx))
	}

	return running, nil
}

func (s *servers) startOthers(ctx context.Context, tempDir string) (err error) {
	s.bouncer, err = pgbouncer.Start(ctx, s.postgres.URL("postgres"), &pgbouncer.Options{TLS: true})
	if err != nil {
		return err
	}

	s.redis, err = redisserver.Start(ctx, &redisserver.Options{TempDir: tempDir})
	if err != nil {
		return err
	}

	s.cluster, err = redisserver.StartCluster(ctx, &redisserver.Options{TempDir: tempDir})

	return err
}

func (s *servers) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()

	var errs []error
	if s.cluster != nil {
		errs = append(errs, s.cluster.Stop(ctx))
	}

	if s.redis != nil {
		errs = append(errs, s.redis.Stop(ctx))
	}

	if s.bouncer != nil {
		errs = append(errs, s.bouncer.Stop(ctx))
	}

	if err := errors.Join(append(errs, s.postgres.Stop(ctx))...); err != nil {
		return fmt.Errorf("testenv: %w", err)
	}

	return nil
}

func (s *servers) environment() []string {
	variables := []string{
		"PARTYWALL_TEST_POSTGRES=" + s.postgres.URL("postgres"),
		"PARTYWALL_TEST_PGBOUNCER=" + s.bouncer.Addr(),
		"PARTYWALL_TEST_REDIS=" + s.redis.Addr(),
		"PARTYWALL_TEST_REDIS_CLUSTER=" + strings.Join(s.cluster.Addrs(), ","),
	}

	if socket := s.postgres.SocketURL("postgres"); socket != "" {
		variables = append(variables, "PARTYWALL_TEST_SOCKET="+socket)
	}

	return variables
}

// runCommand runs the command in its own process group, which is sent every
// signal that testenv gets, and waits for its end however long that takes:
// stopping the servers earlier would turn an interrupted test into a failed
// one.
func (p *program) runCommand(environment []string) error {
	path, err := exec.LookPath(p.command[0])
	if err != nil {
		return fmt.Errorf("testenv: %w", err)
	}

	child, err := process.Start(&process.Command{
		Path:        path,
		Args:        p.command[1:],
		Env:         append(process.Environ("PARTYWALL_TEST_"), environment...),
		Stdin:       os.Stdin,
		Stdout:      p.stdout,
		Stderr:      p.stderr,
		DeathSignal: syscall.SIGTERM,
	})
	if err != nil {
		return fmt.Errorf("testenv: %w", err)
	}

	for {
		select {
		case sig := <-p.signals:
			if err := child.SignalGroup(sig); err != nil {
				_, _ = fmt.Fprintln(p.stderr, err)
			}
		case <-child.Done():
			return child.Err() //nolint:wrapcheck // its status becomes testenv's
		}
	}
}
