package cachetest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/tenant"
)

// Server says what to test on. Nothing that is there is touched: all keys begin
// with a prefix of the run's own.
type Server struct {
	// Options lead to the server.
	Options *redis.UniversalOptions
	// Level is the level of the tenants. Defaults to Namespace.
	Level cache.Level
	// HashTags is [cache.Options].HashTags.
	HashTags bool
	// Without leaves out the parts named, such as "scripts" for a server that
	// has no Lua of Redis's own.
	Without []string
}

// house is two tenants on one server.
type house struct {
	caches  *cache.Client
	raw     redis.UniversalClient // past the wall
	prefix  string
	a, b    tenant.Tenant
	inA     context.Context //nolint:containedctx // a tenant's context is what is tested
	inB     context.Context //nolint:containedctx // as above
	cluster bool
	level   cache.Level
}

// Run runs the kit.
func Run(t *testing.T, s Server) {
	t.Helper()
	for name, test := range parts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if slices.Contains(s.Without, name) {
				t.Logf("left out: %s", name)
				return
			}
			test(t, open(t, s))
		})
	}
}

// parts are what is tested.
func parts() map[string]func(*testing.T, *house) {
	return map[string]func(*testing.T, *house){
		"own keys":      ownKeys,
		"replies":       replies,
		"walks":         walks,
		"pipelines":     pipelines,
		"watch":         watch,
		"scripts":       scripts,
		"subscriptions": subscriptions,
		"purge":         purge,
		"typed":         typed,
		"loads":         loads,
		"moving out":    movingOut,
		"refusals":      refusals,
		"nobody":        nobody,
	}
}

func open(t *testing.T, s Server) *house {
	t.Helper()
	const letters = 8
	h := &house{prefix: "cachetest-" + strings.ToLower(rand.Text()[:letters]) + ":", level: s.Level}
	level := s.Level
	if level == "" {
		level = cache.Namespace
	}
	if level == cache.Database {
		level = "database=7"
	}
	caches, err := cache.New(cache.Servers{"it": s.Options}, &cache.Options{
		Default: "it/" + string(level), Prefix: h.prefix, HashTags: s.HashTags,
		Secret: []byte("a secret of the kit's own"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	raw := *s.Options
	if level == "database=7" {
		raw.DB = 7
	}
	h.caches, h.raw = caches, redis.NewUniversalClient(&raw)
	_, h.cluster = h.raw.(*redis.ClusterClient)
	h.a, h.b = someone(1, "acme"), someone(10, "globex") // t1 and t10
	h.inA, h.inB = tenant.NewContext(t.Context(), h.a), tenant.NewContext(t.Context(), h.b)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, who := range []tenant.Tenant{h.a, h.b} {
			if err := caches.Deprovision(ctx, who); err != nil {
				t.Errorf("cleaning up: %v", err)
			}
		}
		if err := caches.Close(); err != nil {
			t.Error(err)
		}
		if err := h.raw.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func someone(number int64, slug string) tenant.Tenant {
	return tenant.Tenant{ID: tenant.NewID(time.Now()), Number: number, Slug: slug, Name: slug, Status: tenant.Active}
}

// must fails the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails the test for a value that is another than it should be.
func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
