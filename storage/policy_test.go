package storage_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

func TestAccept(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	var seen []storage.Upload
	b := h.Buckets(t, &storage.Options{Quota: quota(1 << 20), Accept: func(_ context.Context, u storage.Upload) error {
		seen = append(seen, u)
		if !strings.HasPrefix(u.Sniffed, "image/") {
			return errors.New("no image")
		}
		return nil
	}})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	png := append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte("x"), 3000)...)
	as := &blob.WriterOptions{ContentType: "image/png"}
	for _, n := range []int{8, 511, 512, 513, 3000} { // across what is looked at
		must(t, bucket.WriteAll(ctx, "cover", png[:n], as))
		if got, err := bucket.ReadAll(ctx, "cover"); err != nil || !bytes.Equal(got, png[:n]) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
	}
	for _, n := range []int{0, 20, 3000} {
		text := strings.Repeat("<html>", 500)[:n]
		if err := bucket.WriteAll(ctx, "cover", []byte(text), as); !errors.Is(err, storage.ErrRefused) {
			t.Errorf("%d bytes that are no image: %v", n, err)
		}
	}
	if last := seen[len(seen)-1]; last.Key != "cover" || last.Declared != "image/png" || last.Sniffed != "text/html; charset=utf-8" {
		t.Errorf("got %+v", last)
	}
	ledger(t, b, h.Acme, storage.Amount{Bytes: 3000, Files: 1})
}

func TestRetain(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, &storage.Options{Quota: quota(1000), Retain: func(_ context.Context, _ tenant.Tenant, key string) error {
		if strings.HasPrefix(key, "invoices/") {
			return errors.New("for ten years")
		}
		return nil
	}})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "invoices/1", []byte("100"), nil))
	must(t, bucket.WriteAll(ctx, "other", []byte("1"), nil))
	for what, err := range map[string]error{
		"delete": bucket.Delete(ctx, "invoices/1"), "replace": bucket.WriteAll(ctx, "invoices/1", []byte("200"), nil),
		"copy over": bucket.Copy(ctx, "invoices/1", "other", nil),
	} {
		if !errors.Is(err, storage.ErrRetained) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, bucket.Delete(ctx, "other"))
	ledger(t, b, h.Acme, storage.Amount{Bytes: 3, Files: 1})
	must(t, b.Erase(t.Context(), h.Acme)) // whoever says so has decided it
	ledger(t, b, h.Acme, storage.Amount{})
}

// meter keeps what it is told.
type meter struct{ sum storage.Traffic }

func (m *meter) Count(_ context.Context, _ tenant.Tenant, more storage.Traffic) {
	m.sum.Reads += more.Reads
	m.sum.Writes += more.Writes
	m.sum.In += more.In
	m.sum.Out += more.Out
}

func TestMeter(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	m := &meter{}
	b := h.Buckets(t, &storage.Options{Meter: m})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "file", make([]byte, 100), nil))
	r, err := bucket.NewRangeReader(ctx, "file", 10, 20, nil)
	must(t, err)
	_, err = io.Copy(io.Discard, r)
	must(t, errors.Join(err, r.Close()))
	if want := (storage.Traffic{Reads: 1, Writes: 1, In: 100, Out: 20}); m.sum != want || b.Traffic(h.Acme.ID) != want {
		t.Errorf("got %+v and %+v", m.sum, b.Traffic(h.Acme.ID))
	}
	if got := b.Traffic(h.Globex.ID); got != (storage.Traffic{}) {
		t.Errorf("another has %+v", got)
	}
}

// TestRecount: what came past the wall counts after it.
func TestRecount(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, &storage.Options{Quota: quota(100)})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "file", make([]byte, 10), nil))
	raw, err := h.Account.Open(t.Context(), storagetest.SharedBucket)
	must(t, err)
	must(t, raw.WriteAll(t.Context(), "tenants/1/files/past", make([]byte, 50), nil))
	must(t, raw.Close())
	got, err := b.Recount(t.Context(), h.Acme)
	must(t, err)
	if got != (storage.Amount{Bytes: 60, Files: 2}) {
		t.Errorf("counted %+v", got)
	}
	if err := bucket.WriteAll(ctx, "more", make([]byte, 41), nil); !errors.Is(err, storage.ErrQuota) {
		t.Errorf("got %v", err)
	}

	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := b.Recount(ended, h.Acme); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// TestRecountAmongWriters: who has files open is not waited for, may open more,
