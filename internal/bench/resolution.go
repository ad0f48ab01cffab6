package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
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

// sample is how many times a tenant is drawn; then the draws begin again.
const sample = 1 << 20

// hot is how many tenants are asked for where few are.
const hot = 1000

// town is many tenants, and whom to ask for.
type town struct {
	registry *tenant.Registry
	plain    map[string]*tenant.Tenant // as somebody keeps them who writes it by hand
	memory   []uint64                  // as much as there is of records, each leading to another
	order    []string                  // slugs, in no order
}

// measureResolution asks a registry of many tenants for some of them.
func (s *settings) measureResolution(ctx context.Context, r *report) error {
	store := memtenant.New()
	t := &town{plain: map[string]*tenant.Tenant{}}
	for i := range s.tenants {
		slug := "tenant-" + strconv.Itoa(i)
		made, err := store.Create(ctx, tenant.Tenant{
			ID: tenant.NewID(time.Now()), Slug: slug, Name: slug, Status: tenant.Active,
			Placement: tenant.Placement{Server: "bench", Strategy: tenant.Shared, Epoch: 1},
		})
		if err != nil {
			return fmt.Errorf("making tenants: %w", err)
		}
		t.plain[slug] = &made
		t.order = append(t.order, slug)
	}
	rand.Shuffle(len(t.order), func(i, j int) { //nolint:gosec // G404: an order, not a secret
		t.order[i], t.order[j] = t.order[j], t.order[i]
	})
	var err error
	if t.registry, err = tenant.NewRegistry(store, nil); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	defer t.registry.Close()
	before, began := heap(), time.Now()
	if err := t.registry.Start(ctx); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	r.Tenants, r.LoadSeconds = s.tenants, time.Since(began).Seconds()
	r.BytesPerTenant = float64(heap()-before) / float64(s.tenants)
	t.memory = ring(s.tenants * recordWords)
	r.Resolution, err = t.measure(ctx)
	runtime.KeepAlive(store)
	return err
}

// recordWords is how many words of memory a tenant takes, about.
const recordWords = 32

// ring is memory in which each word leads to another, far away, and all are
// visited before the first one comes again: what waiting for memory costs.
func ring(words int) []uint64 {
	order := rand.Perm(words) //nolint:gosec // G404: as above
	next := make([]uint64, words)
	for i, at := range order {
		next[at] = uint64(order[(i+1)%words]) //nolint:gosec // G115: an index
	}
	return next
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// mixes are whom is asked for.
func (t *town) mixes() []mix {
	return []mix{
		{"one tenant", alone},
		{fmt.Sprintf("%d tenants alike", hot), uniform(min(hot, len(t.order)))},
		{"Zipf", zipf(len(t.order))},
		{"all alike", uniform(len(t.order))},
	}
}

type mix struct {
	name string
	draw draw
}

// asked are tenants to ask for, by all their names.
type asked struct {
	slugs []string
	keys  []tenant.Key
	ids   []tenant.Key
	hosts []string
}

func (t *town) ask(d draw) asked {
	var a asked
	r := rand.New(rand.NewPCG(rand.Uint64(), 1)) //nolint:gosec // G404: a choice, not a secret
	for range sample {
		slug := strings.Clone(t.order[d(r)]) // a request has just read its own
		a.slugs = append(a.slugs, slug)
		a.keys = append(a.keys, tenant.BySlug(slug))
		a.ids = append(a.ids, tenant.ByID(t.plain[slug].ID))
		a.hosts = append(a.hosts, slug+".myapp.com")
	}
	return a
}

func (t *town) measure(ctx context.Context) ([]Resolution, error) {
	var failed, reached atomic.Int64
	lookup := func(keys []tenant.Key) operation {
		return func(_ *http.Request, i int) {
			if _, err := t.registry.Lookup(ctx, keys[i%sample]); err != nil {
				failed.Add(1)
			}
		}
	}
	inside := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := tenant.FromContext(r.Context()); err != nil {
			failed.Add(1)
		}
	})
	edge := httptenant.Middleware(t.registry, httptenant.Subdomain("myapp.com", "www"), nil)(inside)
	var out []Resolution
	for _, m := range t.mixes() {
		a := t.ask(m.draw)
		serve := func(r *http.Request, i int) {
			r.Host = a.hosts[i%sample]
			edge.ServeHTTP(nobody{}, r)
		}
		byHand := func(_ *http.Request, i int) {
			if t.plain[a.slugs[i%sample]].Status != tenant.Active {
				failed.Add(1)
			}
		}
		out = append(out,
			parallel(m.name+": a Go map, by hand", byHand),
			parallel(m.name+": Lookup by slug", lookup(a.keys)),
			parallel(m.name+": Lookup by ID", lookup(a.ids)),
			parallel(m.name+": middleware, subdomain", serve),
			single(m.name+": Lookup by slug, one at a time", lookup(a.keys)))
	}
	out = append(out, parallel("waiting for memory once, in as much as all tenants take", func(_ *http.Request, i int) {
		at := uint64(i*7919) % uint64(len(t.memory)) //nolint:gosec // G115: an index
		for range waits {
			at = t.memory[at]
		}
		reached.Store(int64(at)) //nolint:gosec // G115: as above
	}))
	last := &out[len(out)-1]
	last.Nanos /= waits
	if n := failed.Load(); n > 0 {
		return nil, fmt.Errorf("resolution: %d tenants were not found", n)
	}
	return out, nil
}

// waits is how often memory is waited for in one operation, each time for what
// the time before led to.
const waits = 16

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
			for i := rand.IntN(sample); pb.Next(); i++ { //nolint:gosec // G404: a choice, not a secret
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
