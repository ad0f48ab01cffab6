package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
)

// purge forgets all of a tenant, and nothing of another.
func purge(t *testing.T, h *house) {
	c := h.caches
	for _, in := range []context.Context{h.inA, h.inB} {
		must(t, c.Set(in, "kept?", 1, 0).Err())
	}
	must(t, c.Purge(h.inA))
	is(t, "after a purge", c.Exists(h.inA, "kept?").Val(), 0)
	is(t, "of the other", c.Exists(h.inB, "kept?").Val(), 1)
	must(t, c.Set(h.inA, "new", 1, 0).Err())
	_, err := c.Sweep(t.Context(), h.a)
	must(t, err)
	used, err := c.Usage(t.Context(), h.a)
	must(t, err)
	is(t, "keys after a sweep", used.Keys, 1)
	is(t, "what is new", c.Exists(h.inA, "new").Val(), 1)
}

type price struct {
	Net  int    `json:"net"`
	Name string `json:"name"`
}

// typed are values of Go.
func typed(t *testing.T, h *house) {
	c := h.caches
	want := price{7, "a"}
	must(t, cache.Set(h.inA, c, "price", want, time.Hour))
	got, err := cache.Get[price](h.inA, c, "price")
	must(t, err)
	is(t, "Get", got, want)
	if _, err := cache.Get[price](h.inB, c, "price"); !errors.Is(err, cache.ErrMiss) {
		t.Errorf("of the other: %v", err)
	}
	must(t, c.Set(h.inA, "price", "not by Set", 0).Err())
	if _, err := cache.Get[price](h.inA, c, "price"); !errors.Is(err, cache.ErrMiss) {
		t.Errorf("what others wrote: %v", err)
	}
	stats, err := c.Stats(h.inA)
	must(t, err)
	is(t, "stats", stats, cache.Stats{Hits: 1, Misses: 1})
}

// loads are many callers of few loaders.
func loads(t *testing.T, h *house) {
	var (
		mu    sync.Mutex
		calls = map[string]int{}
		wait  sync.WaitGroup
		gate  = make(chan struct{})
	)
	load := func(who string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			<-gate
			mu.Lock()
			defer mu.Unlock()
			calls[who]++
			return who, nil
		}
	}
	const callers = 20
	for range callers {
		for who, in := range map[string]context.Context{"a": h.inA, "b": h.inB} {
			wait.Go(func() {
				got, err := cache.GetOrLoad(in, h.caches, "same key", load(who), nil)
				if err != nil || got != who {
					t.Errorf("%s got %q, %v", who, got, err)
				}
			})
		}
	}
	close(gate)
	wait.Wait()
	for who, in := range map[string]context.Context{"a": h.inA, "b": h.inB} {
		n := calls[who]
		got, err := cache.GetOrLoad(in, h.caches, "same key", load(who), nil)
		must(t, err)
		is(t, "cached", got, who)
		is(t, "loads of what is cached", calls[who], n)
	}
	none := func(context.Context) (string, error) { calls["none"]++; return "", cache.ErrNone }
	for range 2 {
		if _, err := cache.GetOrLoad(h.inA, h.caches, "none", none, nil); !errors.Is(err, cache.ErrNone) {
			t.Errorf("none: %v", err)
		}
	}
	is(t, "loads of what does not exist", calls["none"], 1)
	broken := func(context.Context) (string, error) { panic("a host's mistake") }
	if _, err := cache.GetOrLoad(h.inA, h.caches, "broken", broken, nil); err == nil || !strings.Contains(err.Error(), "a host's mistake") {
		t.Errorf("a panic: %v", err)
	}
}

// movingOut exports, erases and imports a tenant.
func movingOut(t *testing.T, h *house) {
	c := h.caches
	const keys = 50
	for i := range keys {
		must(t, c.Set(h.inA, fmt.Sprint("key ", i), i, time.Hour).Err())
		must(t, c.Set(h.inB, fmt.Sprint("key ", i), "b", 0).Err())
	}
	must(t, c.RPush(h.inA, "list", "x", "y").Err())
	var out bytes.Buffer
	must(t, c.Export(t.Context(), h.a, &out))
	must(t, c.Erase(t.Context(), h.a))
	used, err := c.Usage(t.Context(), h.a)
	must(t, err)
	is(t, "keys after Erase", used.Keys, 0)
	raw := 0
	is(t, "of the other", c.Get(h.inB, "key 7").Val(), "b")
	must(t, c.Import(t.Context(), h.a, &out))
	is(t, "string", c.Get(h.inA, "key 7").Val(), "7")
	is(t, "list", fmt.Sprint(c.LRange(h.inA, "list", 0, -1).Val()), "[x y]")
	if left := c.TTL(h.inA, "key 7").Val(); left <= 0 || left > time.Hour {
		t.Errorf("TTL after Import: %v", left)
	}
	for _, err := range c.All(h.inA, "*") {
		must(t, err)
		raw++
	}
	if raw < keys+1 {
		t.Errorf("%d keys after Import, want %d", raw, keys+1)
	}
	if err := c.Import(t.Context(), h.a, strings.NewReader("{}\nnot json\n")); err == nil {
		t.Error("a broken import was taken")
	}
	if err := c.Get(h.inA, "nothing").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("what is not there: %v", err)
	}
}
