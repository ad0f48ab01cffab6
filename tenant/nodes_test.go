package tenant_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/partywall/partywall/tenant"
)

// Nodes of one installation create, rename, swap, stop and ask about tenants
// all at once. When it is quiet again they agree with the catalog about every
// name there ever was, and what each was told is one unbroken story per tenant.
func TestNodesAgree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) {
			store := newCatalog()
			store.found = func(tenant.Tenant) { time.Sleep(rand.N(40 * time.Millisecond)) } // answers overtake each other
			nodes := make([]*tenant.Registry, 3)
			last := make([]map[tenant.ID]tenant.Tenant, len(nodes))
			for i := range nodes {
				nodes[i], last[i] = started(t, store, quiet()), make(map[tenant.ID]tenant.Tenant)
				nodes[i].Subscribe(func(e tenant.Event) {
					if before := last[i][e.After.ID]; e.Before.Version != before.Version || e.After.Version <= before.Version {
						t.Errorf("node %d: %s goes %d>%d after %d", i, e.After.ID, e.Before.Version, e.After.Version, before.Version)
					}
					last[i][e.After.ID] = e.After
				})
			}
			synctest.Wait()
			var wg sync.WaitGroup
			for worker := range uint64(8) {
				wg.Go(func() { disturb(t, nodes, rand.New(rand.NewPCG(seed, worker))) })
			}
			wg.Wait()
			time.Sleep(10 * time.Second) // polls of all nodes
			synctest.Wait()
			for n := range slugs {
				key := tenant.BySlug(slugOf(n))
				want, wantErr := store.Find(t.Context(), key)
				for i, node := range nodes {
					got, err := node.Lookup(t.Context(), key)
					if got.ID != want.ID || got.Version != want.Version || errors.Is(err, tenant.ErrNotFound) != (wantErr != nil) {
						t.Errorf("node %d: %s leads to %s version %d, %v; want %s version %d",
							i, key, got.ID, got.Version, err, want.ID, want.Version)
					}
					if wantErr == nil && last[i][want.ID].Version != want.Version {
						t.Errorf("node %d: told of version %d of %d", i, last[i][want.ID].Version, want.Version)
					}
				}
			}
		})
	}
}

// slugs are so few that everybody wants what another one has.
const slugs = 12

func slugOf(n int) string { return fmt.Sprintf("slug-%d", n) }

// disturb does what hosts do, at random nodes.
func disturb(t *testing.T, nodes []*tenant.Registry, random *rand.Rand) {
	for range 80 {
		node, slug := nodes[random.IntN(len(nodes))], slugOf(random.IntN(slugs))
		found, err := node.Refresh(t.Context(), tenant.BySlug(slugOf(random.IntN(slugs))))
		switch {
		case errors.Is(err, tenant.ErrNotFound):
			_, err = node.Create(t.Context(), tenant.Spec{Slug: slug, Status: tenant.Active})
		case err != nil:
		case random.IntN(3) == 0 && found.Status == tenant.Active:
			_, err = node.Suspend(t.Context(), found.ID, "")
		case random.IntN(3) == 0 && found.Status == tenant.Suspended:
			_, err = node.Activate(t.Context(), found.ID)
		case random.IntN(2) == 0:
			_, err = node.Lookup(t.Context(), tenant.BySlug(slug))
		default:
			_, err = node.Update(t.Context(), found.ID, found.Version, tenant.Patch{Slug: &slug})
		}
		for _, expected := range []error{tenant.ErrNotFound, tenant.ErrSlugTaken, tenant.ErrConflict, tenant.ErrTransition} {
			if errors.Is(err, expected) {
				err = nil
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
}
