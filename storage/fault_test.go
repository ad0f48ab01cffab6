package storage_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"gocloud.dev/blob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

// faulty is an S3 server whose answers can be spoilt.
type faulty struct {
	*httptest.Server

	status atomic.Int64 // answered instead; 0 is none
	hold   atomic.Bool  // no answer at all
	lose   atomic.Bool  // puts are done, and answered by 500
	held   chan struct{}
}

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	f := &faulty{held: make(chan struct{}, 100)}
	inner := gofakes3.New(s3mem.New()).Server()
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch status := f.status.Load(); {
		case f.hold.Load():
			f.held <- struct{}{}
			<-r.Context().Done()
		case status != 0:
			w.WriteHeader(int(status))
		case f.lose.Load() && r.Method == http.MethodPut:
			inner.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusInternalServerError)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func quota(bytes int64) func(tenant.Tenant) storage.Quota {
	return func(tenant.Tenant) storage.Quota { return storage.Quota{Bytes: bytes} }
}

// ledger fails the test unless a tenant has the amount, by ledger and store.
func ledger(t *testing.T, b *storage.Buckets, who tenant.Tenant, want storage.Amount) {
	t.Helper()
	known, err := b.Used(t.Context(), who)
	must(t, err)
	u, err := b.Usage(t.Context(), who)
	must(t, err)
	if known != want || u.Amount() != want {
		t.Errorf("%+v in the ledger, %+v in the store, want %+v", known, u.Amount(), want)
	}
}

// TestStoreAnswersErrors: a call fails, after the client's own attempts; what
// was there is there; what was reserved is given back as soon as it is known
// that nothing happened.
func TestStoreAnswersErrors(t *testing.T) {
	t.Parallel()
	server := newFaulty(t)
	h := storagetest.NewHouse(t, s3bucket.New(client(server.URL), nil))
	buckets := h.Buckets(t, &storage.Options{Quota: quota(1000)})
	ctx, b := storagetest.As(t, buckets, h.Acme)
	must(t, b.WriteAll(ctx, "file", []byte("kept"), nil))

	server.status.Store(http.StatusInternalServerError)
	if _, err := b.ReadAll(ctx, "file"); err == nil {
		t.Error("read from a store that answers errors")
	}
	if err := b.WriteAll(ctx, "file", []byte("lost"), nil); err == nil {
		t.Error("wrote to a store that answers errors")
	}
	server.status.Store(0)
	if got, err := b.ReadAll(ctx, "file"); err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := buckets.Recount(t.Context(), h.Acme)
	must(t, err)
	ledger(t, buckets, h.Acme, storage.Amount{Bytes: 4, Files: 1})

	// The answer is lost, the file is not, and counts.
	server.lose.Store(true)
	if err := b.WriteAll(ctx, "other", []byte("12345"), nil); err == nil {
		t.Error("an answer of 500 is no error")
	}
	ledger(t, buckets, h.Acme, storage.Amount{Bytes: 9, Files: 2})
}

// TestStoreIsSlow: a call ends with its context, and holds nothing afterwards.
func TestStoreIsSlow(t *testing.T) {
	t.Parallel()
	server := newFaulty(t)
	h := storagetest.NewHouse(t, s3bucket.New(client(server.URL), nil))
	buckets := h.Buckets(t, &storage.Options{Quota: quota(1000)})
	ctx, b := storagetest.As(t, buckets, h.Acme)
	must(t, b.WriteAll(ctx, "file", []byte("kept"), nil))

	server.hold.Store(true)
	ending, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		_, err := b.ReadAll(ending, "file")
		failed <- err
	}()
	<-server.held
	began := time.Now()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || time.Since(began) > 3*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
	server.hold.Store(false)
	must(t, b.WriteAll(ctx, "file", []byte("again"), nil))
	ledger(t, buckets, h.Acme, storage.Amount{Bytes: 5, Files: 1})
}

// TestStoreIsKilled: a write under way fails and leaves what was there; when the
// store is back, the same buckets go on.
func TestStoreIsKilled(t *testing.T) {
	t.Parallel()
	server := serve(t)
	h := storagetest.NewHouse(t, s3bucket.New(client(server.URL()), nil))
	buckets := h.Buckets(t, &storage.Options{Quota: quota(100 << 20)})
	ctx, b := storagetest.As(t, buckets, h.Acme)
	must(t, b.WriteAll(ctx, "file", []byte("kept"), nil))

	w, err := b.NewWriter(ctx, "file", &blob.WriterOptions{ContentType: "text/plain"})
	must(t, err)
	_, err = w.Write(bytes.Repeat([]byte("x"), 12<<20)) // more than a part: it is on its way
	must(t, err)
	must(t, server.Kill(t.Context()))
	if err := w.Close(); err == nil {
		t.Error("wrote to a store that is dead")
	}
	if _, err := b.ReadAll(ctx, "file"); err == nil {
		t.Error("read from a store that is dead")
	}
	// What is not in that store goes on.
	other := storagetest.NewHouse(t, files(t))
	there, f := storagetest.As(t, other.Buckets(t, nil), other.Acme)
	must(t, f.WriteAll(there, "file", []byte("served"), nil))

	must(t, server.Restart(t.Context()))
	if got, err := b.ReadAll(ctx, "file"); err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = buckets.Recount(t.Context(), h.Acme) // as the log has asked for
	must(t, err)
	ledger(t, buckets, h.Acme, storage.Amount{Bytes: 4, Files: 1})
	must(t, b.WriteAll(ctx, "file", []byte("again"), nil))
}
