package memtenant_test

import (
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
	"github.com/partywall/partywall/tenant/tenanttest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	tenanttest.Run(t, func(*testing.T) tenant.Store { return memtenant.New() })
}
