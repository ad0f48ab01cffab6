package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// cacheCases attack the cache, on a Redis: what PostgreSQL is used for makes no
// difference to them. Of case 39 the control is a broken client, and both are in
// package cache's own TestAttacks.
func cacheCases() []Case {
	bySlug := func(who tenant.Tenant, key string) string { return who.Slug + "-" + key }
	var all []Case
	for _, a := range []struct {
		id, name string
		key      func(who tenant.Tenant, key string) string // as one writes it at first
		play     func(context.Context, shelf) (string, error)
	}{
		{"36", "the same id of two tenants in a cache", func(_ tenant.Tenant, key string) string { return key }, sameKey},
		{"37", "a delimiter in a cache key", bySlug, delimiter},
		{"38", "a pattern that invalidates a cache", bySlug, invalidation},
		{"40", "a cache after its slug is used again", bySlug, heir},
		{"41", "one load for two tenants at once", bySlug, oneLoad},
		{"42", "a script on another's cache keys", bySlug, script},
	} {
		play := caching(a.key, a.play)
		all = append(all, Case{ID: a.id, Name: a.name, On: onNaive, Control: play, Attack: play})
	}
	return all
}

// shelf is what a host does with its cache.
type shelf interface {
	set(ctx context.Context, who tenant.Tenant, key, value string) error
	get(ctx context.Context, who tenant.Tenant, key string) (string, error) // "" for none
	forget(ctx context.Context, who tenant.Tenant, pattern string) error
	load(ctx context.Context, who tenant.Tenant, key string, load func() string) (string, error)
	run(ctx context.Context, who tenant.Tenant, script string, args ...any) (string, error)
	raw(who tenant.Tenant, key string) string // what somebody who has read the source takes it to be called
	close() error
}

// caching plays an attack on a cache, on a host with the wall or one without.
func caching(key func(tenant.Tenant, string) string, play func(context.Context, shelf) (string, error)) Attack {
	return func(ctx context.Context, s *scene) (err error) {
		options := &redis.UniversalOptions{Addrs: []string{os.Getenv("PARTYWALL_TEST_REDIS")}}
		ns := "attack-" + strings.ToLower(rand.Text()[:10]) + ":"
		var on shelf = &naiveShelf{client: redis.NewUniversalClient(options), ns: ns, name: key}
		if s.wall {
			client, err := cache.New(cache.Servers{"it": options}, &cache.Options{
				Default: "it/prefix", Prefix: ns, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				return err
			}
			on = &walledShelf{client, ns}
		}
		defer func() { err = errors.Join(err, on.close()) }()
		got, err := play(ctx, on)
		if err != nil {
			return err
		}
		if got != "" {
			s.findf("%s", got)
		}
		return nil
	}
}

// The tenants. What is theirs says so.
func thief() tenant.Tenant  { return resident(1, "acme") }
func victim() tenant.Tenant { return resident(10, "acme-eu") }

func resident(number int64, slug string) tenant.Tenant {
	return tenant.Tenant{ID: tenant.NewID(time.Now()), Number: number, Slug: slug, Status: tenant.Active}
}

const cached = "acme-eu's own"

func sameKey(ctx context.Context, on shelf) (string, error) {
	if err := on.set(ctx, victim(), "order:7", cached); err != nil {
		return "", err
	}
	return on.get(ctx, thief(), "order:7")
}

func delimiter(ctx context.Context, on shelf) (string, error) {
	if err := on.set(ctx, victim(), "order", cached); err != nil {
		return "", err
	}
	return on.get(ctx, thief(), "eu-order")
}

// invalidation wants to forget all there is about a user, who is called "*".
func invalidation(ctx context.Context, on shelf) (string, error) {
	if err := on.set(ctx, victim(), "user:7", cached); err != nil {
		return "", err
	}
	if err := on.forget(ctx, thief(), "user:*"); err != nil {
		return "", err
	}
	left, err := on.get(ctx, victim(), "user:7")
	if left == "" && err == nil {
		return "another tenant's value was forgotten", nil
	}
	return "", err
}

func heir(ctx context.Context, on shelf) (string, error) {
	if err := on.set(ctx, victim(), "order", cached); err != nil {
		return "", err
	}
	return on.get(ctx, resident(11, victim().Slug), "order")
}

// oneLoad has the thief ask while the victim's loader is at work.
func oneLoad(ctx context.Context, on shelf) (string, error) {
	begun, gate, theirs := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := on.load(ctx, victim(), "report", func() string {
			close(begun)
			<-gate
			return cached
		})
		theirs <- err
	}()
	<-begun
	time.AfterFunc(patience, func() { close(gate) }) // for who waits for the other's
	got, err := on.load(ctx, thief(), "report", func() string { return "" })
	return got, errors.Join(err, <-theirs)
}

