package memtenant_test

import (
	"context"
	"fmt"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// A host's own tests get their tenants in one line, without a server. Two
// registries over one store are two nodes of one installation.
func Example() {
	ctx := context.Background()
	store := memtenant.New()
	here, err := tenant.NewRegistry(store, nil)
	if err != nil {
		panic(err)
	}
	there, err := tenant.NewRegistry(store, nil)
	if err != nil {
		panic(err)
	}

	acme, err := here.Create(ctx, tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		panic(err)
	}
	envelope, err := here.Envelope(tenant.NewContext(ctx, acme))
	if err != nil {
		panic(err)
	}
	job, err := there.Resume(ctx, envelope)
	if err != nil {
		panic(err)
	}
	t, err := tenant.FromContext(job)
	fmt.Println(t.Slug, t.Number, err)
	// Output: acme 1 <nil>
}
