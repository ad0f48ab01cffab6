package isolation_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// The statement is the same for every tenant, and names none: whose rows it
// sees is the context's.
func ExampleOpen() {
	ctx := context.Background()
	tenants := exampleTenants(ctx)
	defer tenants.Close()
	servers, drop := exampleServers(ctx)
	defer drop()

	db, err := isolation.Open(ctx, tenants, servers, &isolation.Options{Migrate: exampleMigrate})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	for _, slug := range []string{"acme", "globex"} {
		t, err := tenants.Create(ctx, tenant.Spec{
			Slug: slug, Status: tenant.Active,
			Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		request := tenant.NewContext(ctx, t) // what httptenant's middleware does
		order(request, db, "of "+slug)

		rows, err := db.Query(request, `SELECT item FROM orders`)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(pgx.CollectRows(rows, pgx.RowTo[string]))
	}

	_, err = db.Query(ctx, `SELECT item FROM orders`)
	fmt.Println(errors.Is(err, tenant.ErrNoTenant))
	// Output:
	// [of acme] <nil>
	// [of globex] <nil>
	// true
}
