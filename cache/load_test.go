package cache

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/tenant"
)

// TestStale serves a value after its time, once, while another is loaded.
func TestStale(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var later, loads atomic.Int64
	h := newHouse(t, Options{Clock: func() time.Time { return now.Add(time.Duration(later.Load())) }})
	options := &LoadOptions{TTL: time.Minute, Stale: time.Hour, Jitter: -1}
	loaded := make(chan struct{}, 10)
	load := func(context.Context) (int64, error) {
		defer func() { loaded <- struct{}{} }()
		return loads.Add(1), nil
	}
	ask := func(what string, want int64) {
		t.Helper()
		if got, err := GetOrLoad(h.inA, h.Client, "k", load, options); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", what, got, err, want)
		}
	}
	ask("first", 1)
	<-loaded
	later.Store(int64(59 * time.Second))
	ask("fresh", 1)
	later.Store(int64(61 * time.Second))
	ask("stale", 1)
	<-loaded // and in a moment it is kept
	for got := int64(1); got != 2; {
		var err error
		if got, err = Get[int64](h.inA, h.Client, "k"); err != nil {
			t.Fatal(err)
		}
	}
	ask("fresh again", 2)
	stats, err := h.Stats(h.inA)
	must(t, err)
	if stats.Stale != 1 || loads.Load() != 2 {
		t.Errorf("%+v, %d loads", stats, loads.Load())
	}
	if left := h.PTTL(h.inA, "k").Val(); left < time.Hour || left > time.Hour+time.Minute {
		t.Errorf("the server keeps it for %v", left)
	}
}

// TestJitter shortens what is kept by a part, never more.
func TestJitter(t *testing.T) {
	t.Parallel()
	lengths := map[time.Duration]bool{}
	for range 1000 {
		o := (&LoadOptions{TTL: time.Hour, Jitter: 0.2}).filled()
		life := o.lifetime(false)
		if life > time.Hour || life < 48*time.Minute {
			t.Fatalf("%v", life)
		}
		lengths[life] = true
		if none := o.lifetime(true); none > 10*time.Second || none < 8*time.Second {
			t.Fatalf("none: %v", none)
		}
	}
	if len(lengths) < 900 {
		t.Errorf("%d lengths of 1000", len(lengths))
	}
	o := (&LoadOptions{TTL: time.Hour, Jitter: -1}).filled()
	if o.lifetime(false) != time.Hour {
		t.Error("shortened without a jitter")
	}
}

// TestLoadsOfTypes has two types that are called alike load one key at once:
// neither gets the other's nothing.
func TestLoadsOfTypes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	type value struct{ A int }
	begun, end := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := GetOrLoad(h.inA, h.Client, "k", func(context.Context) (value, error) { close(begun); <-end; return value{1}, nil }, nil)
		first <- err
	}()
	<-begun
	got := make(chan int, 1)
	go func() {
		type value struct{ B int }
		v, err := GetOrLoad(h.inA, h.Client, "k", func(context.Context) (value, error) { return value{2}, nil }, nil)
		if err != nil {
			t.Error(err)
		}
		got <- v.B
	}()
	home, err := h.home(h.a)
	must(t, err)
	for home.stats.misses.Load() < 2 {
		runtime.Gosched()
	}
	close(end)
	if v := <-got; v != 2 {
		t.Errorf("the second type got %d", v)
	}
	must(t, <-first)
}

// TestQuota holds what a tenant may take.
func TestQuota(t *testing.T) {
	t.Parallel()
	var q atomic.Pointer[Quota]
	q.Store(&Quota{})
	now := time.Now()
	var later atomic.Int64
	h := newHouse(t, Options{
		Quota: func(who tenant.Tenant) Quota {
			if who.Number == 1 {
				return *q.Load()
			}
			return Quota{}
		},
		Clock: func() time.Time { return now.Add(time.Duration(later.Load())) },
	})
	over := func(what string, err error) {
		t.Helper()
		var quota *QuotaError
		if !errors.As(err, &quota) || quota.What != what || !errors.Is(err, ErrQuota) || quota.ID != h.a.ID {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, key := range []string{"1", "2", "3"} {
		must(t, h.Set(h.inA, key, "value", 0).Err())
		must(t, h.Set(h.inB, key, "value", 0).Err())
	}
	all, err := h.Measure(t.Context())
	must(t, err)
	if all[1].Keys != 3 || all[10].Keys != 3 || all[1].Bytes == 0 {
		t.Errorf("measured %+v", all)
	}
	later.Add(int64(time.Minute)) // the homes ask again
	q.Store(&Quota{Keys: 3})
	over("keys", h.Set(h.inA, "4", "value", 0).Err())
	must(t, h.Set(h.inB, "4", "value", 0).Err())
	must(t, h.Get(h.inA, "1").Err())
	must(t, h.Del(h.inA, "1").Err()) // what frees is let through
	q.Store(&Quota{Bytes: all[1].Bytes + 100})
	must(t, h.Set(h.inA, "small", "v", 0).Err())
	over("bytes", h.Set(h.inA, "5", string(make([]byte, 200)), 0).Err())
	q.Store(&Quota{Value: 50})
	over("value", h.Set(h.inA, "5", string(make([]byte, 60)), 0).Err())
	over("value", h.Do(h.inA, "SET", "5", (*string)(nil), "x"+string(make([]byte, 60))).Err())
	q.Store(&Quota{Rate: 2})
	must(t, h.Ping(h.inA).Err())
	must(t, h.Ping(h.inA).Err())
	over("rate", h.Ping(h.inA).Err())
	later.Add(int64(time.Second))
	must(t, h.Ping(h.inA).Err())
}

// TestAllocations compares a GET with go-redis's own.
func TestAllocations(t *testing.T) {
	h := newHouse(t, Options{})
	ctx := t.Context()
	must(t, h.Set(h.inA, "k", "v", 0).Err())
	get := func(c redis.Cmdable, ctx context.Context, key string) float64 {
		return testing.AllocsPerRun(200, func() { _ = c.Get(ctx, key).Err() })
	}
	raw, ours := get(h.raw, ctx, h.prefix+"t1:k"), get(h, h.inA, "k")
	t.Logf("%v allocations, go-redis alone %v", ours, raw)
	if ours > raw+1 {
		t.Errorf("%v allocations, go-redis alone %v", ours, raw)
	}
}
