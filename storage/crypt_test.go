package storage_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
)

// TestReplacedWhileOpened: a part of a sealed file is opened by two requests.
// Where the file is replaced between them, the new one is read.
func TestReplacedWhileOpened(t *testing.T) {
	t.Parallel()
	inner := gofakes3.New(s3mem.New()).Server()
	var between atomic.Pointer[func()]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if part := r.Header.Get("Range"); part != "" && !strings.HasPrefix(part, "bytes=0-") {
			if replace := between.Swap(nil); replace != nil {
				(*replace)()
			}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	h := storagetest.NewHouse(t, s3bucket.New(client(server.URL), nil))
	ctx, b := storagetest.As(t, h.Buckets(t, &storage.Options{Keys: storagetest.Keys{}}), h.Acme)
	for what, size := range map[string]int{"as long": 200_000, "shorter": 100_000} {
		must(t, b.WriteAll(ctx, "file", bytes.Repeat([]byte("1"), 200_000), nil))
		replace := func() { must(t, b.WriteAll(ctx, "file", bytes.Repeat([]byte("2"), size), nil)) }
		between.Store(&replace)
		in, err := b.NewRangeReader(ctx, "file", 150_000, 10, nil)
		must(t, err)
		got, err := io.ReadAll(in)
		must(t, err)
		must(t, in.Close())
		if want := strings.Repeat("2", max(0, min(10, size-150_000))); string(got) != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
		if between.Load() != nil {
			t.Errorf("%s: it was not replaced", what)
		}
	}
}
