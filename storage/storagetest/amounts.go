package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

// used fails the test unless the ledger and the store agree on what a tenant
// has.
func used(t testing.TB, b *storage.Buckets, who tenant.Tenant, want storage.Amount) {
	t.Helper()
	u, err := b.Usage(t.Context(), who)
	must(t, err)
	if u.Amount() != want {
		t.Errorf("%s has %+v in the store, want %+v", who.Slug, u.Amount(), want)
	}
	known, err := b.Used(t.Context(), who)
	must(t, err)
	if known != want {
		t.Errorf("%s has %+v in the ledger, want %+v", who.Slug, known, want)
	}
}

// limited returns the buckets of a house where everybody has the quota.
func (h *House) limited(t testing.TB, q storage.Quota, opts storage.Options) *storage.Buckets {
	t.Helper()
	opts.Quota = func(tenant.Tenant) storage.Quota { return q }
	return h.Buckets(t, &opts)
}

func checkQuota(t *testing.T, h *House) {
	before := h.Buckets(t, nil)
	ctx, b := As(t, before, h.Acme)
	must(t, b.WriteAll(ctx, "old", make([]byte, 10), nil)) // has to be found by counting

	buckets := h.limited(t, storage.Quota{Bytes: 100, Files: 3, File: 80}, storage.Options{})
	ctx, b = As(t, buckets, h.Acme)
	wants(t, b.WriteAll(ctx, "big", make([]byte, 81), nil), storage.ErrQuota)
	must(t, b.WriteAll(ctx, "one", make([]byte, 80), nil))
	wants(t, b.WriteAll(ctx, "two", make([]byte, 11), nil), storage.ErrQuota)
	used(t, buckets, h.Acme, storage.Amount{Bytes: 90, Files: 2})
	must(t, b.WriteAll(ctx, "two", make([]byte, 10), nil)) // to the last byte
	wants(t, b.WriteAll(ctx, "three", nil, nil), storage.ErrQuota)
	wants(t, b.Copy(ctx, "three", "two", nil), storage.ErrQuota)
	used(t, buckets, h.Acme, storage.Amount{Bytes: 100, Files: 3})
	must(t, b.Delete(ctx, "one"))
	must(t, b.WriteAll(ctx, "two", make([]byte, 50), nil))
	must(t, b.Copy(ctx, "one", "old", nil))
	used(t, buckets, h.Acme, storage.Amount{Bytes: 70, Files: 3})
	err := b.WriteAll(ctx, "two", make([]byte, 31), nil)
	var full *storage.QuotaError
	if !errors.As(err, &full) || full.Quota.Bytes != 100 || gcerrors.Code(err) != gcerrors.ResourceExhausted {
		t.Errorf("got %v", err)
	}
	ctx, b = As(t, buckets, h.Globex) // whose quota is its own
	must(t, b.WriteAll(ctx, "file", make([]byte, 80), nil))
}

func checkQuotaTogether(t *testing.T, h *House) {
	const writers, size = 8, 1000
	buckets := h.limited(t, storage.Quota{Bytes: 3 * size}, storage.Options{})
	ctx, b := As(t, buckets, h.Acme)
	var (
		wait sync.WaitGroup
		errs = make(chan error, writers)
	)
	for i := range writers {
		wait.Go(func() { errs <- slowly(ctx, b, fmt.Sprint("file", i), size) })
	}
	wait.Wait()
	close(errs)
	kept := int64(0)
	for err := range errs {
		if err == nil {
			kept++
		} else {
			wants(t, err, storage.ErrQuota)
		}
	}
	if kept > 3 {
		t.Errorf("%d writers got past a quota for 3", kept)
	}
	used(t, buckets, h.Acme, storage.Amount{Bytes: kept * size, Files: kept})

	// All at once over one file: what each replaces is given back once.
	for range writers {
		wait.Go(func() { _ = b.WriteAll(ctx, "file0", make([]byte, 10), nil) }) // those beyond the quota fail
	}
	wait.Wait()
	u, err := buckets.Usage(t.Context(), h.Acme)
	must(t, err)
	used(t, buckets, h.Acme, u.Amount())
}

// slowly writes a file a hundred bytes at a time.
func slowly(ctx context.Context, b *blob.Bucket, key string, size int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := b.NewWriter(ctx, key, &blob.WriterOptions{ContentType: "text/plain"})
	if err != nil {
		return err
	}
	for range size / 100 {
		if _, err := w.Write(make([]byte, 100)); err != nil {
			cancel()
			_ = w.Close() // is what the context's end is
			return err
		}
	}
	return w.Close()
}

func checkTrash(t *testing.T, h *House) {
	now := time.Now()
	clock := func() time.Time { now = now.Add(time.Second); return now }
	buckets := h.limited(t, storage.Quota{Bytes: 1000}, storage.Options{Trash: time.Hour, Clock: clock})
	ctx, b := As(t, buckets, h.Acme)
	must(t, b.WriteAll(ctx, "dir/file", []byte("first"), nil))
	must(t, b.WriteAll(ctx, "dir/file", []byte("second"), nil))
	must(t, b.Delete(ctx, "dir/file"))
	used(t, buckets, h.Acme, storage.Amount{Bytes: 11, Files: 2})
	if got := list(ctx, t, b, "", ""); len(got) > 0 {
		t.Errorf("the tenant sees %q", got)
	}
	must(t, buckets.Restore(ctx, "dir/file"))
	holds(ctx, t, b, "dir/file", "second")
	must(t, buckets.Restore(ctx, "dir/file"))
	holds(ctx, t, b, "dir/file", "first")
	used(t, buckets, h.Acme, storage.Amount{Bytes: 11, Files: 2})
	if err := buckets.Restore(ctx, "never"); gcerrors.Code(err) != gcerrors.NotFound {
		t.Errorf("got %v", err)
	}
	if swept, err := buckets.Sweep(t.Context(), h.Acme); swept.Files > 0 || err != nil {
		t.Errorf("swept %+v too early, %v", swept, err)
	}
	now = now.Add(2 * time.Hour)
	swept, err := buckets.Sweep(t.Context(), h.Acme)
	must(t, err)
	if swept != (storage.Amount{Bytes: 6, Files: 1}) {
		t.Errorf("swept %+v", swept)
	}
	used(t, buckets, h.Acme, storage.Amount{Bytes: 5, Files: 1})
}

func checkUsage(t *testing.T, h *House) {
	buckets := h.Buckets(t, nil)
	ctx, b := As(t, buckets, h.Acme)
	must(t, b.WriteAll(ctx, "file", []byte("12345"), nil))
	holds(ctx, t, b, "file", "12345")
	list(ctx, t, b, "", "")
	wants(t, b.WriteAll(ctx, "../file", nil, nil), storage.ErrKey)
	must(t, b.Delete(ctx, "file"))
	got := buckets.Traffic(h.Acme.ID)
	if got != (storage.Traffic{Reads: 1, Writes: 1, Deletes: 1, Lists: 1, Refused: 1, In: 5, Out: 5}) {
		t.Errorf("got %+v", got)
	}
	must(t, b.WriteAll(ctx, "file", bytes.Repeat([]byte("x"), 7), nil))
	must(t, buckets.Erase(t.Context(), h.Acme))
	if u, err := buckets.Usage(t.Context(), h.Acme); err != nil || u != (storage.Usage{}) {
		t.Errorf("after its end: %+v, %v", u, err)
	}
	if text := strings.Join(list(ctx, t, b, "", ""), " "); text != "" {
		t.Errorf("there is %q", text)
	}
}
