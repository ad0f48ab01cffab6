package trial_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/internal/redistest"
	"github.com/partywall/partywall/tenant"
)

// TestSoakCache has 16 tenants of all levels do everything at once through a
// connection that is cut again and again, with callers who give up in the
// middle. Every value says whose it is and under which key it was put: a foreign
// one and a reply to another question are both seen.
func TestSoakCache(t *testing.T) {
	t.Parallel()
	const tenants = 16
	commands := 1000
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		commands = 100_000
	}
	relay := newCutter(t, redistest.Addr(t))
	caches, err := cache.New(cache.Servers{"it": {Addrs: []string{relay.addr()}, ContextTimeoutEnabled: true, PoolSize: 8}}, &cache.Options{
		Prefix: redistest.Namespace(t), Secret: []byte("a secret of the soak's"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &cacheSoak{t: t, Client: caches, relay: relay, every: int64(tenants * commands / 50)}
	var working sync.WaitGroup
	for i := range tenants {
		working.Go(func() { s.soaker(i).work(commands) })
	}
	working.Wait()
	t.Logf("%d commands, %d answered, %d values seen, %d cuts", s.sent.Load(), s.answered.Load(), s.seen.Load(), relay.cuts.Load())
	if s.answered.Load() < s.sent.Load()/2 || s.seen.Load() < s.sent.Load()/10 || relay.cuts.Load() < 20 {
		t.Error("too little came back for it to prove anything")
	}
	if err := caches.Close(); err != nil {
		t.Error(err)
	}
}

// cacheSoak is what all tenants share.
type cacheSoak struct {
	*cache.Client

	t                    *testing.T
	relay                *cutter
	every                int64 // commands between cuts
	sent, answered, seen atomic.Int64
}

// cacheSoaker does one tenant's commands, one after the other.
type cacheSoaker struct {
	*cacheSoak

	who tenant.Tenant
	in  context.Context
	r   *rand.Rand
}

func (s *cacheSoak) soaker(i int) *cacheSoaker {
	levels := []string{"prefix", "namespace", "user", fmt.Sprint("database=", i)}
	slug := fmt.Sprint("tenant-", i)
	who := tenant.Tenant{
		ID: tenant.NewID(time.Now()), Number: int64(i + 1), Slug: slug, Name: slug, Status: tenant.Active,
		Placement: tenant.Placement{Cache: "it/" + levels[i%len(levels)]},
	}
	return &cacheSoaker{cacheSoak: s, who: who, in: tenant.NewContext(s.t.Context(), who), r: rand.New(rand.NewPCG(uint64(i), 2))}
}

func (w *cacheSoaker) work(commands int) {
	operations := []func(context.Context) (int, error){
		w.get, w.get, w.set, w.many, w.pipe, w.pipe, w.transaction, w.watch, w.script, w.typed,
	}
	for done := 0; done < commands; {
		ctx, cancel := w.context()
		n, err := operations[w.r.IntN(len(operations))](ctx)
		cancel()
		done += n
		before := w.sent.Add(int64(n)) - int64(n)
		if before/w.every != (before+int64(n))/w.every {
			w.relay.cut()
		}
		switch {
		case err == nil || errors.Is(err, redis.Nil) || errors.Is(err, cache.ErrMiss) || errors.Is(err, redis.TxFailedErr):
			w.answered.Add(int64(n))
		case errors.Is(err, cache.ErrRefused) || errors.Is(err, tenant.ErrTwoTenants):
			w.t.Errorf("%s: %v", w.who.Slug, err)
		}
	}
}

// context now and then ends at a bad moment.
func (w *cacheSoaker) context() (context.Context, context.CancelFunc) {
	if w.r.IntN(10) > 0 {
		return context.WithTimeout(w.in, time.Minute)
	}
	return context.WithTimeout(w.in, time.Duration(w.r.IntN(2000))*time.Microsecond)
}

func (w *cacheSoaker) key() string { return fmt.Sprint("key:", w.r.IntN(20)) }

// value is what stands under a key.
func (w *cacheSoaker) value(key string) string {
	return fmt.Sprintf("%s|%s|%d", w.who.Slug, key, w.r.Uint32())
}

// look fails for a value that is not the tenant's, or not the key's.
func (w *cacheSoaker) look(key string, got any) {
	if text, ok := got.(string); ok && text != "" {
		w.seen.Add(1)
		if !strings.HasPrefix(text, w.who.Slug+"|"+key+"|") {
			w.t.Errorf("%s asked for %s and got %q", w.who.Slug, key, text)
		}
	}
}

func (w *cacheSoaker) get(ctx context.Context) (int, error) {
	key := w.key()
	v, err := w.Get(ctx, key).Result()
	w.look(key, v)
	return 1, err
}

func (w *cacheSoaker) set(ctx context.Context) (int, error) {
	key := w.key()
	return 1, w.Set(ctx, key, w.value(key), time.Minute).Err()
}

func (w *cacheSoaker) many(ctx context.Context) (int, error) {
	keys := []string{w.key(), w.key(), w.key()}
	values, err := w.MGet(ctx, keys...).Result()
	for i, v := range values {
		w.look(keys[i], v)
	}
	return 1, err
}

// fill puts pairs of SET and GET into a pipeline, and returns what looks at the
// replies.
func (w *cacheSoaker) fill(ctx context.Context, p redis.Pipeliner) (n int, check func()) {
	gets := map[*redis.StringCmd]string{}
	for range 1 + w.r.IntN(8) {
		key := w.key()
		p.Set(ctx, key, w.value(key), time.Minute)
		gets[p.Get(ctx, key)] = key
	}
	return p.Len(), func() {
		for cmd, key := range gets {
			if cmd.Err() == nil {
				w.look(key, cmd.Val())
			}
		}
	}
}

func (w *cacheSoaker) pipe(ctx context.Context) (int, error) {
	p := w.Pipeline()
	n, check := w.fill(ctx, p)
	_, err := p.Exec(ctx)
	check()
	return n, err
}

func (w *cacheSoaker) transaction(ctx context.Context) (int, error) {
	p := w.TxPipeline()
	n, check := w.fill(ctx, p)
	_, err := p.Exec(ctx)
	check()
	return n, err
}

func (w *cacheSoaker) watch(ctx context.Context) (int, error) {
	key := w.key()
	n := 2
	err := w.Watch(ctx, func(tx *cache.Tx) error {
		v, err := tx.Get(ctx, key).Result()
		w.look(key, v)
		if err != nil {
			return err
		}
		p := tx.TxPipeline()
		more, check := w.fill(ctx, p)
		n += more
		_, err = p.Exec(ctx)
		check()
		return err
	}, key)
	return n, err
}

func (w *cacheSoaker) script(ctx context.Context) (int, error) {
	key := w.key()
	swap := redis.NewScript(`local old = redis.call("GET", KEYS[1]) redis.call("SET", KEYS[1], ARGV[1]) return old`)
	v, err := swap.Run(ctx, w, []string{key}, w.value(key)).Result()
	w.look(key, v)
	return 1, err
}

func (w *cacheSoaker) typed(ctx context.Context) (int, error) {
	key := "typed:" + w.key()
	fresh := w.value(key) // the loader may outlive this
	v, err := cache.GetOrLoad(ctx, w.Client, key, func(context.Context) (string, error) { return fresh, nil }, nil)
	w.look(key, v)
	return 2, err
}