// and what is reserved for them counts on.
func TestRecountAmongWriters(t *testing.T) {
	t.Parallel()
	const large = 300 << 10 // more than is gathered before it is reserved
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, &storage.Options{Quota: quota(2 * large)})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "file", make([]byte, 10), nil))
	begin := func(key string) *blob.Writer {
		w, err := bucket.NewWriter(ctx, key, &blob.WriterOptions{ContentType: "text/plain"})
		must(t, err)
		_, err = w.Write(make([]byte, large))
		must(t, err)
		return w
	}
	recount := func() {
		got, err := b.Recount(t.Context(), h.Acme)
		must(t, err)
		if got != (storage.Amount{Bytes: 10, Files: 1}) {
			t.Errorf("counted %+v", got)
		}
	}
	first := begin("first")
	recount()
	if used, err := b.Used(t.Context(), h.Acme); err != nil || used.Bytes != 10+large {
		t.Errorf("the ledger has %+v, %v", used, err)
	}
	if err := bucket.WriteAll(ctx, "second", make([]byte, large), nil); !errors.Is(err, storage.ErrQuota) {
		t.Errorf("what is reserved was given to another: %v", err)
	}
	must(t, bucket.Delete(ctx, "file"))
	second := begin("second")
	must(t, first.Close())
	must(t, second.Close())
	ledger(t, b, h.Acme, storage.Amount{Bytes: 2 * large, Files: 2})
}

// TestImportRefuses: an archive that is not plain files under good keys.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, &storage.Options{Quota: quota(100)})
	for what, c := range map[string]struct {
		head tar.Header
		want error
	}{
		"symlink": {tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc/passwd"}, storage.ErrArchive},
		"link":    {tar.Header{Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}, storage.ErrArchive},
		"folder":  {tar.Header{Typeflag: tar.TypeDir, Name: "a/"}, storage.ErrArchive},
		"device":  {tar.Header{Typeflag: tar.TypeChar, Name: "a"}, storage.ErrArchive},
		"a slip":  {tar.Header{Typeflag: tar.TypeReg, Name: "../../10/files/a"}, storage.ErrKey},
		"a bomb":  {tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 101}, storage.ErrQuota},
		"control": {tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 100}, nil},
	} {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		must(t, w.WriteHeader(&c.head))
		_, err := w.Write(make([]byte, c.head.Size))
		must(t, errors.Join(err, w.Close()))
		if err := b.Import(t.Context(), h.Acme, &archive); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", what, err)
		}
		must(t, b.Erase(t.Context(), h.Acme))
	}
}

// FuzzImport holds that no archive puts anything outside of its tenant's place.
func FuzzImport(f *testing.F) {
	for _, name := range storagetest.Tricks() {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		if w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 1}) == nil {
			_, _ = w.Write([]byte("x"))
		}
		_ = w.Close()
		f.Add(archive.Bytes())
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		h := storagetest.NewHouse(t, &storagetest.Memory{})
		b := h.Buckets(t, &storage.Options{Quota: quota(1 << 20)})
		_ = b.Import(t.Context(), h.Acme, bytes.NewReader(archive)) // whatever it says
		raw, err := h.Account.Open(t.Context(), storagetest.SharedBucket)
		must(t, err)
		list := raw.List(nil)
		for o, err := list.Next(t.Context()); err == nil; o, err = list.Next(t.Context()) {
			key, mine := strings.CutPrefix(o.Key, "tenants/1/files/")
			if !mine || storage.CheckKey(key) != nil {
				t.Errorf("it put %q", o.Key)
			}
		}
	})
}

