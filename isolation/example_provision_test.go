package isolation_test

import (
	"context"
	"fmt"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// A tenant with a schema of its own has to be provisioned; one that shares
// comes in by itself. The statements are the same for both.
func ExampleDB_Provision() {
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

	initech, err := tenants.Create(ctx, tenant.Spec{
		Slug: "initech", Status: tenant.Active,
		Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: "initech"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(db.Provision(ctx, initech))
	fmt.Println(db.Provision(ctx, initech)) // repeated after a crash, say

	request := tenant.NewContext(ctx, initech)
	order(request, db, "stapler")
	var schema, item string
	err = db.QueryRow(request, `SELECT current_schema(), item FROM orders`).Scan(&schema, &item)
	fmt.Println(schema, item, err)

	fmt.Println(db.Deprovision(ctx, initech))
	// Output:
	// <nil>
	// <nil>
	// initech stapler <nil>
	// <nil>
}
