package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
)

func checkFiles(t *testing.T, h *House) {
	ctx, b := As(t, h.Buckets(t, nil), h.Acme)
	for _, key := range []string{"a", "reports/2026/januar.csv", "Änderung ü.txt", "日本/語.txt", "a b+c=d&e?f#g", "100%", "x" + strings.Repeat("/y", 50)} {
		must(t, b.WriteAll(ctx, key, []byte(key), &blob.WriterOptions{ContentType: "text/plain; charset=utf-8", Metadata: map[string]string{"who": "me"}}))
		holds(ctx, t, b, key, key)
		a, err := b.Attributes(ctx, key)
		must(t, err)
		if a.ContentType != "text/plain; charset=utf-8" || a.Metadata["who"] != "me" || a.Size != int64(len(key)) {
			t.Errorf("%s: got attributes %+v", key, a)
		}
		if !strings.Contains(key, "?") { // which gofakes3 takes for the beginning of a version
			must(t, b.Copy(ctx, "copy", key, nil))
			holds(ctx, t, b, "copy", key)
		}
		must(t, b.Delete(ctx, key))
		if ok, err := b.Exists(ctx, key); ok || err != nil {
			t.Errorf("%s: is there after its end: %v, %v", key, ok, err)
		}
	}
	_, err := b.ReadAll(ctx, "missing")
	for what, err := range map[string]error{"read": err, "delete": b.Delete(ctx, "missing"), "copy": b.Copy(ctx, "a", "missing", nil)} {
		if gcerrors.Code(err) != gcerrors.NotFound {
			t.Errorf("%s of a missing file: %v", what, err)
		}
	}
}

func checkRanges(t *testing.T, h *House) {
	ctx, b := As(t, h.Buckets(t, nil), h.Acme)
	ranges(ctx, t, b, strings.Repeat("0123456789", 20))
}

// ranges reads parts of a file with the content given.
func ranges(ctx context.Context, t *testing.T, b *blob.Bucket, content string) {
	t.Helper()
	must(t, b.WriteAll(ctx, "file", []byte(content), nil))
	n := int64(len(content))
	for _, r := range [][2]int64{{0, -1}, {0, 1}, {1, 5}, {n - 1, 1}, {n / 2, -1}, {0, n}, {n / 3, n / 3}, {n - 5, 100}} {
		in, err := b.NewRangeReader(ctx, "file", r[0], r[1], nil)
		must(t, err)
		var got strings.Builder
		_, err = in.WriteTo(&got)
		must(t, errors.Join(err, in.Close()))
		end := n
		if r[1] >= 0 {
			end = min(n, r[0]+r[1])
		}
		if got.String() != content[r[0]:end] {
			t.Errorf("range %v: got %d bytes", r, got.Len())
		}
		if in.Size() != n {
			t.Errorf("range %v: got size %d, want %d", r, in.Size(), n)
		}
	}
}

func checkListings(t *testing.T, h *House) {
	ctx, b := As(t, h.Buckets(t, nil), h.Acme)
	all := []string{"a/1", "a/2", "a/b/3", "ab", "c"}
	for _, key := range all {
		must(t, b.WriteAll(ctx, key, []byte(key), nil))
	}
	for _, c := range []struct {
		prefix, delimiter string
		want              []string
	}{
		{"", "", all},
		{"", "/", []string{"a/", "ab", "c"}},
		{"a", "/", []string{"a/", "ab"}},
		{"a/", "/", []string{"a/1", "a/2", "a/b/"}},
		{"x", "", nil},
	} {
		if got := list(ctx, t, b, c.prefix, c.delimiter); !slices.Equal(got, c.want) {
			t.Errorf("list %q by %q: got %q, want %q", c.prefix, c.delimiter, got, c.want)
		}
	}
	var paged []string
	for token := blob.FirstPageToken; len(token) > 0; {
		objects, next, err := b.ListPage(ctx, token, 2, nil)
		must(t, err)
		for _, o := range objects {
			paged = append(paged, o.Key)
		}
		token = next
	}
	if !slices.Equal(paged, all) {
		t.Errorf("by pages: got %q", paged)
	}
}

func checkApart(t *testing.T, h *House) {
	buckets := h.Buckets(t, nil)
	acme, a := As(t, buckets, h.Acme)
	globex, g := As(t, buckets, h.Globex)
	must(t, a.WriteAll(acme, "same", []byte("acme's"), nil))
	must(t, g.WriteAll(globex, "same", []byte("globex's"), nil))
	must(t, g.WriteAll(globex, "only", []byte("globex's"), nil))
	holds(acme, t, a, "same", "acme's")
	holds(globex, t, g, "same", "globex's")
	if got := list(acme, t, a, "", ""); !slices.Equal(got, []string{"same"}) {
		t.Errorf("acme sees %q", got)
	}
	must(t, a.Delete(acme, "same"))
	holds(globex, t, g, "same", "globex's")
	_, err := a.ReadAll(globex, "same")
	wants(t, err, storage.ErrOtherTenant)
	_, err = a.ReadAll(t.Context(), "same")
	wants(t, err, tenant.ErrNoTenant)
	must(t, a.Close())
	holds(globex, t, g, "same", "globex's") // a tenant's Close is nobody else's
}

