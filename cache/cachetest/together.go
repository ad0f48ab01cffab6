package cachetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// pipelines sends several commands at once.
func pipelines(t *testing.T, h *house) {
	c := h.caches
	for what, run := range map[string]func(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error){
		"Pipelined": c.Pipelined, "TxPipelined": c.TxPipelined,
	} {
		for _, in := range []context.Context{h.inA, h.inB} {
			who, _ := tenant.FromContext(in)
			var get *redis.StringCmd
			_, err := run(in, func(p redis.Pipeliner) error {
				p.Set(in, "{k}pipe", who.Slug, 0)
				get = p.Get(in, "{k}pipe")
				return nil
			})
			must(t, err)
			is(t, what, get.Val(), who.Slug)
		}
	}
	must(t, c.Set(h.inB, "{k}pipe", "globex", 0).Err())
	pipe := c.Pipeline()
	pipe.Set(h.inA, "{k}pipe", "lost?", 0)
	mixed := pipe.Set(h.inB, "{k}pipe", "leak", 0)
	if _, err := pipe.Exec(h.inA); !errors.Is(err, tenant.ErrTwoTenants) || !errors.Is(mixed.Err(), tenant.ErrTwoTenants) {
		t.Errorf("two tenants in one pipeline: %v, %v", err, mixed.Err())
	}
	pipe = c.Pipeline()
	pipe.Set(h.inA, "{k}pipe", "leak", 0)
	if _, err := pipe.Exec(h.inB); !errors.Is(err, tenant.ErrTwoTenants) {
		t.Errorf("executed by another tenant: %v", err)
	}
	pipe = c.Pipeline()
	pipe.Set(h.inA, "{k}pipe", "sent", 0)
	pipe.FlushAll(h.inA)
	if _, err := pipe.Exec(h.inA); !errors.Is(err, cache.ErrRefused) {
		t.Errorf("a refused command among others: %v", err)
	}
	is(t, "nothing of them was sent to a", c.Get(h.inA, "{k}pipe").Val(), "acme")
	is(t, "nothing of them was sent to b", c.Get(h.inB, "{k}pipe").Val(), "globex")
	args := []any{"set", "{k}pipe", "again"}
	must(t, c.Do(h.inA, args...).Err())
	is(t, "the caller's arguments are as they were", args[1], any("{k}pipe"))
}

// watch is optimistic locking.
func watch(t *testing.T, h *house) {
	c, in := h.caches, h.inA
	must(t, c.Set(in, "{k}n", 1, 0).Err())
	add := func(between func()) error {
		return c.Watch(in, func(tx *cache.Tx) error {
			n, err := tx.Get(in, "{k}n").Int()
			if err != nil {
				return err //nolint:wrapcheck // the test looks at it
			}
			between()
			_, err = tx.TxPipelined(in, func(p redis.Pipeliner) error {
				p.Set(in, "{k}n", n+1, 0)
				return nil
			})
			return err //nolint:wrapcheck // as above
		}, "{k}n")
	}
	must(t, add(func() { _ = c.Set(h.inB, "{k}n", 99, 0) })) // another's key of the same name
	is(t, "watched", c.Get(in, "{k}n").Val(), "2")
	if err := add(func() { _ = c.Set(in, "{k}n", 50, 0) }); !errors.Is(err, redis.TxFailedErr) {
		t.Errorf("changed meanwhile: %v", err)
	}
	is(t, "not written", c.Get(in, "{k}n").Val(), "50")
	err := c.Watch(in, func(tx *cache.Tx) error { return tx.Set(h.inB, "{k}n", 1, 0).Err() }, "{k}n")
	if !errors.Is(err, tenant.ErrTwoTenants) {
		t.Errorf("another tenant's context: %v", err)
	}
}

