package storage_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

// probe tries one part of the wall that no client can attack by asking, and
// says how it was breached. tear, if not nil, is called before.
type probe func(t *testing.T, tear func(*storage.Buckets)) (breach string)

func probes() map[string]probe {
	return map[string]probe{"mine": probeLies, "bind": probeSwap, "still": probeMoved, "ledger": probeQuota}
}

// TestProbes tries each part of the wall, and then without it.
func TestProbes(t *testing.T) {
	t.Parallel()
	for name, try := range probes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if breach := try(t, nil); breach != "" {
				t.Errorf("breached: %s", breach)
			}
			tear, ok := storage.Walls()[name]
			if !ok {
				tear = func(*storage.Buckets) {} // the probe itself knows how
			}
			if breach := try(t, tear); breach == "" {
				t.Error("control: nothing happens without it")
			}
		})
	}
}

// torn returns the buckets of a house, without a part of the wall.
func torn(t *testing.T, h *storagetest.House, opts *storage.Options, tear func(*storage.Buckets)) *storage.Buckets {
	t.Helper()
	b := h.Buckets(t, opts)
	if tear != nil {
		tear(b)
	}
	return b
}

// liar is a store that lists a file of somebody else's.
type liar struct{ driver.Bucket }

func (liar) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }
func (liar) Close() error                       { return nil }
func (liar) ListPaged(context.Context, *driver.ListOptions) (*driver.ListPage, error) {
	return &driver.ListPage{Objects: []*driver.ListObject{{Key: "tenants/10/files/secret", Size: 1}}}, nil
}

type liars struct{ storage.Maker }

func (liars) Open(context.Context, string) (*blob.Bucket, error) { return blob.NewBucket(liar{}), nil }

func probeLies(t *testing.T, tear func(*storage.Buckets)) string {
	t.Helper()
	h := storagetest.NewHouse(t, liars{files(t)})
	b := torn(t, h, nil, tear)
	ctx, bucket := storagetest.As(t, b, h.Acme)
	o, err := bucket.List(nil).Next(ctx)
	if err == nil {
		return "it listed " + o.Key
	}
	if _, err := b.Usage(t.Context(), h.Acme); !errors.Is(err, storage.ErrRefused) {
		return "it counted another's file"
	}
	if err := b.Erase(t.Context(), h.Acme); !errors.Is(err, storage.ErrRefused) {
		return "it erased another's file"
	}
	return ""
}

// probeSwap has one file stored as another, by whoever has the store.
func probeSwap(t *testing.T, tear func(*storage.Buckets)) string {
	t.Helper()
	h := storagetest.NewHouse(t, files(t))
	b := torn(t, h, &storage.Options{Keys: oneKey{}}, tear)
	ctx, bucket := storagetest.As(t, b, h.Globex)
	must(t, bucket.WriteAll(ctx, "secret", []byte(storagetest.Secret), nil))
	raw, err := h.Account.Open(t.Context(), storagetest.SharedBucket)
	must(t, err)
	must(t, raw.Copy(t.Context(), "tenants/1/files/mine", "tenants/10/files/secret", nil))
	must(t, raw.Close())
	ctx, bucket = storagetest.As(t, b, h.Acme)
	if got, err := bucket.ReadAll(ctx, "mine"); err == nil {
		return "read " + string(got)
	}
	return ""
}

// oneKey is a host that gives all tenants one key.
type oneKey struct{}

func (oneKey) Current(context.Context, tenant.Tenant) ([]byte, uint32, error) {
	return bytes.Repeat([]byte("k"), 32), 1, nil
}

func (oneKey) Key(context.Context, tenant.Tenant, uint32) ([]byte, error) {
	return bytes.Repeat([]byte("k"), 32), nil
}

// probeMoved moves a tenant while it writes.
func probeMoved(t *testing.T, tear func(*storage.Buckets)) string {
	t.Helper()
	h := storagetest.NewHouse(t, files(t))
	b := torn(t, h, nil, tear)
	ctx, bucket := storagetest.As(t, b, h.Acme)
	w, err := bucket.NewWriter(ctx, "file", &blob.WriterOptions{ContentType: "text/plain"})
	must(t, err)
	h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Placement.Bucket = "main/acme-files" })
	if err := w.Close(); !errors.Is(err, storage.ErrMoved) {
		return "a file was written where its tenant is no more"
	}
	return ""
}

// generous is a ledger that lets everybody have everything.
type generous struct{ *storage.Tally }

func (g generous) Reserve(ctx context.Context, id tenant.ID, more storage.Amount, _ storage.Quota) error {
	return g.Tally.Reserve(ctx, id, more, storage.Quota{})
}

func probeQuota(t *testing.T, tear func(*storage.Buckets)) string {
	t.Helper()
	opts := &storage.Options{Quota: quota(100)}
	if tear != nil {
		opts.Ledger = generous{storage.NewTally()}
	}
	h := storagetest.NewHouse(t, files(t))
	ctx, bucket := storagetest.As(t, torn(t, h, opts, nil), h.Acme)
	if err := bucket.WriteAll(ctx, "file", []byte(strings.Repeat("x", 101)), nil); err == nil {
		return "a byte too many"
	}
	return ""
}
