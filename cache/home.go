package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// home is where one tenant is.
type home struct {
	*server

	place   place
	number  int64
	owned   string // what all its keys begin with, but for a mark
	plain   string // what those without a generation begin with, and channels
	scripts *scripts

	usage   usage
	stats   counters
	loaders atomic.Int64 // at work while the server is down

	generation atomic.Pointer[generation]
	renewing   sync.Mutex
}

// generation is what a tenant's namespace is called now.
type generation struct {
	ns    string
	asked time.Time
}

func newHome(s *server, p place, number int64, scripts *scripts) *home {
	h := &home{server: s, place: p, number: number, scripts: scripts}
	h.call(s.opts.owned(number))
	return h
}

// call gives the home its name.
func (h *home) call(owned string) { h.owned, h.plain = owned, owned+markPlain }

// database is the number of the home's.
func (h *home) database() int {
	if h.place.level == Database {
		return h.place.database
	}
	return h.options.DB
}

// namespace returns what the tenant's keys begin with now.
func (h *home) namespace(ctx context.Context) (string, error) {
	if h.place.level != Namespace && h.opts.Quota == nil {
		return h.plain, nil // there is nothing to ask
	}
	now := h.opts.Clock()
	if g := h.generation.Load(); g != nil && now.Sub(g.asked) < h.opts.GenerationTTL {
		return g.ns, nil
	}
	h.renewing.Lock()
	defer h.renewing.Unlock()
	if g := h.generation.Load(); g != nil && now.Sub(g.asked) < h.opts.GenerationTTL {
		return g.ns, nil // somebody else has asked meanwhile
	}
	return h.renew(ctx, now)
}

// renew asks for the generation, and for what the tenant has. A tenant without
// a generation, be it that the server dropped it for want of memory, gets one
// that nobody had before.
func (h *home) renew(ctx context.Context, now time.Time) (string, error) {
	key := h.owned + markOwn + "generation"
	ask := func(keys ...string) ([]any, error) { return h.base.MGet(ctx, keys...).Result() }
	if h.cluster && !h.opts.HashTags { // where the two may be on two nodes
		ask = func(keys ...string) ([]any, error) { return h.each(ctx, keys...) }
	}
	told, err := ask(key, h.owned+markOwn+"usage")
	if err != nil {
		return "", fmt.Errorf("cache: asking for a generation: %w", err)
	}
	name, ok := told[0].(string)
	if measured, ok := told[1].(string); ok {
		h.usage.heard(measured)
	}
	if h.place.level != Namespace {
		return h.know("", now), nil
	}
	if !ok {
		if name, err = h.begin(ctx, key); err != nil {
			return "", fmt.Errorf("cache: beginning a generation: %w", err)
		}
	}
	return h.know(name, now), nil
}

// each is MGET by one GET for each key.
func (h *home) each(ctx context.Context, keys ...string) ([]any, error) {
	told := make([]any, len(keys))
	for i, key := range keys {
		v, err := h.base.Get(ctx, key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err //nolint:wrapcheck // renew does
		}
		if err == nil {
			told[i] = v
		}
	}
	return told, nil
}

// know remembers a generation, "" for a level that has none.
func (h *home) know(name string, now time.Time) string {
	ns := h.plain
	if name != "" {
		ns = h.owned + markGeneration + name + markPlain
	}
	h.generation.Store(&generation{ns: ns, asked: now})
	return ns
}

func (h *home) begin(ctx context.Context, key string) (string, error) {
	err := h.base.SetArgs(ctx, key, newGeneration(), redis.SetArgs{Mode: "NX"}).Err()
	if err != nil && !errors.Is(err, redis.Nil) { // nil: another process was first
		return "", err //nolint:wrapcheck // renew does
	}
	return h.base.Get(ctx, key).Result() //nolint:wrapcheck // as above
}

// newGeneration returns a name that no earlier generation had, whatever the
// server has forgotten.
func newGeneration() string {
	const letters = 10 // of 32: 50 bits
	return strings.ToLower(rand.Text()[:letters])
}

// purge begins a new generation, in one round trip.
func (h *home) purge(ctx context.Context) error {
	h.renewing.Lock()
	defer h.renewing.Unlock()
	name, now := newGeneration(), h.opts.Clock()
	if err := h.base.Set(ctx, h.owned+markOwn+"generation", name, 0).Err(); err != nil {
		return fmt.Errorf("cache: purge: %w", err)
	}
	h.know(name, now)
	return nil
}
