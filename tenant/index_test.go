package tenant

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A snapshot agrees with plain maps through thousands of changes, renames
// among them, and so do readers that run beside them.
func TestSnapshotAgainstMaps(t *testing.T) {
	t.Parallel()
	const tenants, changes = 3000, 30000
	random := rand.New(rand.NewPCG(1, 2))
	s := newSnapshot()
	s.private = false
	byID, bySlug := make(map[ID]Tenant), make(map[string]ID)
	all := make([]Tenant, tenants)
	var newest [tenants + 1]atomic.Int64 // by number: what readers may not fall behind of

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for reader := range 4 {
		wg.Go(func() {
			for i := reader; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				n := int64(i%tenants + 1)
				least := newest[n].Load()
				if got := s.find(ByNumber(n)); least > 0 && (got == nil || got.Version < least || got.Number != n) {
					t.Errorf("number %d: %+v, want version %d", n, got, least)
					return
				}
			}
		})
	}
	for range changes {
		i := random.IntN(tenants)
		now := all[i]
		if now.ID.IsZero() {
			now = Tenant{ID: NewID(time.Now()), Number: int64(i + 1)}
		}
		if slug := fmt.Sprintf("s%d", random.IntN(2*tenants)); now.Slug == "" || random.IntN(3) == 0 {
			if holder, taken := bySlug[slug]; taken && holder != now.ID {
				continue
			}
			delete(bySlug, now.Slug)
			now.Slug = slug
			bySlug[slug] = now.ID
		}
		now.Version++
		if _, changed := s.put(now); !changed {
			t.Fatal("a newer version was refused")
		}
		newest[now.Number].Store(now.Version)
		if old := all[i]; old.Version > 0 {
			if _, changed := s.put(old); changed {
				t.Fatal("an older version was taken")
			}
		}
		all[i], byID[now.ID] = now, now
	}
	close(stop)
	wg.Wait()

	for id, want := range byID {
		for _, key := range []Key{ByID(id), BySlug(want.Slug), ByNumber(want.Number)} {
			if got := s.find(key); got == nil || got.Version != want.Version || got.ID != id {
				t.Fatalf("%s: %+v, want version %d", key, got, want.Version)
			}
		}
	}
	for n := range 2 * tenants {
		slug := fmt.Sprintf("s%d", n)
		if _, taken := bySlug[slug]; !taken && s.find(BySlug(slug)) != nil {
			t.Fatalf("%s is found and nobody's", slug)
		}
	}
	n := 0
	for range s.all {
		n++
	}
	if n != len(byID) || s.count != n {
		t.Errorf("%d tenants, counted %d, want %d", n, s.count, len(byID))
	}
}

// One that takes a slug over may be heard of before the one that gave it up.
func TestSnapshotSlugTakenOver(t *testing.T) {
	t.Parallel()
	s := newSnapshot()
	s.private = false
	a, b := Tenant{ID: ID{1}, Number: 1, Slug: "x", Version: 1}, Tenant{ID: ID{2}, Number: 2, Slug: "y", Version: 1}
	s.put(a)
	s.put(b)
	b.Slug, b.Version = "x", 2
	s.put(b)
	a.Slug, a.Version = "z", 2
	s.put(a)
	for slug, want := range map[string]int64{"x": 2, "z": 1} {
		if got := s.find(BySlug(slug)); got == nil || got.Number != want {
			t.Errorf("%s: %+v", slug, got)
		}
	}
	if s.find(BySlug("y")) != nil {
		t.Error("y is found")
	}
}

func TestWordsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSnapshot()
	for i := range 2 * maxWords {
		s.put(Tenant{ID: NewID(time.Now()), Number: int64(i + 1), Slug: fmt.Sprint("s", i), Plan: Plan(fmt.Sprint("p", i)), Version: 1})
	}
	if len(s.words) > maxWords {
		t.Errorf("%d words are kept", len(s.words))
	}
}
