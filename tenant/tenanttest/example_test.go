package tenanttest_test

import (
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
	"github.com/partywall/partywall/tenant/tenanttest"
)

// A store of the host's own is proven by one test. Each call of open returns
// an empty store, closed by t.Cleanup if that is needed.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestStore(t *testing.T)
		t.Parallel()
		tenanttest.Run(t, func(*testing.T) tenant.Store { return memtenant.New() })
	}
	// Output:
}
