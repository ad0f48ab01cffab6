// Package riverwaker wakes the workers of package provisioning through River
// (riverqueue.com), on whatever node they are.
//
//	waker, err := riverwaker.New(pool, nil)
//	...
//	engine, err := provisioning.New(pool, tenants, &provisioning.Options{Waker: waker})
//
// A job says that an operation is due, and no more. It is written in the
// transaction that makes it so, one process gets it, and it is done as soon as
// that process has been told; the operation itself is under the engine's lease.
// So a job that is lost, late or in vain does no harm: [provisioning.Options.Sweep]
// finds what nobody was woken for. That is also how operations go on whose
// worker has died, and those that came to a process without a worker to spare.
//
// River tells a process of a new job at once, or within a second where several
// come in a tenth of one; what is for later comes a few seconds after its time at
// most. When the process has died that leads River's, the others notice after
// some fifteen seconds, and what is for later waits that long. River listens on a
// connection of the pool's that it keeps; through a transaction pooler, where it
// cannot, everything takes a second.
//
// River's tables are in a schema of their own, see [Options]. A host that has
// River already shares its client by [NewWith].
package riverwaker
