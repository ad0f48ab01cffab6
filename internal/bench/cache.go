package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// cacheBenches are commands on Redis: go-redis on keys with a prefix written by
// hand, and the wall at each level.
func (h *house) cacheBenches(ctx context.Context, only string) ([]*bench, error) {
	options := &redis.UniversalOptions{Addrs: []string{os.Getenv("PARTYWALL_TEST_REDIS")}}
	if options.Addrs[0] == "" {
		return nil, errors.New("needs a Redis server; run: go run ./internal/testenv -- go run ./internal/bench")
	}
	ways := []redisWay{}
	for _, name := range []string{"go-redis", "the same again"} {
		client := redis.NewUniversalClient(options)
		h.closers = append(h.closers, func() { _ = client.Close() })
		ways = append(ways, redisWay{name: name, ctx: ctx, client: client, prefix: h.name + ":" + name + ":"})
	}
	who := tenant.NewContext(ctx, tenant.Tenant{ID: tenant.NewID(time.Now()), Number: 1, Slug: "acme", Status: tenant.Active})
	for _, level := range []cache.Level{cache.Prefix, cache.Namespace, cache.User} {
		client, err := cache.New(cache.Servers{"bench": options}, &cache.Options{
			Default: "bench/" + string(level), Prefix: h.name + ":" + string(level) + ":",
			Secret: []byte("a secret of the bench's"), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
		h.closers = append(h.closers, func() { _ = client.Close() })
		ways = append(ways, redisWay{name: string(level), ctx: who, client: client, wall: client})
	}
	return redisBenches(ways, only)
}

// redisWay is one way to run commands on Redis.
type redisWay struct {
	name   string
	ctx    context.Context //nolint:containedctx // see client
	client redis.Cmdable
	prefix string        // of keys, by hand
	wall   *cache.Client // nil if it is by hand
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
		return func(i int) error { return w.client.Set(w.ctx, w.key(i), "another value of thirty letters", time.Hour).Err() }
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
func (h *house) measurePurge(ctx context.Context) (*Purge, error) {
	p := &Purge{Keys: purgeKeys}
	for level, took := range map[cache.Level]*float64{cache.Namespace: &p.ByGeneration, cache.Prefix: &p.ByWalking} {
		client, err := cache.New(cache.Servers{"bench": {Addrs: []string{os.Getenv("PARTYWALL_TEST_REDIS")}}}, &cache.Options{
			Default: "bench/" + string(level), Prefix: h.name + ":purge-" + string(level) + ":",
		})
		if err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
		who := tenant.Tenant{ID: tenant.NewID(time.Now()), Number: 1, Slug: "acme", Status: tenant.Active}
		err = fillAndPurge(tenant.NewContext(ctx, who), client, took)
		if err = errors.Join(err, client.Erase(ctx, who), client.Close()); err != nil {
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
