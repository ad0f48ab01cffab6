package tenant_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// Subscribers get changes in order, one at a time, whatever another one does.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := started(t, newCatalog(), &tenant.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		var got, other []string
		inside := 0
		note := func(to *[]string) func(tenant.Event) {
			return func(e tenant.Event) {
				inside++
				*to = append(*to, fmt.Sprintf("%s %d>%d", e.After.Slug, e.Before.Version, e.After.Version))
				if inside--; inside != 0 {
					t.Error("two calls at once")
				}
			}
		}
		r.Subscribe(func(tenant.Event) { panic("no good") })
		r.Subscribe(note(&got))
		cancel := r.Subscribe(note(&other))

		a, err := r.Create(t.Context(), tenant.Spec{Slug: "a"})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		cancel()
		if _, err := r.Create(t.Context(), tenant.Spec{Slug: "b"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := r.Activate(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if strings.Join(got, ", ") != "a 0>1, b 0>1, a 1>2" {
			t.Errorf("got %v", got)
		}
		if strings.Join(other, ", ") != "a 0>1" {
			t.Errorf("the cancelled one got %v", other)
		}
		if n := strings.Count(log.String(), "no good"); n != 3 {
			t.Errorf("%d panics were logged", n)
		}
	})
}

// A subscriber that falls behind gets the changes of one tenant as one, and
// what waits for it is bounded by the number of tenants.
func TestSlowSubscriber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := started(t, newCatalog(), quiet())
		var got []tenant.Event
		free := make(chan struct{})
		r.Subscribe(func(e tenant.Event) {
			<-free
			got = append(got, e)
		})
		first, err := r.Create(t.Context(), tenant.Spec{Slug: "first"})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it is being delivered
		second, err := r.Create(t.Context(), tenant.Spec{Slug: "second"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			name := fmt.Sprint("name ", i)
			if first, err = r.Update(t.Context(), first.ID, first.Version, tenant.Patch{Name: &name}); err != nil {
				t.Fatal(err)
			}
		}
		if second, err = r.Activate(t.Context(), second.ID); err != nil {
			t.Fatal(err)
		}
		close(free)
		synctest.Wait()
		if len(got) != 3 {
			t.Fatalf("told %d times", len(got))
		}
		if e := got[1]; e.Before.Version != 0 || e.After.Version != second.Version || !e.Moved() {
			t.Errorf("of the second: %d>%d", e.Before.Version, e.After.Version)
		}
		if e := got[2]; e.Before.Version != 1 || e.After.Version != first.Version || e.Moved() {
			t.Errorf("of the first: %d>%d", e.Before.Version, e.After.Version)
		}
	})
}

// A tenant that came and went again with a catalog's history, before anybody
// could be told, was never there.
func TestNothingToTell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCatalog()
		store.deaf.Store(true)
		r := started(t, store, quiet())
		var got []tenant.Event
		free := make(chan struct{})
		r.Subscribe(func(e tenant.Event) {
			<-free
			got = append(got, e)
		})
		for _, slug := range []string{"first", "gone"} {
			if _, err := r.Create(t.Context(), tenant.Spec{Slug: slug}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first one is being told
		}
		store.now.Store(memtenant.New())
		time.Sleep(6 * time.Second)
		close(free)
		synctest.Wait()
		for _, e := range got {
			if e.Before.ID.IsZero() && e.After.ID.IsZero() {
				t.Errorf("told of nobody: %+v", e)
			}
		}
		if len(got) != 2 || got[0].After.Slug != "first" || got[1].Before.Slug != "first" {
			t.Errorf("told %+v", got)
		}
	})
}
