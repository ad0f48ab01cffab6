// Package storage gives each tenant a bucket of its own, on gocloud.dev/blob.
//
// [Buckets.Open] returns a plain *blob.Bucket, so that everything that works on
// one works behind the wall: readers, writers, listings, copies, signed URLs,
// and what others have built on those. The wall is the driver below it. Each
// call asks the context whose it is, asks the registry where that tenant's files
// are now and whether it may write, checks the key, and only then goes on to the
// host's bucket, under the tenant's own prefix.
//
//	buckets, err := storage.New(registry, storage.Stores{
//		"main": {Account: s3bucket.New(client), Shared: "app-files"},
//	}, nil)
//	…
//	bucket, err := buckets.Open(ctx)
//	err = bucket.WriteAll(ctx, "invoices/2026-01.pdf", pdf, nil)
//
// A [Store] is an account of the host. Tenants share one of its buckets, or
// have one of their own; an account of its own for one tenant is a store that
// only this tenant's placement names. See [Place].
//
// Drivers have their homes in storage/filebucket and storage/s3bucket, so that
// importing this package links no cloud's SDK.
package storage
