package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// Resolution is what finding a tenant costs.
type Resolution struct {
	Name   string  `json:"name"`
	Nanos  float64 `json:"ns_per_op"`
	Allocs int64   `json:"allocs_per_op"`
	Bytes  int64   `json:"bytes_per_op"`
}

// sample is how many of the tenants are asked for, at random and over again.
const sample = 1 << 16

// town is many tenants, and some of them to ask for.
type town struct {
	registry *tenant.Registry
	ids      []tenant.Key
	slugs    []tenant.Key
	hosts    []string
}

// measureResolution asks a registry of many tenants for some of them.
func (s *settings) measureResolution(ctx context.Context, r *report) error {
	store := memtenant.New()
	for i := range s.tenants {
		slug := "tenant-" + strconv.Itoa(i)
		_, err := store.Create(ctx, tenant.Tenant{
			ID: tenant.NewID(time.Now()), Slug: slug, Name: slug, Status: tenant.Active,
			Placement: tenant.Placement{Server: "bench", Strategy: tenant.Shared, Epoch: 1},
		})
		if err != nil {
			return fmt.Errorf("making tenants: %w", err)
		}
	}
	registry, err := tenant.NewRegistry(store, nil)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	defer registry.Close()
	before, began := heap(), time.Now()
	if err := registry.Start(ctx); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	r.Tenants, r.LoadSeconds = s.tenants, time.Since(began).Seconds()
	r.BytesPerTenant = float64(heap()-before) / float64(s.tenants)
	t := &town{registry: registry}
	if err := t.draw(ctx, s.tenants); err != nil {
		return err
	}
	r.Resolution, err = t.measure(ctx)
	runtime.KeepAlive(store)
	return err
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// draw chooses whom to ask for.
func (t *town) draw(ctx context.Context, tenants int) error {
	for range sample {
		slug := "tenant-" + strconv.Itoa(rand.IntN(tenants)) //nolint:gosec // G404: a choice, not a secret
		who, err := t.registry.Lookup(ctx, tenant.BySlug(slug))
		if err != nil {
			return fmt.Errorf("drawing: %w", err)
		}
		t.slugs = append(t.slugs, tenant.BySlug(slug))
		t.ids = append(t.ids, tenant.ByID(who.ID))
		t.hosts = append(t.hosts, slug+".myapp.com")
	}
	return nil
}

func (t *town) measure(ctx context.Context) ([]Resolution, error) {
	var failed atomic.Int64
	lookup := func(keys []tenant.Key) operation {
		return func(_ *http.Request, i int) {
			if _, err := t.registry.Lookup(ctx, keys[i%sample]); err != nil {
				failed.Add(1)
			}
		}
	}
	var served atomic.Int64
	inside := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := tenant.FromContext(r.Context()); err == nil {
			served.Add(1)
		}
	})
	edge := httptenant.Middleware(t.registry, httptenant.Subdomain("myapp.com", "www"), nil)(inside)
	var asked atomic.Int64
	serve := func(r *http.Request, i int) {
		asked.Add(1)
		r.Host = t.hosts[i%sample]
		edge.ServeHTTP(nobody{}, r)
	}
	out := []Resolution{
		single("Lookup by slug", lookup(t.slugs)),
		parallel("Lookup by slug, parallel", lookup(t.slugs)),
		single("Lookup by ID", lookup(t.ids)),
		parallel("Lookup by ID, parallel", lookup(t.ids)),
		single("middleware, subdomain", serve),
		parallel("middleware, subdomain, parallel", serve),
	}
	if n := failed.Load(); n > 0 {
		return nil, fmt.Errorf("lookup: %d tenants were not found", n)
	}
	if served.Load() != asked.Load() {
		return nil, fmt.Errorf("middleware: served %d of %d requests", served.Load(), asked.Load())
	}
	return out, nil
}

// nobody reads no answers.
type nobody struct{}

func (nobody) Header() http.Header { return http.Header{} }

func (nobody) Write(b []byte) (int, error) { return len(b), nil }

func (nobody) WriteHeader(int) {}

// operation is what is measured. The request is its goroutine's own, as it would
// be in a server, where it has just been read.
type operation func(r *http.Request, i int)

func single(name string, op operation) Resolution {
	return resolution(name, testing.Benchmark(func(b *testing.B) {
		b.Helper()
		b.ReportAllocs()
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/orders", nil)
		for i := 0; b.Loop(); i++ {
			op(r, i)
		}
	}))
}

func parallel(name string, op operation) Resolution {
	return resolution(name, testing.Benchmark(func(b *testing.B) {
		b.Helper()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/orders", nil)
			for i := rand.IntN(sample); pb.Next(); i++ { //nolint:gosec // G404: as above
				op(r, i)
			}
		})
	}))
}

func resolution(name string, r testing.BenchmarkResult) Resolution {
	return Resolution{
		Name: name, Nanos: float64(r.T.Nanoseconds()) / float64(r.N),
		Allocs: r.AllocsPerOp(), Bytes: r.AllocedBytesPerOp(),
	}
}
