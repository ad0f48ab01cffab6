package main

import (
	"context"
	"slices"
	"testing"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// TestWireToAServerWithoutTLS plays the attacks on the wire where something in
// front of the server speaks TLS for it.
func TestWireToAServerWithoutTLS(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	wanted := slices.DeleteFunc(cases(), func(c Case) bool { return c.ID != "05w" && c.ID != "06" })
	h := built(t, site{superuser: server.URL("postgres")}, mode.All()[0], tenant.Shared)
	err = h.run(t.Context(), wanted, func(o Outcome) {
		if o.Verdict != Held {
			t.Errorf("%s: %s %s", o.Case.ID, o.Verdict, o.Evidence)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
