package isolation_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// Every tenant is asked as itself, wherever its rows are, and can only read.
// Usually the tenants are those of Registry.All; here they are two.
func ExampleFanOut() {
	ctx := context.Background()
	db, acme, globex, closeHouse := exampleHouse(ctx)
	defer closeHouse()
	order(acme, db, "anvil")
	order(globex, db, "rocket")

	asked := isolation.AsSystem(ctx, "what sells")
	for r := range isolation.FanOut(asked, db, both(acme, globex), pgx.RowTo[string], `SELECT item FROM orders`) {
		fmt.Println(r.Tenant.Slug, r.Rows, r.Err)
	}
	// Unordered output:
	// acme [anvil] <nil>
	// globex [rocket] <nil>
}

// both lists the tenants that contexts belong to.
func both(requests ...context.Context) iter.Seq2[tenant.Tenant, error] {
	return func(yield func(tenant.Tenant, error) bool) {
		for _, ctx := range requests {
			if !yield(tenant.FromContext(ctx)) {
				return
			}
		}
	}
}
