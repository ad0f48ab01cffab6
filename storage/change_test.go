package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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

// late is an S3 server that does what one kind of request asks for after the
// caller has gone, and has asked what came of it.
type late struct {
	*httptest.Server

	mu     sync.Mutex
	method string // of the request that is late; "" is none
	gone   func() // ends the caller's context
	do     func() // what is still to be done
}

func newLate(t *testing.T) *late {
	t.Helper()
	l := &late{}
	inner := gofakes3.New(s3mem.New()).Server()
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		caught := l.method != "" && r.Method == l.method && strings.Contains(r.URL.Path, "/files/")
		if caught {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			again := r.Clone(context.Background())
			again.Body = http.NoBody
			if body.Len() > 0 {
				again.Body = readCloser{&body}
			}
			l.do = func() { inner.ServeHTTP(httptest.NewRecorder(), again) }
			l.method = ""
			l.gone()
		}
		l.mu.Unlock()
		if caught {
			<-r.Context().Done()
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// catch has the next request of a method come late. It returns the context that
// ends meanwhile.
func (l *late) catch(ctx context.Context, method string) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.method = method
	ctx, l.gone = context.WithCancel(ctx)
	return ctx
}

// arrive has it done.
func (l *late) arrive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.do()
}

// TestChangeIsLate: a request that the store does after its caller has gone, and
// has seen that nothing had happened, costs neither the file in the trash nor a
// byte of the quota; the log says so without names.
func TestChangeIsLate(t *testing.T) {
	t.Parallel()
	server := newLate(t)
	h := storagetest.NewHouse(t, s3bucket.New(client(server.URL), nil))
	var said bytes.Buffer
	b := h.Buckets(t, &storage.Options{
		Quota: quota(1000), Trash: time.Hour, Logger: slog.New(slog.NewTextHandler(&said, nil)),
	})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "jane", []byte("precious"), nil))
	if err := bucket.Delete(server.catch(ctx, http.MethodDelete), "jane"); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	server.arrive()
	must(t, b.Restore(ctx, "jane"))
	if got, err := bucket.ReadAll(ctx, "jane"); err != nil || string(got) != "precious" {
		t.Errorf("got %q, %v", got, err)
	}

	if err := bucket.WriteAll(server.catch(ctx, http.MethodPut), "joe", make([]byte, 900), nil); err == nil {
		t.Fatal("no error")
	}
	server.arrive()
	if err := bucket.WriteAll(ctx, "jim", make([]byte, 900), nil); !errors.Is(err, storage.ErrQuota) {
		t.Errorf("what came late does not count: %v", err)
	}
	_, err := b.Recount(t.Context(), h.Acme)
	must(t, err)
	ledger(t, b, h.Acme, storage.Amount{Bytes: 908, Files: 2})
	text := said.String()
	if !strings.Contains(text, "recount") {
		t.Errorf("the log says %q", text)
	}
	for _, name := range []string{"jane", "joe", "tenants"} {
		if strings.Contains(text, name) {
			t.Errorf("the log tells of %q: %s", name, text)
		}
	}
}

// grudging is a ledger that fails when a file is taken out.
type grudging struct {
	*storage.Tally

	fail bool
}

func (g *grudging) Reserve(ctx context.Context, id tenant.ID, more storage.Amount, q storage.Quota) error {
	if g.fail && more.Files < 0 {
		return errors.New("no")
	}
	return g.Tally.Reserve(ctx, id, more, q)
}

// TestRestoreFailsLate: when the file is back and what it was brought back from
// cannot be taken off the ledger, both the old and the new one are there.
func TestRestoreFailsLate(t *testing.T) {
	t.Parallel()
	l := &grudging{Tally: storage.NewTally()}
	now := time.Now()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, &storage.Options{
		Trash: time.Hour, Quota: quota(1000), Ledger: l,
		Clock: func() time.Time { now = now.Add(time.Second); return now },
	})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "file", []byte("old"), nil))
	must(t, bucket.WriteAll(ctx, "file", []byte("current"), nil))
	l.fail = true
	if err := b.Restore(ctx, "file"); err == nil {
		t.Error("no error")
	}
	l.fail = false
	for _, want := range []string{"old", "current", "old"} {
		if got, err := bucket.ReadAll(ctx, "file"); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		must(t, b.Restore(ctx, "file"))
	}
}