// scripts may touch the keys that they are given.
func scripts(t *testing.T, h *house) {
	c := h.caches
	add := redis.NewScript(`redis.call("INCRBY", KEYS[1], ARGV[1]) return redis.call("GET", KEYS[1])`)
	for range 2 { // by its text, then by its hash
		must(t, add.Run(h.inA, c, []string{"{k}n"}, 5).Err())
	}
	is(t, "script", c.Get(h.inA, "{k}n").Val(), "10")
	is(t, "of the other", c.Exists(h.inB, "{k}n").Val(), 0)
	must(t, c.Set(h.inB, "{k}secret", "globex", 0).Err())
	theirs := h.keyOf(t, "globex")
	for what, source := range map[string]string{
		"a key of its own making":   `return redis.call("GET", ARGV[1])`,
		"with pcall":                `local r = redis.pcall("GET", ARGV[1]) if r.err then return redis.error_reply(r.err) end return r`,
		"by the globals":            `return _G.redis.call("GET", ARGV[1])`,
		"by loading":                `return loadstring("return redis")().call("GET", "x")`,
		"by the other name":         `return server.call("GET", ARGV[1])`,
		"walking":                   `return redis.call("KEYS", "*")`,
		"the counted":               `return redis.call("ZUNION", 1, ARGV[1])`,
		"more than are counted":     `return redis.call("MGET", KEYS[1], ARGV[1])`,
		"a command it may not call": `return redis.call("FLUSHALL")`,
		"another database":          `return redis.call("SELECT", 1)`,
		"by sorting":                `return redis.call("SORT", KEYS[1], "GET", ARGV[1])`,
	} {
		v, err := c.Eval(h.inA, source, []string{"{k}n"}, theirs).Result()
		if err == nil {
			t.Errorf("%s: got %v", what, v)
		}
	}
	if v, err := c.Eval(h.inA, "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])", []string{"{k}n"}).Result(); err != nil || v != "10" {
		t.Errorf("with a shebang: %v, %v", v, err)
	}
	sha, err := c.ScriptLoad(h.inA, "return 7").Result()
	must(t, err)
	is(t, "hash", sha, redis.NewScript("return 7").Hash())
	is(t, "by hash", c.EvalSha(h.inA, sha, nil).Val(), any(int64(7)))
	is(t, "exists", c.ScriptExists(h.inA, sha).Val()[0], true)
	is(t, "exists not", c.ScriptExists(h.inA, "ffffffffffffffffffffffffffffffffffffffff").Val()[0], false)
}

// keyOf finds the raw key that holds a value.
func (h *house) keyOf(t *testing.T, value string) string {
	t.Helper()
	nodes := []redis.Cmdable{h.raw}
	if cluster, ok := h.raw.(*redis.ClusterClient); ok {
		var mu sync.Mutex
		nodes = nil
		must(t, cluster.ForEachMaster(t.Context(), func(_ context.Context, node *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			nodes = append(nodes, node)
			return nil
		}))
	}
	for _, node := range nodes {
		keys, err := node.Keys(t.Context(), h.prefix+"*").Result()
		must(t, err)
		for _, key := range keys {
			if v, err := node.Get(t.Context(), key).Result(); err == nil && v == value {
				return key
			}
		}
	}
	t.Fatalf("no key holds %q", value)
	return ""
}

// subscriptions hear one tenant.
func subscriptions(t *testing.T, h *house) {
	c := h.caches
	one, err := c.Subscribe(h.inA, "news")
	must(t, err)
	defer func() { must(t, one.Close()) }()
	all, err := c.PSubscribe(h.inA, "*")
	must(t, err)
	defer func() { must(t, all.Close()) }()
	must(t, c.Publish(h.inB, "news", "of b").Err())
	must(t, c.Publish(h.inA, "news", "of a").Err())
	for what, s := range map[string]*cache.Subscription{"": one, "*": all} {
		ctx, cancel := context.WithTimeout(h.inA, 10*time.Second)
		m, err := s.Receive(ctx)
		cancel()
		must(t, err)
		is(t, "message", m, cache.Message{Channel: "news", Pattern: what, Payload: "of a"})
	}
}
