package trial_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// clock is the time plus what a test adds to it.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// TestCatalogDown ends the catalog's server, and looks at what is left:
//
//   - tenants that were known are served, reads and writes, over HTTP too
//   - a name that is not known is ErrUnavailable (503), not ErrNotFound (404)
//   - changes of tenants are ErrUnavailable
//   - after MaxStale nobody is served any more: ErrUnavailable
//   - when the catalog is back all goes on, without a restart of anything
func TestCatalogDown(t *testing.T) {
	t.Parallel()
	server := privateServer(t)
	pool, err := pgxpool.New(t.Context(), server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	var watch clock
	catalog, err := pgtenant.Open(t.Context(), pool, &pgtenant.Options{Registry: &tenant.Options{
		Logger: silent(), Clock: watch.now, PollInterval: 20 * time.Millisecond, Timeout: 5 * time.Second,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(catalog.Close)
	h := &house{site: testSite(t, false), tenants: catalog.Registry}
	h.open(t, catalog, mode.Mode{}, noteSchema)
	h.settle(t)
	edge := httptenant.Middleware(catalog, httptenant.Subdomain("shop.test"), &httptenant.Options{Logger: silent()})(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var n int
			if err := h.QueryRow(r.Context(), `SELECT count(*) FROM note`).Scan(&n); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusNoContent)
		}))
	get := func(host string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = host
		edge.ServeHTTP(w, r)
		return w.Code
	}

	if err := server.StopImmediate(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return catalog.Health().Err != nil })
	for i, who := range h.who {
		ctx := tenant.NewContext(t.Context(), who)
		if _, err := h.Exec(ctx, insertNote, i+1, who.Slug, "catalog is down"); err != nil {
			t.Errorf("%s is not served: %v", who.Slug, err)
		}
		if got := get(who.Slug + ".shop.test"); got != http.StatusNoContent {
			t.Errorf("%s over HTTP: %d, want 204", who.Slug, got)
		}
	}
	if _, err := catalog.Lookup(t.Context(), tenant.BySlug("stranger")); !errors.Is(err, tenant.ErrUnavailable) {
		t.Errorf("looking up somebody unknown: %v, want ErrUnavailable", err)
	}
	if got := get("stranger.shop.test"); got != http.StatusServiceUnavailable {
		t.Errorf("somebody unknown over HTTP: %d, want 503", got)
	}
	if _, err := catalog.Suspend(t.Context(), h.who[0].ID, "payment"); !errors.Is(err, tenant.ErrUnavailable) {
		t.Errorf("suspending: %v, want ErrUnavailable", err)
	}

	watch.advance(16 * time.Minute) // past MaxStale
	if _, err := h.Exec(tenant.NewContext(t.Context(), h.who[0]), deleteNote, 1); !errors.Is(err, tenant.ErrUnavailable) {
		t.Errorf("after MaxStale: %v, want ErrUnavailable", err)
	}

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return catalog.Health().Err == nil })
	if _, err := catalog.Suspend(t.Context(), h.who[0].ID, "payment"); err != nil {
		t.Errorf("suspending afterwards: %v", err)
	}
	if _, err := h.Exec(tenant.NewContext(t.Context(), h.who[0]), deleteNote, 1); !errors.Is(err, tenant.ErrSuspended) {
		t.Errorf("the suspended tenant: %v, want ErrSuspended", err)
	}
	if _, err := h.Exec(tenant.NewContext(t.Context(), h.who[1]), deleteNote, 2); err != nil {
		t.Errorf("the others afterwards: %v", err)
	}
	if _, err := catalog.Lookup(t.Context(), tenant.BySlug("stranger")); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("looking up somebody unknown afterwards: %v, want ErrNotFound", err)
	}
}
