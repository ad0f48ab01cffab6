package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// shelf is a Redis server, and what leads to it in this run.
type shelf struct {
	addrs   []string
	name    string // what all keys begin with
	closers []func() error
}

// measureCache measures commands on Redis, and the forgetting of a tenant.
func (s *settings) measureCache(ctx context.Context, r *report) (err error) {
	addr := os.Getenv("PARTYWALL_TEST_REDIS")
	if addr == "" {
		return errors.New("needs a Redis server; run: go run ./internal/testenv -- go run ./internal/bench")
	}
	on := &shelf{addrs: []string{addr}, name: "bench-" + strings.ToLower(rand.Text()[:8]) + ":"}
	defer func() {
		for _, end := range on.closers {
			err = errors.Join(err, end())
		}
	}()
	ways, err := on.ways(ctx)
	if err != nil {
		return err
	}
	benches, err := redisBenches(ways, s.only)
	if err != nil {
		return err
	}
	if r.Commands, err = measure(ctx, benches, s.commands, s.burst); err != nil {
		return err
	}
	if s.only == "" {
		r.Purge, err = on.measurePurge(ctx)
	}
	return err
}

// ways are go-redis with keys that begin with a prefix written by hand, twice,
// and the wall at each level.
func (on *shelf) ways(ctx context.Context) ([]redisWay, error) {
	var ways []redisWay
	for _, name := range []string{"go-redis", "the same again"} {
		client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: on.addrs})
		on.closers = append(on.closers, client.Close)
		ways = append(ways, redisWay{name: name, ctx: ctx, client: client, prefix: on.name + name + ":"})
	}
	for _, level := range []cache.Level{cache.Prefix, cache.Namespace, cache.User} {
		client, who, err := on.open(level)
		if err != nil {
			return nil, err
		}
		ways = append(ways, redisWay{name: "level " + string(level), ctx: tenant.NewContext(ctx, who), client: client})
	}
	return ways, nil
}

// open opens the wall at a level, for a tenant who ends with the run.
func (on *shelf) open(level cache.Level) (*cache.Client, tenant.Tenant, error) {
	who := tenant.Tenant{ID: tenant.NewID(time.Now()), Number: 1, Slug: "acme", Status: tenant.Active}
	client, err := cache.New(cache.Servers{"bench": {Addrs: on.addrs}}, &cache.Options{
		Default: "bench/" + string(level), Prefix: on.name + string(level) + ":",
		Secret: []byte("a secret of the bench's"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, who, fmt.Errorf("cache: %w", err)
	}
	on.closers = append(on.closers, func() error {
		return errors.Join(client.Deprovision(context.Background(), who), client.Close())
	})
	return client, who, nil
}

// redisWay is one way to run commands on Redis.
type redisWay struct {
	name   string
	ctx    context.Context //nolint:containedctx // see client
	client redis.Cmdable
	prefix string // of keys, by hand
}

func redisBenches(ways []redisWay, only string) ([]*bench, error) {
	var out []*bench
	for _, statement := range []string{"GET", "SET", "MGET 10", "pipeline of 100"} {
		b := &bench{transport: "redis", statement: statement}
		for _, w := range ways {
			if err := w.fill(); err != nil {
				return nil, err
			}
			b.ways = append(b.ways, &way{name: w.name, run: w.running(statement)})
		}
		if b.keep(only) {
			out = append(out, b)
		}
	}
	return out, nil
}

const redisKeys = 1000

func (w redisWay) key(i int) string { return w.prefix + "product:" + strconv.Itoa(i*7919%redisKeys) }

func (w redisWay) fill() error {
	_, err := w.client.Pipelined(w.ctx, func(p redis.Pipeliner) error {
		for i := range redisKeys {
			p.Set(w.ctx, w.key(i), "a value of some thirty letters", time.Hour)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("filling Redis: %w", err)
	}
	return nil
}

func (w redisWay) running(statement string) func(i int) error {
	const many, batch = 10, 100
	switch statement {
	case "GET":
		return func(i int) error { return w.client.Get(w.ctx, w.key(i)).Err() }
	case "SET":
		return func(i int) error {
			return w.client.Set(w.ctx, w.key(i), "another value of thirty letters", time.Hour).Err()
		}
	case "MGET 10":
		return func(i int) error {
			keys := make([]string, many)
			for n := range keys {
				keys[n] = w.key(i + n)
			}
			return w.client.MGet(w.ctx, keys...).Err()
		}
	}
	return func(i int) error {
		_, err := w.client.Pipelined(w.ctx, func(p redis.Pipeliner) error {
			for n := range batch {
				p.Get(w.ctx, w.key(i+n))
			}
			return nil
		})
		return err //nolint:wrapcheck // the measuring names the way
	}
}

// purgeKeys is how many keys the tenant that is purged has.
const purgeKeys = 100_000

// Purge is what it takes to forget all that a tenant has.
type Purge struct {
	Keys         int     `json:"keys"`
	ByGeneration float64 `json:"by_generation_ms"`
	ByWalking    float64 `json:"by_walking_ms"`
}

// measurePurge forgets as many keys by one command, and by SCAN and UNLINK.
func (on *shelf) measurePurge(ctx context.Context) (*Purge, error) {
	p := &Purge{Keys: purgeKeys}
	for level, took := range map[cache.Level]*float64{cache.Namespace: &p.ByGeneration, cache.Prefix: &p.ByWalking} {
		client, who, err := on.open(level)
		if err == nil {
			err = fillAndPurge(tenant.NewContext(ctx, who), client, took)
		}
		if err != nil {
			return nil, fmt.Errorf("purge: %w", err)
		}
	}
	return p, nil
}

func fillAndPurge(ctx context.Context, client *cache.Client, took *float64) error {
	const batch = 1000
	for first := 0; first < purgeKeys; first += batch {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range batch {
				p.Set(ctx, "key "+strconv.Itoa(first+i), i, 0)
			}
			return nil
		})
		if err != nil {
			return err //nolint:wrapcheck // the caller does
		}
	}
	began := time.Now()
	err := client.Purge(ctx)
	*took = float64(time.Since(began).Microseconds()) / 1e3
	return err //nolint:wrapcheck // as above
}