// patience is how long it takes to join another's load, and more.
const patience = 50 * time.Millisecond

func script(ctx context.Context, on shelf) (string, error) {
	if err := on.set(ctx, victim(), "order", cached); err != nil {
		return "", err
	}
	for _, source := range []string{
		`return redis.call("GET", ARGV[1])`, `, redis return redis.call("GET", ARGV[1])`, `return _G.redis.call("GET", ARGV[1])`,
	} {
		if got, err := on.run(ctx, thief(), source, on.raw(victim(), "order")); err == nil && got != "" {
			return got, nil
		}
	}
	return "", nil
}

// naiveShelf is a cache as one writes it at first.
type naiveShelf struct {
	client  redis.UniversalClient
	ns      string
	name    func(who tenant.Tenant, key string) string
	flights singleflight.Group
}

func (n *naiveShelf) raw(who tenant.Tenant, key string) string { return n.ns + n.name(who, key) }

func (n *naiveShelf) set(ctx context.Context, who tenant.Tenant, key, value string) error {
	return n.client.Set(ctx, n.raw(who, key), value, time.Minute).Err()
}

func (n *naiveShelf) get(ctx context.Context, who tenant.Tenant, key string) (string, error) {
	return some(n.client.Get(ctx, n.raw(who, key)).Result())
}

func (n *naiveShelf) forget(ctx context.Context, _ tenant.Tenant, pattern string) error {
	keys, err := n.client.Keys(ctx, n.ns+"*"+pattern).Result()
	if err != nil || len(keys) == 0 {
		return err
	}
	return n.client.Del(ctx, keys...).Err()
}

func (n *naiveShelf) load(_ context.Context, _ tenant.Tenant, key string, load func() string) (string, error) {
	v, err, _ := n.flights.Do(key, func() (any, error) { return load(), nil })
	s, _ := v.(string)
	return s, err
}

func (n *naiveShelf) run(ctx context.Context, _ tenant.Tenant, source string, args ...any) (string, error) {
	return some(n.client.Eval(ctx, source, nil, args...).Text())
}

func (n *naiveShelf) close() error { return n.client.Close() }

// walledShelf is the wall's.
type walledShelf struct {
	client *cache.Client
	ns     string
}

func (w *walledShelf) raw(who tenant.Tenant, key string) string {
	return w.ns + "t" + strconv.FormatInt(who.Number, 10) + ":" + key
}

func (w *walledShelf) set(ctx context.Context, who tenant.Tenant, key, value string) error {
	return w.client.Set(tenant.NewContext(ctx, who), key, value, time.Minute).Err()
}

func (w *walledShelf) get(ctx context.Context, who tenant.Tenant, key string) (string, error) {
	return some(w.client.Get(tenant.NewContext(ctx, who), key).Result())
}

func (w *walledShelf) forget(ctx context.Context, who tenant.Tenant, pattern string) error {
	ctx = tenant.NewContext(ctx, who)
	for key, err := range w.client.All(ctx, "*"+pattern) {
		if err == nil {
			err = w.client.Del(ctx, key).Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walledShelf) load(ctx context.Context, who tenant.Tenant, key string, load func() string) (string, error) {
	return cache.GetOrLoad(tenant.NewContext(ctx, who), w.client, key,
		func(context.Context) (string, error) { return load(), nil }, nil)
}

func (w *walledShelf) run(ctx context.Context, who tenant.Tenant, source string, args ...any) (string, error) {
	return some(w.client.Eval(tenant.NewContext(ctx, who), source, nil, args...).Text())
}

func (w *walledShelf) close() error { return w.client.Close() }

// some is what is there, "" if nothing is.
func some(value string, err error) (string, error) {
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return value, err
}