func checkReplacing(t *testing.T, h *House) {
	ctx, b := As(t, h.Buckets(t, nil), h.Acme)
	must(t, b.WriteAll(ctx, "file", []byte("first"), nil))
	must(t, b.WriteAll(ctx, "file", []byte("second"), nil))
	holds(ctx, t, b, "file", "second")
	err := b.WriteAll(ctx, "file", []byte("third"), &blob.WriterOptions{IfNotExist: true})
	if gcerrors.Code(err) != gcerrors.FailedPrecondition {
		t.Errorf("a file that is there was replaced: %v", err)
	}
	holds(ctx, t, b, "file", "second")
}

func checkAborting(t *testing.T, h *House) {
	buckets := h.Buckets(t, &storage.Options{Quota: func(tenant.Tenant) storage.Quota { return storage.Quota{Bytes: 1 << 20} }})
	ctx, b := As(t, buckets, h.Acme)
	must(t, b.WriteAll(ctx, "file", []byte("kept"), nil))
	inner, cancel := context.WithCancel(ctx)
	w, err := b.NewWriter(inner, "file", &blob.WriterOptions{ContentType: "text/plain"})
	must(t, err)
	_, err = w.Write([]byte("half"))
	must(t, err)
	cancel()
	wants(t, w.Close(), context.Canceled)
	holds(ctx, t, b, "file", "kept")
	used(t, buckets, h.Acme, storage.Amount{Bytes: 4, Files: 1})
}

func checkStatus(t *testing.T, h *House) {
	buckets := h.Buckets(t, nil)
	ctx, b := As(t, buckets, h.Acme)
	must(t, b.WriteAll(ctx, "file", []byte("kept"), nil))
	w, err := b.NewWriter(ctx, "late", &blob.WriterOptions{ContentType: "text/plain"})
	must(t, err)
	suspended := h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Suspended })
	_, err = fmt.Fprint(w, "begun before")
	wants(t, errors.Join(err, w.Close()), storage.ErrMoved)
	_, err = b.ReadAll(ctx, "file")
	wants(t, err, tenant.ErrSuspended)
	admitted := tenant.Admit(t.Context(), suspended)
	holds(admitted, t, b, "file", "kept")
	if got := list(admitted, t, b, "", ""); !slices.Equal(got, []string{"file"}) {
		t.Errorf("there is %q", got)
	}
	wants(t, b.WriteAll(admitted, "file", nil, nil), tenant.ErrSuspended)
	wants(t, b.Delete(admitted, "file"), tenant.ErrSuspended)
	wants(t, b.Copy(admitted, "copy", "file", nil), tenant.ErrSuspended)
}

// checkUnfinished: what is not a file yet is nowhere, and what a process that
// died has left of one neither, until the tenant is erased.
func checkUnfinished(t *testing.T, h *House) {
	buckets := h.Buckets(t, nil)
	ctx, b := As(t, buckets, h.Acme)
	w, err := b.NewWriter(ctx, "file", &blob.WriterOptions{ContentType: "text/plain"})
	must(t, err)
	_, err = w.Write(make([]byte, 300<<10))
	must(t, err)
	raw, err := h.Account.Open(t.Context(), SharedBucket)
	must(t, err)
	must(t, raw.WriteAll(t.Context(), "tenants/1/files/left.18eb3aa6a4dbe370.tmp", []byte("half"), nil))
	if got := list(ctx, t, b, "", ""); len(got) > 0 {
		t.Errorf("there is %q", got)
	}
	if u, err := buckets.Usage(t.Context(), h.Acme); err != nil || u != (storage.Usage{}) {
		t.Errorf("counted %+v, %v", u, err)
	}
	wants(t, b.WriteAll(ctx, "left.18eb3aa6a4dbe370.tmp", nil, nil), storage.ErrKey)
	must(t, b.WriteAll(ctx, "fine.18eb3aa6a4dbe37.tmp", nil, nil))
	must(t, w.Close())
	if got := list(ctx, t, b, "", ""); !slices.Equal(got, []string{"file", "fine.18eb3aa6a4dbe37.tmp"}) {
		t.Errorf("there is %q", got)
	}
	must(t, buckets.Erase(t.Context(), h.Acme))
	if got := list(t.Context(), t, raw, "", ""); len(got) > 0 {
		t.Errorf("after its end there is %q", got)
	}
}
