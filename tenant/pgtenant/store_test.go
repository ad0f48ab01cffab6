package pgtenant_test

import (
	"testing"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
	"github.com/partywall/partywall/tenant/tenanttest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	tenanttest.Run(t, func(t *testing.T) tenant.Store {
		return pgtenant.NewHeld(t, pgtest.New(t, pgtenant.Template(t)).Pool(t))
	})
}
