package tenant_test

import (
	"context"
	"fmt"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// Subscribers hear of every change, made on this node or on another.
func ExampleRegistry_Subscribe() {
	ctx := context.Background()
	store := memtenant.New()
	tenants, err := tenant.NewRegistry(store, nil)
	if err != nil {
		panic(err)
	}
	if err := tenants.Start(ctx); err != nil {
		panic(err)
	}
	defer tenants.Close()
	told := make(chan tenant.Event)
	cancel := tenants.Subscribe(func(e tenant.Event) { told <- e })
	defer cancel()

	elsewhere, err := tenant.NewRegistry(store, nil) // another node
	if err != nil {
		panic(err)
	}
	acme, err := elsewhere.Create(ctx, tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		panic(err)
	}
	fmt.Println((<-told).After.Slug)

	if _, err := elsewhere.Suspend(ctx, acme.ID, "abuse"); err != nil {
		panic(err)
	}
	e := <-told
	fmt.Println(e.Before.Status, "to", e.After.Status, "and connections are void:", e.Moved())
	// Output:
	// acme
	// active to suspended and connections are void: true
}
