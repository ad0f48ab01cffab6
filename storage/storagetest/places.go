package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

// Keys are keys that are made of the tenant's ID, for tests.
type Keys struct{}

// Current implements [storage.Keys].
func (k Keys) Current(ctx context.Context, t tenant.Tenant) ([]byte, uint32, error) {
	key, err := k.Key(ctx, t, 7)
	return key, 7, err
}

// Key implements [storage.Keys].
func (Keys) Key(_ context.Context, t tenant.Tenant, number uint32) ([]byte, error) {
	if number != 7 {
		return nil, errors.New("storagetest: no such key")
	}
	sum := sha256.Sum256([]byte(t.ID.String()))
	return sum[:], nil
}

func checkSealed(t *testing.T, h *House) {
	buckets := h.limited(t, storage.Quota{Bytes: 10 << 20}, storage.Options{Keys: Keys{}})
	ctx, b := As(t, buckets, h.Acme)
	for _, n := range []int{0, 1, 100, 64<<10 - 2, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128<<10 - 1, 200_000} {
		content := strings.Repeat("0123456789", n/10+1)[:n]
		if n > 1 {
			ranges(ctx, t, b, content)
		} else {
			must(t, b.WriteAll(ctx, "file", []byte(content), nil))
			holds(ctx, t, b, "file", content)
		}
		edges(ctx, t, b, content)
		whole, err := b.NewRangeReader(ctx, "file", 0, math.MaxInt64, nil)
		must(t, err)
		got, err := io.ReadAll(whole)
		if err = errors.Join(err, whole.Close()); err != nil || string(got) != content {
			t.Errorf("to the end of the world: got %d bytes, %v", len(got), err)
		}
		must(t, b.Copy(ctx, "copy", "file", nil))
		holds(ctx, t, b, "copy", content)
		a, err := b.Attributes(ctx, "copy")
		must(t, err)
		if a.Size != int64(n) {
			t.Errorf("got size %d, want %d", a.Size, n)
		}
	}
	raw, err := h.Account.Open(t.Context(), SharedBucket)
	must(t, err)
	stored, err := raw.ReadAll(t.Context(), "tenants/1/files/file")
	must(t, err)
	if bytes.Contains(stored, []byte("0123456789")) {
		t.Error("the store sees the content")
	}
	for what, wrong := range map[string][]byte{
		"altered": append(bytes.Clone(stored[:len(stored)-1]), stored[len(stored)-1]^1),
		"cut":     stored[:len(stored)-1], "cut at a package": stored[:40+64<<10+32], "cut to its header": stored[:40],
		"not sealed": []byte("plain"), "empty": {},
	} {
		must(t, raw.WriteAll(t.Context(), "tenants/1/files/file", wrong, nil))
		if _, err := b.ReadAll(ctx, "file"); !errors.Is(err, storage.ErrCorrupt) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	// Under another name, and another's, it is nothing.
	must(t, raw.WriteAll(t.Context(), "tenants/1/files/other", stored, nil))
	_, err = b.ReadAll(ctx, "other")
	wants(t, err, storage.ErrCorrupt)
	must(t, raw.WriteAll(t.Context(), "tenants/10/files/file", stored, nil))
	ctx, b = As(t, buckets, h.Globex)
	_, err = b.ReadAll(ctx, "file")
	wants(t, err, storage.ErrCorrupt)
}

// edges reads a few bytes around the places where one package of a sealed file
// ends and another begins, and around its end.
func edges(ctx context.Context, t *testing.T, b *blob.Bucket, content string) {
	t.Helper()
	n := int64(len(content))
	for at := int64(0); at <= n; at += 64 << 10 {
		for offset := max(0, at-3); offset <= min(n, at+2); offset++ {
			for _, length := range []int64{-1, 1, 2, 3, 4} {
				in, err := b.NewRangeReader(ctx, "file", offset, length, nil)
				must(t, err)
				got, err := io.ReadAll(in)
				end := n
				if length >= 0 {
					end = min(n, offset+length)
				}
				if err = errors.Join(err, in.Close()); err != nil || string(got) != content[offset:end] {
					t.Errorf("%d bytes at %d of %d: got %d bytes, %v", length, offset, n, len(got), err)
				}
			}
		}
	}
}

func checkArchive(t *testing.T, h *House) {
	plain, sealed := h.Buckets(t, nil), h.Buckets(t, &storage.Options{Keys: Keys{}})
	ctx, b := As(t, plain, h.Acme)
	must(t, b.WriteAll(ctx, "a/b", []byte("one"), &blob.WriterOptions{ContentType: "text/css", Metadata: map[string]string{"k": "v"}}))
	must(t, b.WriteAll(ctx, "empty", nil, nil))
	var archive bytes.Buffer
	must(t, plain.Export(t.Context(), h.Acme, &archive))
	must(t, sealed.Import(t.Context(), h.Globex, &archive))
	ctx, b = As(t, sealed, h.Globex)
	holds(ctx, t, b, "a/b", "one")
	holds(ctx, t, b, "empty", "")
	a, err := b.Attributes(ctx, "a/b")
	must(t, err)
	if a.ContentType != "text/css" || a.Metadata["k"] != "v" {
		t.Errorf("got %+v", a)
	}
	wants(t, plain.Import(t.Context(), h.Acme, strings.NewReader(strings.Repeat("no archive", 100))), storage.ErrArchive)
}

func checkOwnBucket(t *testing.T, h *House) {
	buckets := h.Buckets(t, nil)
	own := h.Catalog.Add("own", 2, "main/own-files")
	for range 2 { // as after a crash
		must(t, buckets.Provision(t.Context(), own))
	}
	ctx, b := As(t, buckets, own)
	must(t, b.WriteAll(ctx, "file", []byte("own"), nil))
	holds(ctx, t, b, "file", "own")
	for range 2 {
		must(t, buckets.Deprovision(t.Context(), own))
	}
	if _, err := b.ReadAll(ctx, "file"); err == nil {
		t.Error("the bucket is there after its end")
	}
	must(t, buckets.Provision(t.Context(), h.Acme)) // in the shared bucket, which stays
	must(t, buckets.Deprovision(t.Context(), h.Acme))
	must(t, buckets.Provision(t.Context(), h.Globex))
}

func checkMove(t *testing.T, h *House) {
	buckets := h.Buckets(t, &storage.Options{Keys: Keys{}})
	ctx, b := As(t, buckets, h.Acme)
	for _, key := range []string{"a", "b/c", "d"} {
		must(t, b.WriteAll(ctx, key, []byte(key), nil))
	}
	must(t, h.Account.Create(t.Context(), "acme-files"))
	m := storage.Move{
		From: storage.Place{Store: "main"}, To: storage.Place{Store: "main", Bucket: "acme-files"},
		Switch: func(context.Context, tenant.Tenant) error {
			h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Placement.Bucket = "main/acme-files" })
			return nil
		},
	}
	wants(t, buckets.Move(t.Context(), h.Acme.ID, m), storage.ErrRefused) // it is active
	h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Maintenance })
	for range 2 { // as after a crash
		must(t, buckets.Move(t.Context(), h.Acme.ID, m))
	}
	h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Active })
	for _, key := range []string{"a", "b/c", "d"} {
		holds(ctx, t, b, key, key)
	}
	raw, err := h.Account.Open(t.Context(), SharedBucket)
	must(t, err)
	for _, key := range list(t.Context(), t, raw, "", "") {
		t.Errorf("the old place has %q", key)
	}
}
