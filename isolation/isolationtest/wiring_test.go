package isolationtest_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/isolation/isolationtest"
	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// TestMutantsOfTheWiring breaks what is between the edge and the wall, which
// stands all the while: it is for the tests alone to notice.
func TestMutantsOfTheWiring(t *testing.T) {
	t.Parallel()
	h := build(t, false)
	raw := h.data.Pool(t)
	mutant := func(name string, knock func()) isolationtest.Mutation {
		return isolationtest.Mutation{Name: name, Knock: func(context.Context) (func(context.Context) error, error) {
			query, edge := h.query, h.edge
			knock()
			return func(context.Context) error {
				h.query, h.edge = query, edge
				return nil
			}, nil
		}}
	}
	isolationtest.Mutate(t, []isolationtest.Mutation{
		mutant("a pool of the migrator's role", func() { h.query = raw.Query }),
		mutant("every query as the system", func() {
			h.query = func(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
				return h.db.Query(isolation.AsSystem(ctx, "in a hurry"), sql, args...)
			}
		}),
		mutant("no middleware", func() { h.edge = func(next http.Handler) http.Handler { return next } }),
		mutant("the context of whoever came first", func() {
			var once sync.Once
			var first context.Context
			h.query = func(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
				once.Do(func() { first = context.WithoutCancel(ctx) })
				return h.db.Query(first, sql, args...)
			}
		}),
		mutant("a header of the client's that is believed", func() { h.edge = h.believing }),
	}, isolationtest.Watching(h.host()))
}

// TestSwappedRole opens the house with the role of somebody who has more
// rights: the proof at boot refuses.
func TestSwappedRole(t *testing.T) {
	t.Parallel()
	h := build(t, false)
	was := h.server
	isolationtest.Mutate(t, []isolationtest.Mutation{{Name: "the migrator serves tenants", Knock: func(context.Context) (func(context.Context) error, error) {
		h.server.App = h.server.Migrator
		return func(context.Context) error {
			h.server = was
			return nil
		}, nil
	}}, {Name: "the system serves tenants", Knock: func(context.Context) (func(context.Context) error, error) {
		h.server.App = h.server.System
		return func(context.Context) error {
			h.server = was
			return nil
		}, nil
	}}}, isolationtest.Watch{Name: "opening", Look: func(ctx context.Context) (*prove.Report, error) {
		db, err := h.open(ctx, h.tenants)
		if err == nil {
			db.Close()
		}
		return &prove.Report{}, err
	}})
}

// believing takes a client's word for who it is, as one would write it at
// first.
func (h *house) believing(next http.Handler) http.Handler {
	honest := httptenant.Middleware(h.tenants, httptenant.Subdomain("shop.test"), nil)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, who := range h.who {
			if r.Header.Get("X-Tenant") == who.Slug {
				next.ServeHTTP(w, r.WithContext(tenant.NewContext(r.Context(), who)))
				return
			}
		}
		honest.ServeHTTP(w, r)
	})
}
