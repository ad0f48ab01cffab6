package storagetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

// Run checks that an account does what package storage needs, and that the wall
// stands on it, one subtest for each matter. open returns an account that has
// no buckets yet, for the time of its subtest.
func Run(t *testing.T, open func(t *testing.T) storage.Maker) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, *House){
		"files": checkFiles, "ranges": checkRanges, "listings": checkListings, "apart": checkApart,
		"replacing": checkReplacing, "aborting": checkAborting, "unfinished": checkUnfinished, "status": checkStatus,
		"quota": checkQuota, "quota together": checkQuotaTogether, "trash": checkTrash, "sealed": checkSealed,
		"archive": checkArchive, "own bucket": checkOwnBucket, "move": checkMove, "usage": checkUsage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, NewHouse(t, open(t)))
		})
	}
}

// House is an account with two tenants in its shared bucket, whose numbers
// begin alike.
type House struct {
	Account storage.Maker
	Catalog *Catalog
	// Acme has number 1, Globex number 10.
	Acme, Globex tenant.Tenant
}

// NewHouse is [Build] for a test.
func NewHouse(t testing.TB, account storage.Maker) *House {
	t.Helper()
	h, err := Build(t.Context(), account)
	must(t, err)
	return h
}

// Build makes the shared bucket and the tenants.
func Build(ctx context.Context, account storage.Maker) (*House, error) {
	h := &House{Account: account, Catalog: &Catalog{}}
	h.Acme, h.Globex = h.Catalog.Add("acme", 1, "main"), h.Catalog.Add("globex", 10, "main")
	return h, account.Create(ctx, SharedBucket)
}

// SharedBucket is the bucket that the tenants of a [House] share.
const SharedBucket = "shared-files"

// Buckets returns the buckets of the house, closed at the end of the test.
func (h *House) Buckets(t testing.TB, opts *storage.Options) *storage.Buckets {
	t.Helper()
	b, err := storage.New(h.Catalog, storage.Stores{"main": {Account: h.Account, Shared: SharedBucket}}, opts)
	must(t, err)
	t.Cleanup(func() {
		// Two Buckets over one Memory share what they close.
		if err := b.Close(); err != nil && gcerrors.Code(err) != gcerrors.FailedPrecondition {
			t.Error(err)
		}
	})
	return b
}

// As returns a tenant's bucket, and a context that belongs to it.
func As(t testing.TB, b *storage.Buckets, who tenant.Tenant) (context.Context, *blob.Bucket) {
	t.Helper()
	ctx := tenant.NewContext(t.Context(), who)
	bucket, err := b.Open(ctx)
	must(t, err)
	return ctx, bucket
}

// must ends the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails the test unless err is the one wanted.
func wants(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// holds fails the test unless a file has the content wanted.
func holds(ctx context.Context, t testing.TB, b *blob.Bucket, key, want string) {
	t.Helper()
	got, err := b.ReadAll(ctx, key)
	if err != nil || string(got) != want {
		t.Errorf("%s: got %.80q and %v, want %.80q", key, got, err, want)
	}
}

// list returns the keys below a prefix, folders with their slash.
func list(ctx context.Context, t testing.TB, b *blob.Bucket, prefix, delimiter string) []string {
	t.Helper()
	each := b.List(&blob.ListOptions{Prefix: prefix, Delimiter: delimiter})
	var keys []string
	for {
		o, err := each.Next(ctx)
		if errors.Is(err, io.EOF) {
			slices.Sort(keys)
			return keys
		}
		must(t, err)
		keys = append(keys, o.Key)
	}
}
