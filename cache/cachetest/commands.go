package cachetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// ownKeys has both tenants use the same keys, of every type.
func ownKeys(t *testing.T, h *house) {
	for _, in := range []context.Context{h.inA, h.inB} {
		who, _ := tenant.FromContext(in)
		c, me := h.caches, who.Slug
		must(t, c.Set(in, "{k}string", me, time.Hour).Err())
		must(t, c.HSet(in, "{k}hash", "of", me).Err())
		must(t, c.RPush(in, "{k}list", me).Err())
		must(t, c.SAdd(in, "{k}set", me).Err())
		must(t, c.ZAdd(in, "{k}sorted", redis.Z{Score: 1, Member: me}).Err())
		must(t, c.XAdd(in, &redis.XAddArgs{Stream: "{k}stream", Values: []string{"of", me}}).Err())
		must(t, c.SetBit(in, "{k}bits", who.Number, 1).Err())
		must(t, c.PFAdd(in, "{k}log", me).Err())
		must(t, c.GeoAdd(in, "{k}geo", &redis.GeoLocation{Name: me, Longitude: 1, Latitude: 1}).Err())
		must(t, c.IncrBy(in, "{k}count", who.Number).Err())
	}
	for _, in := range []context.Context{h.inA, h.inB} {
		who, _ := tenant.FromContext(in)
		c, me := h.caches, who.Slug
		is(t, "string", c.Get(in, "{k}string").Val(), me)
		is(t, "hash", c.HGet(in, "{k}hash", "of").Val(), me)
		is(t, "list", fmt.Sprint(c.LRange(in, "{k}list", 0, -1).Val()), fmt.Sprint([]string{me}))
		is(t, "set", fmt.Sprint(c.SMembers(in, "{k}set").Val()), fmt.Sprint([]string{me}))
		is(t, "sorted set", fmt.Sprint(c.ZRange(in, "{k}sorted", 0, -1).Val()), fmt.Sprint([]string{me}))
		is(t, "stream", c.XLen(in, "{k}stream").Val(), 1)
		is(t, "bits", c.BitCount(in, "{k}bits", nil).Val(), 1)
		is(t, "log", c.PFCount(in, "{k}log").Val(), 1)
		is(t, "geo", len(c.GeoPos(in, "{k}geo", me).Val()), 1)
		is(t, "count", c.Get(in, "{k}count").Val(), fmt.Sprint(who.Number))
		is(t, "many", fmt.Sprint(c.MGet(in, "{k}string", "{k}none").Val()), fmt.Sprint([]any{me, nil}))
	}
	must(t, h.caches.Del(h.inA, "{k}string").Err())
	is(t, "after the other's DEL", h.caches.Get(h.inB, "{k}string").Val(), "globex")
	must(t, h.caches.Rename(h.inB, "{k}string", "{k}renamed").Err())
	is(t, "renamed", h.caches.Get(h.inB, "{k}renamed").Val(), "globex")
	if left, err := h.caches.TTL(h.inB, "{k}renamed").Result(); err != nil || left <= 0 {
		t.Errorf("TTL: %v, %v", left, err)
	}
}

// replies looks at commands that answer with keys.
func replies(t *testing.T, h *house) {
	c, in := h.caches, h.inA
	must(t, c.RPush(in, "{k}list", "1", "2", "3", "4").Err())
	is(t, "BLPOP", fmt.Sprint(c.BLPop(in, time.Second, "{k}none", "{k}list").Val()), "[{k}list 1]")
	is(t, "BLPOP by name", fmt.Sprint(c.Do(in, "blpop", "{k}list", 1).Val()), "[{k}list 2]")
	key, _, err := c.LMPop(in, "left", 1, "{k}none", "{k}list").Result()
	must(t, err)
	is(t, "LMPOP", key, "{k}list")
	must(t, c.ZAdd(in, "{k}sorted", redis.Z{Score: 1, Member: "x"}, redis.Z{Score: 2, Member: "y"}).Err())
	if z, err := c.BZPopMin(in, time.Second, "{k}sorted").Result(); err != nil || z.Key != "{k}sorted" {
		t.Errorf("BZPOPMIN: %v, %v", z, err)
	}
	id, err := c.XAdd(in, &redis.XAddArgs{Stream: "{k}stream", Values: []string{"a", "b"}}).Result()
	must(t, err)
	streams, err := c.XRead(in, &redis.XReadArgs{Streams: []string{"{k}stream", "0"}}).Result()
	must(t, err)
	if len(streams) != 1 || streams[0].Stream != "{k}stream" || streams[0].Messages[0].ID != id {
		t.Errorf("XREAD: %v", streams)
	}
	must(t, c.SAdd(in, "{k}ids", "1", "2").Err())
	must(t, c.Set(in, "{k}weight_1", 2, 0).Err())
	must(t, c.Set(in, "{k}weight_2", 1, 0).Err())
	if !h.cluster && h.level != cache.User { // where Redis has no patterns in SORT
		sorted, err := c.Sort(in, "{k}ids", &redis.Sort{By: "{k}weight_*", Get: []string{"#", "{k}weight_*"}}).Result()
		must(t, err)
		is(t, "SORT", fmt.Sprint(sorted), "[2 1 1 2]")
	}
	if err := c.LPush(in, "{k}ids", "x").Err(); err == nil || !redis.HasErrorPrefix(err, "WRONGTYPE") {
		t.Errorf("an error of the server's: %v", err)
	}
}

