// Package provisioning runs the long work on tenants: making them, ending them,
// and whatever else a host does in steps.
//
// An [Operation] is of a [Kind]: steps with an input and an output. What happens
// is written down in the catalog's database as it happens, so that a process may
// be killed at any moment, and another goes on with the step that it was at.
// Steps are checked, done and, where an operation fails, compensated for:
//
//	engine, err := provisioning.New(catalogPool, tenants, &provisioning.Options{
//		Lifecycle: &provisioning.Lifecycle{Database: db, Place: policy.Place},
//	})
//	err = engine.Start(ctx) // this process is a worker from now on
//	…
//	op, err := engine.Provision(ctx, tenant.Spec{Slug: "acme", Plan: "pro"}, nil)
//	for event, err := range op.Events(ctx) { … }
//
// # Workers
//
// Every engine that was started is a worker. It holds what it works on by a
// lease and a [Token] that rises with each worker; what one does that was given
// up on is refused. docs/operations.md tells what a step has to know, and what
// is proven.
//
// # Errors
//
// What a step fails with is tried again, unless it is marked by [Fail] or known
// to be permanent; [Later] waits. An operation that failed is an
// [*UndoneError] to who waits for it.
package provisioning
