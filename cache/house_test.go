package cache

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/internal/redistest"
	"github.com/partywall/partywall/tenant"
)

// house is two tenants on one server, and a way past the wall.
type house struct {
	*Client

	raw      *redis.Client
	prefix   string
	a, b     tenant.Tenant
	inA, inB context.Context
}

// newHouse has its tenants on the server of all tests. They are t1 and t10,
// which begin alike.
func newHouse(t testing.TB, options Options) *house {
	t.Helper()
	return newHouseAt(t, &redis.UniversalOptions{Addrs: []string{redistest.Addr(t)}}, options)
}

func newHouseAt(t testing.TB, at *redis.UniversalOptions, options Options) *house {
	t.Helper()
	options.Prefix = redistest.Namespace(t)
	if options.Default == "" {
		options.Default = "it/prefix"
	}
	options.Secret = []byte("a secret of the tests' own")
	options.Logger = slog.New(slog.DiscardHandler)
	c, err := New(Servers{"it": at}, &options)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Client: c, prefix: options.Prefix, a: resident(1), b: resident(10)}
	h.raw = redis.NewClient(&redis.Options{Addr: at.Addrs[0]})
	h.inA, h.inB = tenant.NewContext(t.Context(), h.a), tenant.NewContext(t.Context(), h.b)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := h.raw.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// resident is an active tenant.
func resident(number int64) tenant.Tenant {
	slug := "acme"
	if number != 1 {
		slug = "globex"
	}
	return tenant.Tenant{ID: tenant.NewID(time.Now()), Number: number, Slug: slug, Name: slug, Status: tenant.Active}
}

// must fails the test for an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
