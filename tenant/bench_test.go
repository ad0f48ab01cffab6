package tenant_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
)

const million = 1_000_000

// manyTenants is a store of n tenants that computes them.
type manyTenants struct {
	tenant.Store

	n int
}

func computed(i int) tenant.Tenant {
	t := tenant.Tenant{
		Number: int64(i + 1), Slug: fmt.Sprintf("company-%07d", i), Status: tenant.Active, Version: 1,
		Plan: tenant.Plan(string([]byte("pro"))), Region: tenant.Region(string([]byte("eu"))),
		Placement: tenant.Placement{Server: string(fmt.Appendf(nil, "eu-%d", i%8)), Strategy: tenant.Shared, Epoch: 1},
		CreatedAt: time.Unix(1_790_000_000, 0).UTC(), UpdatedAt: time.Unix(1_790_000_000, 0).UTC(),
	}
	t.Name = t.Slug
	t.ID[6], t.ID[8] = 0x70, 0x80
	binary.BigEndian.PutUint32(t.ID[12:], uint32(i))
	return t
}

func (s manyTenants) Changes(_ context.Context, since tenant.Mark, each func(tenant.Tenant) error) (tenant.Mark, error) {
	if since == "" {
		for i := range s.n {
			if err := each(computed(i)); err != nil {
				return "", err
			}
		}
	}
	return "1", nil
}

func (s manyTenants) Watch(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

// full is shared by the benchmarks: filling it takes longer than they do.
var full = sync.OnceValue(func() *tenant.Registry { //nolint:gochecknoglobals // see above
	r, err := tenant.NewRegistry(manyTenants{n: million}, &tenant.Options{
		PollInterval: time.Hour, MaxStale: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = r.Start(context.Background())
	}
	if err != nil {
		panic(err)
	}
	return r
})

// keys returns look-ups in a random order that the processor cannot foresee.
func keys(by string) []tenant.Key {
	random := rand.New(rand.NewPCG(1, 2))
	found := make([]tenant.Key, 1<<16)
	for i := range found {
		t := computed(random.IntN(million))
		switch by {
		case "ID":
			found[i] = tenant.ByID(t.ID)
		case "slug":
			found[i] = tenant.BySlug(t.Slug)
		default:
			found[i] = tenant.ByNumber(t.Number)
		}
	}
	return found
}

func BenchmarkLookup(b *testing.B) {
	r := full()
	for _, by := range []string{"ID", "slug", "number"} {
		keys := keys(by)
		b.Run(by, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				got, err := r.Lookup(context.Background(), keys[i&(len(keys)-1)])
				if err != nil || got.Number == 0 || got.DeleteAfter != (time.Time{}) { // reads both ends of the value
					b.Fatal(err)
				}
				i++
			}
		})
		b.Run(by+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			var worker atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				i := int(worker.Add(1)) * 7919
				for pb.Next() {
					got, err := r.Lookup(context.Background(), keys[i&(len(keys)-1)])
					if err != nil || got.Number == 0 || got.DeleteAfter != (time.Time{}) {
						b.Error(err)
					}
					i++
				}
			})
		})
	}
}

// BenchmarkPlainMap is the limit: one map behind an atomic pointer, which no
// change can be made to.
func BenchmarkPlainMap(b *testing.B) {
	m := make(map[string]*tenant.Tenant, million)
	for i := range million {
		t := computed(i)
		m[t.Slug] = &t
	}
	var p atomic.Pointer[map[string]*tenant.Tenant]
	p.Store(&m)
	keys := keys("slug")
	slugs := make([]string, len(keys))
	for i, k := range keys {
		slugs[i], _ = k.Slug()
	}
	i := 0
	for b.Loop() {
		got, err := plainLookup(&p, slugs[i&(len(slugs)-1)])
		if err != nil || got.Number == 0 || got.DeleteAfter != (time.Time{}) {
			b.Fatal(err)
		}
		i++
	}
}

//go:noinline
func plainLookup(p *atomic.Pointer[map[string]*tenant.Tenant], slug string) (tenant.Tenant, error) {
	if t := (*p.Load())[slug]; t != nil {
		return *t, nil
	}
	return tenant.Tenant{}, tenant.ErrNotFound
}

// BenchmarkLoad tells the time and the memory of a million tenants; "index" is
// what is taken beyond the tenants themselves.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		before := heap()
		r, err := tenant.NewRegistry(manyTenants{n: million}, quiet())
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Start(b.Context()); err != nil {
			b.Fatal(err)
		}
		took := heap() - before
		kept := make([]*tenant.Tenant, million)
		before = heap()
		for i := range kept {
			t := computed(i)
			t.Name, t.Plan, t.Region, t.Placement.Server = t.Slug, "pro", "eu", "eu-1"
			kept[i] = &t
		}
		bare := heap() - before
		runtime.KeepAlive(kept)
		b.ReportMetric(float64(took)/million, "B/tenant")
		b.ReportMetric(float64(took-bare)/million, "index-B/tenant")
		r.Close()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkChange is one change among a million tenants.
func BenchmarkChange(b *testing.B) {
	store := &oneTenant{now: computed(77)}
	changed, err := tenant.NewRegistry(struct {
		manyTenants
		*oneTenant
	}{manyTenants{n: million}, store}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	if err := changed.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer changed.Close()
	b.ReportAllocs()
	for b.Loop() {
		store.now.Version++
		if _, err := changed.Refresh(b.Context(), tenant.ByID(store.now.ID)); err != nil {
			b.Fatal(err)
		}
	}
}

type oneTenant struct{ now tenant.Tenant }

func (s *oneTenant) Find(context.Context, tenant.Key) (tenant.Tenant, error) { return s.now, nil }

// A hit allocates nothing.
func TestLookupAllocatesNothing(t *testing.T) {
	store := newCatalog()
	acme := mustCreate(t, store, "acme")
	r := started(t, store, quiet())
	for _, key := range []tenant.Key{tenant.ByID(acme.ID), tenant.BySlug("acme"), tenant.ByNumber(acme.Number)} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := r.Lookup(context.Background(), key); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", key, allocs)
		}
	}
}
