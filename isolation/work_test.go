package isolation_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/fencing"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestLateWorkerIsRefused has a worker stop in the middle of making a place,
// and another one take the place away. What the first goes on to do does not
// happen, in the session that it has or in a new one.
func TestLateWorkerIsRefused(t *testing.T) {
	t.Parallel()
	for _, strategy := range []tenant.Strategy{tenant.Schema, tenant.Database} {
		t.Run(string(strategy), func(t *testing.T) {
			t.Parallel()
			first := fencing.Token{Subject: [16]byte{7, byte(len(strategy))}, Number: 1}
			second := fencing.Token{Subject: first.Subject, Number: 2}
			paused, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			h := build(t, func(h *house) {
				migrate := h.opts.Migrate
				h.opts.Migrate = func(ctx context.Context, conn *pgx.Conn, to isolation.Target) error {
					if working, ok := fencing.FromContext(ctx); ok && working == first {
						once.Do(func() { close(paused) })
						<-goOn
					}
					return migrate(ctx, conn, to)
				}
			})
			place := tenant.Placement{Server: "eu-1", Strategy: strategy}
			if strategy == tenant.Schema {
				place.Schema = "late"
			} else {
				place.Database = h.data.Name + "_late"
			}
			who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: "late", Placement: place})
			if err != nil {
				t.Fatal(err)
			}
			places := func() (n int) {
				err := h.data.Conn(t).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1)
					+ (SELECT count(*) FROM pg_database WHERE datname = $2)`, place.Schema, place.Database).Scan(&n)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			t.Cleanup(func() {
				if err := h.Deprovision(context.WithoutCancel(t.Context()), who); err != nil {
					t.Error(err)
				}
			})
			late := make(chan error)
			go func() { late <- h.Provision(fencing.NewContext(t.Context(), first), who) }()
			<-paused
			if err := h.Deprovision(fencing.NewContext(t.Context(), second), who); err != nil {
				t.Fatal(err)
			}
			close(goOn)
			if err := <-late; err == nil {
				t.Error("who was given up on went on")
			}
			if err := h.Provision(fencing.NewContext(t.Context(), first), who); !errors.Is(err, isolation.ErrSuperseded) {
				t.Errorf("who was given up on may begin again: %v", err)
			}
			if n := places(); n != 0 {
				t.Errorf("%d places are left", n)
			}
			// The control: who has the highest token may.
			if err := h.Provision(fencing.NewContext(t.Context(), second), who); err != nil {
				t.Error(err)
			}
			if n := places(); n != 1 {
				t.Errorf("%d places", n)
			}
		})
	}
}