// TestCopyOfWhatChanges: the ledger knows the size of what was copied, while its
// source is replaced all the time.
func TestCopyOfWhatChanges(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, &storage.Options{Quota: quota(1 << 30)})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "src", nil, nil))
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for i := range 60 {
				if err := bucket.WriteAll(ctx, "src", make([]byte, i%2*10_000), nil); err != nil {
					t.Error(err)
				}
			}
		})
		wait.Go(func() {
			for range 60 {
				if err := bucket.Copy(ctx, "dst", "src", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	u, err := b.Usage(t.Context(), h.Acme)
	must(t, err)
	ledger(t, b, h.Acme, u.Amount())
}

// TestQuotaOfManyWriters: files that are open take what is written to them and
// nothing ahead.
func TestQuotaOfManyWriters(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, &storage.Options{Quota: quota(1 << 20)})
	ctx, bucket := storagetest.As(t, b, h.Acme)
	var open []*blob.Writer
	for i := range 10 {
		w, err := bucket.NewWriter(ctx, fmt.Sprint("file", i), &blob.WriterOptions{ContentType: "text/plain"})
		must(t, err)
		_, err = w.Write(make([]byte, 100<<10))
		must(t, err)
		open = append(open, w)
	}
	for _, w := range open {
		must(t, w.Close())
	}
	ledger(t, b, h.Acme, storage.Amount{Bytes: 1000 << 10, Files: 10})
	if err := bucket.WriteAll(ctx, "more", make([]byte, 24<<10+1), nil); !errors.Is(err, storage.ErrQuota) {
		t.Errorf("got %v", err)
	}
}

// TestAcceptOfCopies: what comes by a copy or out of the trash is looked at like
// an upload, sealed files too.
func TestAcceptOfCopies(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]storage.Keys{"plain": nil, "sealed": storagetest.Keys{}} {
		h := storagetest.NewHouse(t, s3bucket.New(client(fake(t)), nil))
		strict := false
		b := h.Buckets(t, &storage.Options{Keys: keys, Trash: time.Hour, Accept: func(_ context.Context, u storage.Upload) error {
			if (strict || strings.HasPrefix(u.Key, "public/")) && u.Sniffed != "image/gif" {
				return fmt.Errorf("%s is %s", u.Key, u.Sniffed)
			}
			return nil
		}})
		ctx, bucket := storagetest.As(t, b, h.Acme)
		must(t, bucket.WriteAll(ctx, "page", []byte("<html>"), nil))
		must(t, bucket.WriteAll(ctx, "picture", []byte("GIF89a"), nil))
		if err := bucket.Copy(ctx, "public/page", "page", nil); !errors.Is(err, storage.ErrRefused) {
			t.Errorf("%s: copy: %v", name, err)
		}
		must(t, bucket.Copy(ctx, "public/picture", "picture", nil))
		must(t, bucket.WriteAll(ctx, "empty", nil, nil))
		must(t, bucket.Copy(ctx, "none", "empty", nil))
		must(t, bucket.Delete(ctx, "page"))
		must(t, bucket.Delete(ctx, "picture"))
		strict = true
		if err := b.Restore(ctx, "page"); !errors.Is(err, storage.ErrRefused) {
			t.Errorf("%s: restore: %v", name, err)
		}
		must(t, b.Restore(ctx, "picture"))
		if got, err := bucket.ReadAll(ctx, "picture"); err != nil || string(got) != "GIF89a" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// TestListingAmongWriters: files that come and go do not make a listing fail.
func TestListingAmongWriters(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	ctx, bucket := storagetest.As(t, h.Buckets(t, nil), h.Acme)
	over := make(chan struct{})
	var wait sync.WaitGroup
	for i := range 3 {
		wait.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				key := fmt.Sprint("file", i)
				if err := errors.Join(bucket.WriteAll(ctx, key, nil, nil), bucket.Delete(ctx, key)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 300 {
		_, _, err := bucket.ListPage(ctx, blob.FirstPageToken, 100, nil)
		if err != nil {
			t.Error(err)
			break
		}
	}
	close(over)
	wait.Wait()
}
