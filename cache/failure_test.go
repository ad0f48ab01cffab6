package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/internal/redisserver"
	"github.com/partywall/partywall/internal/redistest"
)

// at leads to a test's own server.
func at(s *redisserver.Server) *redis.UniversalOptions {
	return &redis.UniversalOptions{Addrs: []string{s.Addr()}, MaxRetries: -1, ContextTimeoutEnabled: true}
}

// restart kills the server and starts one on its port that knows nothing.
func restart(t *testing.T, s *redisserver.Server) {
	t.Helper()
	must(t, s.Stop(t.Context()))
	redistest.Start(t, &redisserver.Options{Port: s.Port()})
}

// TestRestart finds every level at work on a server that was started anew. The
// first answer may be that the old connections are gone.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"prefix", "namespace", "database=3", "user"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, nil)
			options := at(s)
			options.MaxRetries = 3
			h := newHouseAt(t, options, Options{Default: "it/" + level, GenerationTTL: time.Nanosecond})
			must(t, h.Set(h.inA, "k", "1", 0).Err())
			restart(t, s)
			if err := h.Get(h.inA, "k").Err(); !errors.Is(err, redis.Nil) {
				t.Errorf("after a restart: %v", err)
			}
			must(t, h.Set(h.inA, "k", "2", 0).Err())
			if got := h.Get(h.inA, "k").Val(); got != "2" {
				t.Errorf("after a restart: %q", got)
			}
		})
	}
}

