// Package private gives examples a PostgreSQL and a Redis of their own, for as
// long as they run.
package private

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/embedded"
)

// Server is a PostgreSQL server with names in it that are nobody else's: it
// may be one that the user named by DATABASE_URL.
type Server struct {
	server           *embedded.Server
	suffix, password string
	roles            []string

	mu        sync.Mutex
	databases []string
}

// Start takes the server that url leads a superuser to, or without one starts
// or finds a server; see package embedded. The caller stops it.
func Start(ctx context.Context, url string) (*Server, error) {
	server, err := embedded.Start(ctx, &embedded.Options{DatabaseURL: url})
	if err != nil {
		return nil, err
	}
	const letters = 8 // of 26: nobody meets anybody
	return &Server{
		server: server, suffix: "_" + strings.ToLower(rand.Text()[:letters]), password: rand.Text(),
	}, nil
}

// Name makes a name of a role or database unique.
func (s *Server) Name(name string) string { return name + s.suffix }

// Create makes databases, and returns the superuser's URLs.
func (s *Server) Create(ctx context.Context, names ...string) ([]string, error) {
	urls := make([]string, len(names))
	// Whoever is interrupted in between cannot know whether there is one, and
	// Stop could look for it too early.
	ctx = context.WithoutCancel(ctx)
	err := s.run(ctx, func(conn *pgx.Conn) error {
		for i, name := range names {
			if _, err := conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{s.Name(name)}.Sanitize()); err != nil {
				return err
			}
			s.Adopt(s.Name(name))
			urls[i] = s.server.URL(s.Name(name))
		}
		return nil
	})
	return urls, err
}

// Adopt has Stop drop a database that somebody else makes, under its whole
// name. It may be called from any goroutine.
func (s *Server) Adopt(database string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.databases = append(s.databases, database)
}

// As returns a URL as another login role uses it, whose name is made unique.
// Whoever makes the role finds its password there: servers other than private
// ones ask for it.
func (s *Server) As(target, role string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target // it comes from Create, and is one
	}
	s.roles = append(s.roles, s.Name(role))
	u.User = url.UserPassword(s.Name(role), s.password)
	return u.String()
}

// Stop stops a server that Start has started, with all that is in it. From one
// that goes on it removes the databases and roles.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	if s.server.Source() == embedded.DatabaseURL {
		err = s.run(ctx, func(conn *pgx.Conn) error { return s.clear(ctx, conn) })
	}
	return errors.Join(err, s.server.Stop(ctx))
}

func (s *Server) clear(ctx context.Context, conn *pgx.Conn) error {
	var errs []error
	for _, name := range s.databases {
		_, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`)
		errs = append(errs, err)
	}
	for _, name := range s.roles {
		_, err := conn.Exec(ctx, `DROP ROLE IF EXISTS `+pgx.Identifier{name}.Sanitize())
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// run runs fn on a superuser's connection.
func (s *Server) run(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.server.URL("postgres"))
	if err != nil {
		return fmt.Errorf("private: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // the work is done, or has failed for a better reason
	return fn(conn)
}
