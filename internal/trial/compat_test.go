package trial_test

import (
	"context"
	"testing"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// phase is what one tenant does, at the same time as all others.
type phase func(t *testing.T, h *house, ctx context.Context, who tenant.Tenant)

// everywhere runs the phases one after the other, each for two tenants of every
// strategy at once, in every mode. The tenants use the same ids, and put their
// slugs into what they write: were a row to cross, it would be missing there
// and found here.
func everywhere(t *testing.T, sql string, phases ...phase) {
	t.Helper()
	for _, m := range mode.All() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			h := build(t, testSite(t, m.Pooled), m, sql)
			for _, p := range phases {
				t.Run("tenants", func(t *testing.T) {
					for _, who := range h.who {
						t.Run(who.Slug, func(t *testing.T) {
							t.Parallel()
							p(t, h, tenant.NewContext(t.Context(), who), who)
						})
					}
				})
				if t.Failed() {
					return
				}
			}
		})
	}
}