// TestForgottenUser has the server forget a tenant's user before each way to
// send something.
func TestForgottenUser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{Default: "it/user"})
	for name, send := range map[string]func() error{
		"a command": func() error { return h.Set(h.inA, "k", "1", 0).Err() },
		"a pipeline": func() error {
			_, err := h.Pipelined(h.inA, func(p redis.Pipeliner) error { return p.Set(h.inA, "k", "1", 0).Err() })
			return err
		},
		"a transaction": func() error {
			_, err := h.TxPipelined(h.inA, func(p redis.Pipeliner) error { return p.Set(h.inA, "k", "1", 0).Err() })
			return err
		},
		"watch": func() error {
			return h.Watch(h.inA, func(tx *Tx) error { return tx.Get(h.inA, "k").Err() }, "k")
		},
		"a subscription": func() error {
			s, err := h.Subscribe(h.inA, "c")
			if err == nil {
				err = s.Close()
			}
			return err
		},
	} {
		must(t, h.Set(h.inA, "k", "1", 0).Err())
		must(t, h.raw.ACLDelUser(t.Context(), h.prefix+"t1").Err())
		// Its connections end in a moment. A transaction that is sent within it may
		// have been made for all we know, and is not sent again.
		for strings.Contains(h.raw.ClientList(t.Context()).Val(), "user="+h.prefix+"t1 ") {
		}
		if err := send(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLoadWithoutRedis loads while the server is gone: no more at once than may,
// and not at all for those who want an error.
func TestLoadWithoutRedis(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, nil)
	h := newHouseAt(t, at(s), Options{})
	must(t, s.Stop(t.Context()))
	const most, callers = 3, 20
	var (
		now, peak, loaded, busy atomic.Int64
		wait                    sync.WaitGroup
	)
	full, done := make(chan struct{}), make(chan struct{})
	load := func(context.Context) (int, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
			continue
		}
		if n == most {
			close(full)
		}
		<-done
		return 7, nil
	}
	for i := range callers {
		wait.Go(func() {
			v, err := GetOrLoad(h.inA, h.Client, fmt.Sprint("key ", i), load, &LoadOptions{Loaders: most})
			switch {
			case err == nil && v == 7:
				loaded.Add(1)
			case errors.Is(err, ErrBusy):
				if busy.Add(1) == callers-most {
					close(done)
				}
			default:
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	<-full
	wait.Wait()
	if peak.Load() != most || loaded.Load() != most || busy.Load() != callers-most {
		t.Errorf("%d at once, %d loaded, %d turned away", peak.Load(), loaded.Load(), busy.Load())
	}
	never := func(context.Context) (int, error) { t.Error("loaded"); return 0, nil }
	if _, err := GetOrLoad(h.inA, h.Client, "k", never, &LoadOptions{WhenDown: Fail}); err == nil || errors.Is(err, ErrMiss) {
		t.Errorf("Fail: %v", err)
	}
}

// TestSlowServer stops a server in its tracks: a deadline holds, and what comes
// late is nobody's reply.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, nil)
	h := newHouseAt(t, at(s), Options{})
	must(t, h.Set(h.inA, "k", "acme's", 0).Err())
	must(t, h.Set(h.inB, "k", loot, 0).Err())
	must(t, s.Signal(syscall.SIGSTOP))
	for range 10 {
		ctx, cancel := context.WithTimeout(h.inB, 20*time.Millisecond)
		began := time.Now()
		err := h.Get(ctx, "k").Err()
		cancel()
		if err == nil || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	}
	must(t, s.Signal(syscall.SIGCONT))
	for range 50 {
		if got, err := h.Get(h.inA, "k").Result(); err != nil || got != "acme's" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// TestLostGeneration has the server drop a generation, as it may for want of
// memory: all of the tenant's is forgotten, and nothing of before a purge comes
// back.
func TestLostGeneration(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var later atomic.Int64
	h := newHouse(t, Options{Default: "it/namespace", Clock: func() time.Time { return now.Add(time.Duration(later.Load())) }})
	drop := func() {
		must(t, h.raw.Del(t.Context(), h.prefix+"t1!generation").Err())
		later.Add(int64(time.Minute))
	}
	gone := func(what string) {
		t.Helper()
		if err := h.Get(h.inA, "k").Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, h.Set(h.inB, "k", "1", 0).Err())
	must(t, h.Set(h.inA, "k", "1", 0).Err())
	drop()
	gone("dropped")
	must(t, h.Set(h.inA, "k", "2", 0).Err())
	must(t, h.Purge(h.inA))
	gone("purged")
	for range 20 {
		drop()
		gone("dropped again")
	}
	if got := h.Get(h.inB, "k").Val(); got != "1" {
		t.Errorf("the other has %q", got)
	}
	n, err := h.Sweep(t.Context(), h.a)
	must(t, err)
	if n != 2 {
		t.Errorf("%d keys were left of it, want 2", n)
	}
}

// TestLostNode takes one of a cluster's nodes away and gives it back: what is on
// the others goes on, and in the end all of it does, with each value where it
// was put.
func TestLostNode(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	h := newHouseAt(t, &redis.UniversalOptions{Addrs: cluster.Addrs(), MaxRetries: -1, ContextTimeoutEnabled: true}, Options{Default: "it/prefix"})
	const keys = 30
	try := func(in context.Context) (ok int) {
		for i := range keys {
			ctx, cancel := context.WithTimeout(in, 200*time.Millisecond)
			key := fmt.Sprint("key ", i)
			if h.Set(ctx, key, key, 0).Err() == nil && h.Get(ctx, key).Val() == key {
				ok++
			}
			cancel()
		}
		return ok
	}
	if n := try(h.inA); n != keys {
		t.Fatalf("%d of %d keys at first", n, keys)
	}
	lost := cluster.Nodes()[0]
	must(t, lost.Signal(syscall.SIGSTOP))
	if n := try(h.inA); n == 0 || n == keys {
		t.Errorf("%d of %d keys without a node", n, keys)
	}
	must(t, lost.Signal(syscall.SIGCONT))
	ctx, cancel := context.WithTimeout(h.inA, time.Minute)
	defer cancel()
	for n := 0; n != keys; n = try(h.inA) {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d keys with the node back", n, keys)
		}
	}
	for i := range keys {
		if h.Get(h.inB, fmt.Sprint("key ", i)).Err() == nil {
			t.Errorf("the other has key %d", i)
		}
	}
}