// walks looks at commands that list keys.
func walks(t *testing.T, h *house) {
	for _, key := range []string{"one", "two", "three"} {
		must(t, h.caches.Set(h.inA, key, 1, 0).Err())
		must(t, h.caches.Set(h.inB, key+" of b", 1, 0).Err())
	}
	var all []string
	for key, err := range h.caches.All(h.inA, "*") {
		must(t, err)
		all = append(all, key)
	}
	slices.Sort(all)
	is(t, "All", fmt.Sprint(slices.Compact(all)), "[one three two]")
	var keys []string
	walk := h.caches.Scan(h.inA, 0, "", 1).Iterator()
	for walk.Next(h.inA) {
		keys = append(keys, walk.Val())
	}
	if err := walk.Err(); errors.Is(err, cache.ErrRefused) && h.cluster {
		return // without tags a cluster has no SCAN
	}
	must(t, walk.Err())
	slices.Sort(keys)
	is(t, "SCAN", fmt.Sprint(slices.Compact(keys)), "[one three two]")
	keys, err := h.caches.Keys(h.inA, "t*").Result()
	must(t, err)
	slices.Sort(keys)
	is(t, "KEYS", fmt.Sprint(keys), "[three two]")
	some, _, err := h.caches.Scan(h.inA, 0, "o*", 1000).Result()
	must(t, err)
	is(t, "SCAN MATCH", fmt.Sprint(some), "[one]")
}

// refusals tries what would reach past the wall, or be unknown.
func refusals(t *testing.T, h *house) {
	c := h.caches
	for _, args := range [][]any{
		{"flushall"}, {"flushdb"}, {"dbsize"}, {"randomkey"}, {"swapdb", 0, 1}, {"select", 1}, {"move", "k", 1},
		{"config", "get", "*"}, {"client", "list"}, {"auth", "x"}, {"monitor"}, {"info"}, {"debug", "object", "k"},
		{"migrate", "127.0.0.1", 1, "k", 0, 1}, {"eval"}, {"copy", "k", "l", "db", 9}, {"sort", "k", "by"},
		{"georadius", "k", 1, 1, 1, "m", "store", "x", "STORE", "y"}, {"zunion", "+1", "k"}, {"zunion", "1x", "k"},
		{"mget"}, {"no.such.command", "k"}, {"object"}, {"object", "nothing", "k"}, {}, {7}, {"get", 1.5}, {"scan", 0, "foo", 1},
		{"subscribe", "x"}, {"multi"}, {"fcall", "f", 0}, {"script", "flush"}, {"acl", "whoami"}, {"cluster", "slots"},
	} {
		err := c.Do(h.inA, args...).Err()
		var refused *cache.CommandError
		if !errors.Is(err, cache.ErrRefused) || !errors.As(err, &refused) || refused.Reason == "" {
			t.Errorf("%v: %v, want a refusal", args, err)
		}
	}
}

// nobody has no tenant in the context.
func nobody(t *testing.T, h *house) {
	none, two := t.Context(), tenant.NewContext(h.inA, h.b)
	closed := h.a
	closed.Status = tenant.Suspended
	admitted := tenant.Admit(t.Context(), closed)
	for what, c := range map[string]struct {
		in   context.Context //nolint:containedctx // as above
		want error
	}{
		"no tenant":   {none, tenant.ErrNoTenant},
		"two tenants": {two, tenant.ErrTwoTenants},
		"suspended":   {tenant.NewContext(t.Context(), closed), tenant.ErrSuspended},
		"reading":     {admitted, cache.ErrReadOnly},
	} {
		pipe := h.caches.Pipeline()
		set := pipe.Set(c.in, "k", "v", 0)
		_, err := pipe.Exec(c.in)
		for how, err := range map[string]error{
			"command":  h.caches.Set(c.in, "k", "v", 0).Err(),
			"pipeline": err, "in the pipeline": set.Err(),
			"typed": cache.Set(c.in, h.caches, "k", 1, 0),
		} {
			if !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", what, how, err, c.want)
			}
		}
	}
	if err := h.caches.Get(admitted, "k").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("reading: %v", err)
	}
	if _, err := h.caches.Subscribe(none, "x"); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("subscribe: %v", err)
	}
	if err := h.caches.Watch(none, func(*cache.Tx) error { return nil }, "k"); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("watch: %v", err)
	}
}
