package trial_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// TestEvictWithoutTheRight takes away what a migrator of a managed server may
// not be able to give. Whoever fences a tenant then cannot end a session that
// does not give its lease back, and is told what to run; once it has ended by
// itself, the fence goes up.
func TestEvictWithoutTheRight(t *testing.T) {
	t.Parallel()
	h := build(t, siteOn(t, privateServer(t)), mode.Mode{}, noteSchema)
	admin, err := pgx.Connect(t.Context(), h.superuser)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(t.Context()) }()
	if _, err := admin.Exec(t.Context(), `REVOKE pg_signal_backend FROM partywall_owner`); err != nil {
		t.Fatal(err)
	}
	who := h.who[0]
	held, err := h.Begin(tenant.NewContext(t.Context(), who))
	if err != nil {
		t.Fatal(err)
	}
	later := who
	later.Placement.Epoch++
	if err := h.Provision(t.Context(), later); err == nil || !strings.Contains(err.Error(), "GRANT pg_signal_backend TO partywall_owner") {
		t.Errorf("fencing a tenant whose session is at work: %v", err)
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	if err := h.Provision(t.Context(), later); err != nil {
		t.Errorf("fencing it afterwards: %v", err)
	}
}
