// Package tenant says who the tenants of a host application are, and carries
// one of them through its requests.
//
// A [Registry] knows all tenants of an installation: it answers look-ups from
// memory, follows the catalog behind its [Store], and writes changes to it.
// The stores are in memtenant and pgtenant; most hosts open a
// [Registry] by pgtenant.Open.
//
// # The tenant travels in the context
//
// A tenant is found once, at the edge, and put into the request's context by
// [NewContext]. Whatever touches a tenant's data asks [FromContext] whose it
// is. No tenant is an error there, [ErrNoTenant], and never a default. The
// package httptenant does this for HTTP, grpctenant for gRPC, and
// [Registry.Envelope] with [Registry.Resume] for jobs and messages.
//
// # Life of a tenant
//
// A tenant is [Pending] until its place is made, then [Active]. It may be
// [Suspended], put under [Maintenance], [Archived], and at last [Deleting] and
// [Deleted]; which change may follow which is [Status.CanBecome]. Each change
// of its [Placement] or of its right to write raises the placement's epoch, by
// which the data servers tell a stale writer.
//
// # Limits
//
// The package uses the standard library alone. A registry keeps all tenants in
// memory, a few hundred bytes each.
package tenant
