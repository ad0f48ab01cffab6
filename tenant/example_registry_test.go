package tenant_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// A registry over a store in memory; programs use the package pgtenant.
func ExampleRegistry() {
	ctx := context.Background()
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		panic(err)
	}
	if err := tenants.Start(ctx); err != nil {
		panic(err)
	}
	defer tenants.Close()

	acme, err := tenants.Create(ctx, tenant.Spec{Slug: "acme", Name: "Acme Inc.", Plan: "pro"})
	if err != nil {
		panic(err)
	}
	if _, err := tenants.Activate(ctx, acme.ID); err != nil {
		panic(err)
	}
	found, err := tenants.Lookup(ctx, tenant.BySlug("acme"))
	fmt.Println(found.Name, found.Status, found.Version, err)

	_, err = tenants.Lookup(ctx, tenant.BySlug("globex"))
	fmt.Println(errors.Is(err, tenant.ErrNotFound))

	_, err = tenants.Create(ctx, tenant.Spec{Slug: "Acme!", Plan: "pro plan"})
	fmt.Println(err)
	// Output:
	// Acme Inc. active 2 <nil>
	// true
	// tenant: slug "Acme!" has a character that is none of a-z, 0-9 and '-'
	// tenant: plan "pro plan" has a character that is no ASCII letter, digit, '.', '_' or '-'
}

// A move ends with a compare-and-swap of the placement: of two movers that
// began at one epoch, the second one is told.
func ExampleWriter_Place() {
	ctx := context.Background()
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		panic(err)
	}
	acme, err := tenants.Create(ctx, tenant.Spec{
		Slug: "acme", Status: tenant.Active, Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared},
	})
	if err != nil {
		panic(err)
	}
	there := tenant.Placement{Server: "eu-2", Strategy: tenant.Database, Database: "acme"}
	moved, err := tenants.Place(ctx, acme.ID, acme.Placement.Epoch, there)
	fmt.Println(moved.Placement.Server, moved.Placement.Epoch, err)

	there.Server = "us-1"
	_, err = tenants.Place(ctx, acme.ID, acme.Placement.Epoch, there)
	fmt.Println(errors.Is(err, tenant.ErrConflict))
	// Output:
	// eu-2 2 <nil>
	// true
}

// All walks through a list of any length, page by page.
func ExampleRegistry_All() {
	ctx := context.Background()
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		panic(err)
	}
	for _, spec := range []tenant.Spec{
		{Slug: "acme", Plan: "pro"}, {Slug: "globex", Plan: "free"}, {Slug: "initech", Plan: "pro"},
	} {
		if _, err := tenants.Create(ctx, spec); err != nil {
			panic(err)
		}
	}
	for t, err := range tenants.All(ctx, tenant.Query{Plan: "pro"}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(t.Slug)
	}
	// Output:
	// acme
	// initech
}
