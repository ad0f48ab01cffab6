package tenant_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// A job carries its tenant in an envelope. Whoever runs it asks the registry
// again, so a tenant that was suspended meanwhile is not worked for.
func ExampleRegistry_Resume() {
	ctx := context.Background()
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		panic(err)
	}
	acme, err := tenants.Create(ctx, tenant.Spec{Slug: "acme", Status: tenant.Active})
	if err != nil {
		panic(err)
	}

	request := tenant.NewContext(ctx, acme) // what the middleware does
	envelope, err := tenants.Envelope(request)
	fmt.Println(len(envelope), err)

	job, err := tenants.Resume(ctx, envelope)
	if err != nil {
		panic(err)
	}
	t, err := tenant.FromContext(job)
	fmt.Println(t.Slug, err)

	_, err = tenants.Resume(ctx, envelope[:113])
	fmt.Println(errors.Is(err, tenant.ErrForged))

	if _, err := tenants.Suspend(ctx, acme.ID, tenant.ReasonPayment); err != nil {
		panic(err)
	}
	_, err = tenants.Resume(ctx, envelope)
	fmt.Println(errors.Is(err, tenant.ErrSuspended))
	// Output:
	// 114 <nil>
	// acme <nil>
	// true
	// true
}
