package tenant

import (
	"fmt"
	"math/rand/v2"
	"runtime"
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
				runtime.Gosched() // the writer is what is waited for
				n := int64(i%tenants + 1)
				least := newest[n].Load()
				if got := s.find(ByNumber(n)); least > 0 && (got == nil || got.version < least || got.number != n) {
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
			if got := s.find(key); got == nil || got.version != want.Version || got.id != id {
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
		if got := s.find(BySlug(slug)); got == nil || got.number != want {
			t.Errorf("%s: %+v", slug, got)
		}
	}
	if s.find(BySlug("y")) != nil {
		t.Error("y is found")
	}
}

// What is heard late of one tenant must not cost another one its slug for good.
// A had the slug x, and B has it now; an answer of the time when A still had it
// comes after the news of B.
func TestSnapshotSlugClaimedLate(t *testing.T) {
	t.Parallel()
	at := func(second int) time.Time { return time.Unix(1_790_000_000+int64(second), 0) }
	a := func(version int64, slug string) Tenant {
		return Tenant{ID: ID{1}, Number: 1, Slug: slug, Version: version, UpdatedAt: at(int(version))}
	}
	b := func(version int64, slug string) Tenant {
		return Tenant{ID: ID{2}, Number: 2, Slug: slug, Version: version, UpdatedAt: at(10 * int(version))}
	}
	c := Tenant{ID: ID{3}, Number: 3, Slug: "x", Version: 1, UpdatedAt: at(1)}
	for name, told := range map[string][]Tenant{
		"A was not known":        {b(2, "x"), a(1, "x"), a(3, "z")},
		"A was known":            {a(1, "x"), b(2, "x"), a(2, "x"), a(3, "z")},
		"B changes meanwhile":    {a(1, "x"), b(2, "x"), a(2, "x"), b(3, "x"), a(3, "z")},
		"A and C are told late":  {b(2, "x"), a(1, "x"), c, a(3, "z")},
		"the other way round":    {b(2, "x"), c, a(1, "x"), a(2, "x"), a(3, "z")},
		"a swap":                 {a(1, "x"), b(1, "z"), b(2, "t"), a(2, "x"), a(3, "z"), b(3, "x")},
		"a swap, B first":        {a(1, "x"), b(1, "z"), b(3, "x"), a(2, "x"), a(3, "z")},
		"a clock that went back": {b(1, "x"), a(100, "x"), a(101, "z")},
	} {
		for _, private := range []bool{true, false} {
			s := newSnapshot()
			s.private = private
			for i, now := range told {
				s.put(now)
				if got := s.find(BySlug(now.Slug)); got == nil || got.slug != now.Slug {
					t.Errorf("%s, step %d: %s leads to %+v", name, i, now.Slug, got)
				}
			}
			for slug, want := range map[string]int64{"x": 2, "z": 1} {
				if got := s.find(BySlug(slug)); got == nil || got.number != want {
					t.Errorf("%s: %s leads to %+v, want number %d", name, slug, got, want)
				}
			}
		}
	}
}

// Of two that claim one slug, the one that was changed last is believed, and
// nothing is kept of a quarrel that is over.
func TestSnapshotRivals(t *testing.T) {
	t.Parallel()
	s := newSnapshot()
	old, taker := Tenant{ID: ID{1}, Number: 1, Slug: "x", Version: 1}, Tenant{ID: ID{2}, Number: 2, Slug: "x", Version: 2}
	taker.UpdatedAt = time.Unix(1, 0)
	s.put(taker)
	s.put(old)
	if got := s.find(BySlug("x")); got == nil || got.number != 2 {
		t.Errorf("x leads to %+v", got)
	}
	old.Version, old.Slug = 2, "z"
	s.put(old)
	if len(s.rivals) != 0 {
		t.Errorf("rivals %v", s.rivals)
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
