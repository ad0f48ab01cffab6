package private

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Redis is a Redis server with keys on it that are nobody else's: it may be one
// that the user named by REDIS_URL.
type Redis struct {
	// Options lead to the server.
	Options *redis.UniversalOptions
	// Prefix begins all keys that are to be used.
	Prefix string

	inside *miniredis.Miniredis // nil for somebody else's
}

// StartRedis takes the server that url leads to, or without one starts
// miniredis, which lives in this process. The caller stops it.
func StartRedis(ctx context.Context, url string) (*Redis, error) {
	const letters = 8 // of 32: nobody meets anybody
	s := &Redis{Prefix: "example-" + strings.ToLower(rand.Text()[:letters]) + ":"}
	if url == "" {
		s.inside = miniredis.NewMiniRedis()
		if err := s.inside.Start(); err != nil {
			return nil, fmt.Errorf("private: %w", err)
		}
		url = "redis://" + s.inside.Addr()
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("private: REDIS_URL is not a redis:// URL") // the error could quote a password
	}
	s.Options = &redis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
	}
	return s, s.run(func(client redis.UniversalClient) error { return client.Ping(ctx).Err() })
}

// Stop ends a server that StartRedis has started. From one that goes on it
// removes the keys.
func (s *Redis) Stop(ctx context.Context) error {
	if s.inside != nil {
		s.inside.Close()
		return nil
	}
	return s.run(func(client redis.UniversalClient) error {
		const page = 1000
		keys := client.Scan(ctx, 0, s.Prefix+"*", page).Iterator()
		for keys.Next(ctx) {
			if err := client.Unlink(ctx, keys.Val()).Err(); err != nil {
				return err
			}
		}
		return keys.Err()
	})
}

// run runs fn on a connection of its own.
func (s *Redis) run(fn func(redis.UniversalClient) error) error {
	client := redis.NewUniversalClient(s.Options)
	err := fn(client)
	if err = cmp.Or(err, client.Close()); err != nil {
		return fmt.Errorf("private: %w", err)
	}
	return nil
}
