package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

// server is one of the host's.
type server struct {
	name    string
	options *redis.UniversalOptions
	opts    *Options
	base    redis.UniversalClient // with the host's own user
	cluster bool
	users   *users

	mu        sync.Mutex
	databases map[int]redis.UniversalClient
}

func newServer(name string, options *redis.UniversalOptions, opts *Options) *server {
	s := &server{name: name, options: options, opts: opts, databases: map[int]redis.UniversalClient{}}
	s.base = redis.NewUniversalClient(options)
	_, s.cluster = s.base.(*redis.ClusterClient)
	s.users = &users{server: s, most: opts.Users, of: map[int64]*user{}}
	return s
}

func (s *server) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := []error{s.base.Close(), s.users.close()}
	for _, client := range s.databases {
		errs = append(errs, client.Close())
	}
	return errors.Join(errs...)
}

// fit reports whether the server has such a place.
func (s *server) fit(p place) error {
	switch {
	case p.level == Database && s.cluster:
		return fmt.Errorf("%w: server %q is a cluster, which has no databases", ErrPlacement, s.name)
	case p.level == User && len(s.opts.Secret) == 0:
		return fmt.Errorf("%w: level User needs Options.Secret", ErrPlacement)
	}
	return nil
}

// connect returns the client that the tenant's commands go to.
func (h *home) connect(ctx context.Context) (redis.UniversalClient, *user, error) {
	switch h.place.level {
	case Database:
		return h.numbered(h.place.database), nil, nil
	case User:
		u, err := h.users.take(ctx, h)
		if err != nil {
			return nil, nil, err
		}
		return u.client, u, nil
	}
	return h.base, nil, nil
}

// host returns the client with the host's own user that reaches the home.
func (h *home) host() redis.UniversalClient {
	if h.place.level == Database {
		return h.numbered(h.place.database)
	}
	return h.base
}

// numbered returns the client of one of the numbered databases.
func (s *server) numbered(database int) redis.UniversalClient {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.databases[database]
	if client == nil {
		options := *s.options
		options.DB = database
		client = redis.NewUniversalClient(&options)
		s.databases[database] = client
	}
	return client
}

// masters returns a client for every node that has keys of its own.
func masters(ctx context.Context, client redis.UniversalClient) ([]redis.Cmdable, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return []redis.Cmdable{client}, nil
	}
	var (
		mu  sync.Mutex
		all []redis.Cmdable
	)
	err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, node)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cache: finding the cluster's nodes: %w", err)
	}
	return all, nil
}