// TestKeysOfFiles: an earlier key still opens what it has sealed, one that is
// gone opens nothing.
func TestKeysOfFiles(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	keys := &rotating{keys: map[uint32][]byte{1: bytes.Repeat([]byte("1"), 32)}, now: 1}
	ctx, b := storagetest.As(t, h.Buckets(t, &storage.Options{Keys: keys}), h.Acme)
	must(t, b.WriteAll(ctx, "old", []byte("old"), nil))
	keys.keys[2], keys.now = bytes.Repeat([]byte("2"), 32), 2
	must(t, b.WriteAll(ctx, "new", []byte("new"), nil))
	for _, key := range []string{"old", "new"} {
		if got, err := b.ReadAll(ctx, key); err != nil || string(got) != key {
			t.Errorf("got %q, %v", got, err)
		}
	}
	delete(keys.keys, 1)
	if _, err := b.ReadAll(ctx, "old"); !errors.Is(err, errShredded) {
		t.Errorf("got %v", err)
	}
	keys.keys[3], keys.now = []byte("short"), 3
	if err := b.WriteAll(ctx, "bad", []byte("x"), nil); err == nil {
		t.Error("sealed by a key that is too short")
	}
}

// TestKeysFail: where there is no key, nothing is left of what was begun.
func TestKeysFail(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	for what, accept := range map[string]func(context.Context, storage.Upload) error{
		"at once": nil, "after a look": func(context.Context, storage.Upload) error { return nil },
	} {
		b := h.Buckets(t, &storage.Options{Keys: &rotating{}, Quota: quota(1000), Accept: accept})
		ctx, bucket := storagetest.As(t, b, h.Acme)
		for _, n := range []int{1, 1000} {
			if err := bucket.WriteAll(ctx, "file", make([]byte, n), nil); !errors.Is(err, errShredded) {
				t.Errorf("%s: got %v", what, err)
			}
		}
		empty(t, h, storagetest.SharedBucket) // of temporary files too
		ledger(t, b, h.Acme, storage.Amount{})
	}
}

var errShredded = errors.New("shredded")

type rotating struct {
	keys map[uint32][]byte
	now  uint32
}

func (r *rotating) Current(ctx context.Context, t tenant.Tenant) ([]byte, uint32, error) {
	key, err := r.Key(ctx, t, r.now)
	return key, r.now, err
}

func (r *rotating) Key(_ context.Context, _ tenant.Tenant, number uint32) ([]byte, error) {
	if key, ok := r.keys[number]; ok {
		return key, nil
	}
	return nil, errShredded
}

// TestDisposition: what browsers are not known to show only is saved, under the
// name that the caller gives; what they show is not touched.
func TestDisposition(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	wide := func(kind string) bool { return storage.Passive(kind) || kind == "text/html" }
	for _, c := range []struct {
		inline          func(string) bool
		kind, has, want string
	}{
		{nil, "text/html", "", "attachment"},
		{nil, "text/html", "inline", "attachment"},
		{nil, "text/html", `Attachment; filename="a.html"`, `Attachment; filename="a.html"`},
		{nil, "image/svg+xml", "", "attachment"},
		{nil, "application/unknown", "", "attachment"},
		{nil, "unknown/unknown", "", "attachment"},
		{nil, "*/*", "", "attachment"},
		{nil, "multipart/x-mixed-replace; boundary=x", "", "attachment"},
		{nil, "video/x+xml", "", "attachment"},
		{nil, "image/png", "", ""},
		{nil, "IMAGE/PNG; a=b", "", ""},
		{nil, "audio/ogg", "", ""},
		{nil, "text/plain; charset=utf-8", "inline", "inline"},
		{wide, "Text/HTML; charset=utf-8", "", ""},
		{wide, "image/png", "", ""},
		{wide, "image/svg+xml", "", "attachment"},
	} {
		ctx, b := storagetest.As(t, h.Buckets(t, &storage.Options{Inline: c.inline}), h.Acme)
		must(t, b.WriteAll(ctx, "file", []byte("x"), &blob.WriterOptions{ContentType: c.kind, ContentDisposition: c.has}))
		a, err := b.Attributes(ctx, "file")
		must(t, err)
		if a.ContentDisposition != c.want {
			t.Errorf("%s: got %q", c.kind, a.ContentDisposition)
		}
	}
}
