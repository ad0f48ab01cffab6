package storage_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/filebucket"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

// exampleHouse is a folder with two tenants. A host has a *tenant.Registry
// instead of the catalog.
func exampleHouse(opts *storage.Options) (buckets *storage.Buckets, catalog *storagetest.Catalog, end func()) {
	folder, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	account, err := filebucket.New(folder, nil)
	if err == nil {
		err = account.Create(context.Background(), "app-files")
	}
	if err != nil {
		log.Fatal(err)
	}
	catalog = &storagetest.Catalog{}
	buckets, err = storage.New(catalog, storage.Stores{"main": {Account: account, Shared: "app-files"}}, opts)
	if err != nil {
		log.Fatal(err)
	}
	return buckets, catalog, func() { _ = errors.Join(buckets.Close(), os.RemoveAll(folder)) }
}

func ExampleBuckets_Open() {
	buckets, catalog, end := exampleHouse(nil)
	defer end()

	for _, who := range []tenant.Tenant{catalog.Add("acme", 1, ""), catalog.Add("globex", 10, "")} {
		ctx := tenant.NewContext(context.Background(), who) // middleware does this
		bucket, err := buckets.Open(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := bucket.WriteAll(ctx, "logo.txt", []byte("the logo of "+who.Slug), nil); err != nil {
			fmt.Println(err)
			return
		}
		logo, err := bucket.ReadAll(ctx, "logo.txt")
		fmt.Println(string(logo), err)
		_, err = bucket.ReadAll(ctx, "../../10/files/logo.txt")
		fmt.Println(errors.Is(err, storage.ErrKey))
	}
	_, err := buckets.Open(context.Background())
	fmt.Println(err)
	// Output:
	// the logo of acme <nil>
	// true
	// the logo of globex <nil>
	// true
	// tenant: no tenant in the context
}

func ExampleOptions_quota() {
	buckets, catalog, end := exampleHouse(&storage.Options{
		Quota: func(t tenant.Tenant) storage.Quota {
			if t.Plan == "pro" {
				return storage.Quota{Bytes: 10 << 30}
			}
			return storage.Quota{Bytes: 100, Files: 10}
		},
	})
	defer end()
	acme := catalog.Add("acme", 1, "")
	ctx := tenant.NewContext(context.Background(), acme)
	bucket, err := buckets.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bucket.WriteAll(ctx, "a", make([]byte, 80), nil))
	var full *storage.QuotaError
	if errors.As(bucket.WriteAll(ctx, "b", make([]byte, 80), nil), &full) {
		fmt.Println("has", full.Used.Bytes, "of", full.Quota.Bytes)
	}
	usage, err := buckets.Usage(ctx, acme)
	fmt.Println(usage.Files, usage.Bytes, err)
	// Output:
	// <nil>
	// has 80 of 100
	// 1 80 <nil>
}

func ExampleBuckets_Restore() {
	buckets, catalog, end := exampleHouse(&storage.Options{Trash: 30 * 24 * time.Hour})
	defer end()
	ctx := tenant.NewContext(context.Background(), catalog.Add("acme", 1, ""))
	bucket, err := buckets.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := bucket.WriteAll(ctx, "invoice.pdf", []byte("100 €"), &blob.WriterOptions{ContentType: "application/pdf"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bucket.Delete(ctx, "invoice.pdf"))
	fmt.Println(buckets.Restore(ctx, "invoice.pdf"))
	content, err := bucket.ReadAll(ctx, "invoice.pdf")
	fmt.Println(string(content), err)
	// Output:
	// <nil>
	// <nil>
	// 100 € <nil>
}

func ExampleBuckets_Move() {
	buckets, catalog, end := exampleHouse(nil)
	defer end()
	acme := catalog.Add("acme", 1, "main")
	ctx := tenant.NewContext(context.Background(), acme)
	bucket, err := buckets.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := bucket.WriteAll(ctx, "file", []byte("acme's"), nil); err != nil {
		fmt.Println(err)
		return
	}

	// Make the new place, stop the writers, move, and let them in again.
	own := acme
	own.Placement.Bucket = "main/acme-files"
	fmt.Println(buckets.Provision(ctx, own))
	catalog.Change(acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Maintenance })
	fmt.Println(buckets.Move(ctx, acme.ID, storage.Move{
		From: storage.Place{Store: "main"}, To: storage.Place{Store: "main", Bucket: "acme-files"},
		Switch: func(context.Context, tenant.Tenant) error {
			catalog.Change(acme.ID, func(t *tenant.Tenant) { t.Placement.Bucket = "main/acme-files" })
			return nil
		},
	}))
	catalog.Change(acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Active })
	content, err := bucket.ReadAll(ctx, "file") // the bucket of before
	fmt.Println(string(content), err)
	// Output:
	// <nil>
	// <nil>
	// acme's <nil>
}
