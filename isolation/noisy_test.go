package isolation_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestNoisyNeighbour has one tenant saturate its cap with statements that wait
// for a lock: no other waits for a connection. Without a cap the same crowd
// takes all there are, and others do wait.
func TestNoisyNeighbour(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"capped": 2, "without a cap": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, func(h *house) {
				h.opts.Limits = func(who tenant.Tenant) isolation.Limits {
					if who.Slug == "acme" {
						return isolation.Limits{Conns: most, StatementTimeout: -1}
					}
					return isolation.Limits{}
				}
			})
			budget := h.Stats()["eu-1"].Budget
			noise, quiet := h.crowd(t, map[bool]int{true: most, false: budget}[most > 0])
			defer noise.Wait()
			defer quiet()
			before := h.Stats()["eu-1"].Waits
			if most < 0 {
				served := make(chan error, 1)
				go func() { served <- h.work(h.as(t, "globex")) }()
				for h.Stats()["eu-1"].Waits == before {
					if len(served) > 0 || t.Context().Err() != nil {
						t.Fatalf("beside a crowd that holds all %d connections nobody waits", budget)
					}
				}
				quiet()
				if err := <-served; err != nil {
					t.Error(err)
				}
				return
			}
			var others sync.WaitGroup
			for _, slug := range []string{"globex", "initech", "umbrella"} {
				others.Go(func() {
					for range 100 {
						if err := h.work(h.as(t, slug)); err != nil {
							t.Errorf("%s: %v", slug, err)
							return
						}
					}
				})
			}
			others.Wait()
			if waited := h.Stats()["eu-1"].Waits - before; waited != 0 {
				t.Errorf("%d of 300 statements waited for a connection", waited)
			}
		})
	}
}

// work is one statement of a tenant's.
func (h *house) work(ctx context.Context) error {
	_, err := h.Exec(ctx, `UPDATE orders SET total = total + 1 WHERE id = 1`)
	return err
}

// crowd has twice as many callers as there are connections work for acme, and
// returns once so many of them are at work, held up by a lock, and all others
// wait for a connection. They are done once quiet has been called.
func (h *house) crowd(t *testing.T, atWork int) (noise *sync.WaitGroup, quiet func()) {
	t.Helper()
	admin := h.data.Conn(t)
	tx, err := h.data.Conn(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM orders WHERE tenant_id = $1 FOR UPDATE`, h.who["acme"].Number); err != nil {
		t.Fatal(err)
	}
	noise = &sync.WaitGroup{}
	callers := 2 * h.Stats()["eu-1"].Budget
	for range callers {
		noise.Go(func() {
			if err := h.work(h.as(t, "acme")); err != nil {
				t.Errorf("of the crowd: %v", err)
			}
		})
	}
	for h.Stats()["eu-1"].Waiting != callers-atWork || held(t, admin) != atWork {
		if t.Context().Err() != nil {
			t.Fatal("the crowd does not gather")
		}
	}
	return noise, sync.OnceFunc(func() { _ = tx.Rollback(t.Context()) }) // it has only locked
}

// held is how many statements in the database wait for a lock.
func held(t *testing.T, admin *pgx.Conn) (n int) {
	t.Helper()
	err := admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
