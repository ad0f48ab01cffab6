package storage_test

import (
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/storagetest"
)

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"a", "a/b", "a b", "100%", "100%x", "%zz", "..a", "a..b", "a/..b", "...", "é", "日本/語", "a=b&c", "(1) [2] {3}", "~x", "a.tmp", "18eb3aa6a4dbe370.tmp", "👩🏽.png",
		strings.Repeat("x", storage.MaxKey),
	} {
		if err := storage.CheckKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for _, key := range append(storagetest.Tricks(), "", "a/", "a/b.18eb3aa6a4dbe370.tmp", strings.Repeat("x", storage.MaxKey+1)) {
		err := storage.CheckKey(key)
		var broken *storage.KeyError
		if !errors.Is(err, storage.ErrKey) || !errors.As(err, &broken) || broken.Rule == "" {
			t.Errorf("%q: got %v", key, err)
		}
		if len(key) > 3 && err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%q: the error holds the key", key)
		}
	}
}

// FuzzKey holds that a key that is let in stays below its tenant's prefix, and
// stays the same, however often others decode, normalize or clean it.
func FuzzKey(f *testing.F) {
	for _, key := range append(storagetest.Tricks(), "a/b", "é", "100%", "a%2", "%%32%65", "ﬀ/x", "℀") {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if storage.CheckKey(key) != nil {
			return
		}
		readings := []string{key, norm.NFC.String(key), norm.NFKC.String(key), strings.ReplaceAll(norm.NFKC.String(key), `\`, "/")}
		for _, reading := range readings {
			if decoded, err := url.PathUnescape(reading); err == nil {
				readings = append(readings, decoded)
			}
		}
		for _, reading := range readings {
			name := "tenants/1/files/" + reading
			if path.Clean(name) != name || !strings.HasPrefix(path.Clean(name), "tenants/1/files/") {
				t.Errorf("%q reads as %q", key, reading)
			}
			if strings.ContainsAny(reading, "\x00\r\n\\") || !utf8.ValidString(reading) {
				t.Errorf("%q reads as %q", key, reading)
			}
		}
		if readings[1] != key {
			t.Errorf("%q has two forms", key)
		}
	})
}

// FuzzFile holds that a key that is let in names a file that can be read and
// listed under the same name, and that its neighbour with another number has
// nothing.
func FuzzFile(f *testing.F) {
	for _, key := range append(storagetest.Tricks(), "a/b", "é", "100%", "0/files/x", "/", "#", "?versionId=1", "+") {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		h := storagetest.NewHouse(t, &storagetest.Memory{})
		buckets := h.Buckets(t, nil)
		ctx, b := storagetest.As(t, buckets, h.Acme)
		err := b.WriteAll(ctx, key, []byte(key), nil)
		if storage.CheckKey(key) != nil {
			if err == nil {
				t.Fatalf("%q was taken", key)
			}
			return
		}
		must(t, err)
		o, err := b.List(nil).Next(ctx)
		must(t, err)
		if o.Key != key {
			t.Errorf("%q is listed as %q", key, o.Key)
		}
		other, g := storagetest.As(t, buckets, h.Globex)
		if _, err := g.List(nil).Next(other); err == nil {
			t.Errorf("%q is seen by another tenant", key)
		}
	})
}

// FuzzPlace holds that what is read as a place is written the same, and leads
// nowhere else.
func FuzzPlace(f *testing.F) {
	for _, word := range []string{"", "main", "main/acme", "main/../x", "/x", "main/", "a/b/c", "s3://x"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		p, err := storage.ParsePlace(word)
		if err != nil {
			return
		}
		if p.String() != word || strings.Contains(p.Bucket, "/") || p.Bucket == ".." || p.Store == ".." {
			t.Errorf("%q reads as %+v", word, p)
		}
	})
}
