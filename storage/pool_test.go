package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

// counting is an account that counts how often it opens, and can wait or fail.
type counting struct {
	storage.Maker

	mu     sync.Mutex
	opened map[string]int
	gate   chan struct{} // waited for, if there is one
	err    error
}

func (c *counting) Open(ctx context.Context, bucket string) (*blob.Bucket, error) {
	if c.gate != nil {
		<-c.gate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened == nil {
		c.opened = map[string]int{}
	}
	c.opened[bucket]++
	if c.err != nil {
		return nil, c.err
	}
	return c.Maker.Open(ctx, bucket)
}

// TestOpenIsBounded: idle buckets beyond the bound are closed, one in use never
// is, and a tenant whose bucket was closed has it opened again.
func TestOpenIsBounded(t *testing.T) {
	t.Parallel()
	account := &counting{Maker: files(t)}
	h := storagetest.NewHouse(t, account)
	now := time.Now()
	b := h.Buckets(t, &storage.Options{MaxOpen: 2, IdleTimeout: time.Minute, Clock: func() time.Time { return now }})
	put := func(n int) (context.Context, *blob.Bucket) {
		who := h.Catalog.Add(fmt.Sprint("own", n), int64(100+n), fmt.Sprint("main/own-", n))
		must(t, b.Provision(t.Context(), who))
		ctx, bucket := storagetest.As(t, b, who)
		must(t, bucket.WriteAll(ctx, "file", []byte("own"), nil))
		return ctx, bucket
	}
	ctx, bucket := put(0)
	reading, err := bucket.NewReader(ctx, "file", nil)
	must(t, err)
	for n := 1; n < 6; n++ {
		put(n)
	}
	if got := b.Opened(); got != 3 {
		t.Errorf("%d are open, want one in use and two idle", got)
	}
	if got, err := io.ReadAll(reading); err != nil || string(got) != "own" {
		t.Errorf("the one in use gave %q, %v", got, err)
	}
	must(t, reading.Close())
	now = now.Add(time.Hour)
	if got, err := bucket.ReadAll(ctx, "file"); err != nil || string(got) != "own" {
		t.Errorf("opened again it gave %q, %v", got, err)
	}
	if got := b.Opened(); got != 1 {
		t.Errorf("%d are open, want the one that was just used", got)
	}
}

// TestOpenOnce: whoever needs a bucket that is being opened waits for it, or
// leaves alone; one that failed is tried again.
func TestOpenOnce(t *testing.T) {
	t.Parallel()
	account := &counting{Maker: files(t), gate: make(chan struct{})}
	h := storagetest.NewHouse(t, account)
	b := h.Buckets(t, nil)
	ctx, bucket := storagetest.As(t, b, h.Acme)
	leaving, leave := context.WithCancel(ctx)
	leave()
	results := make(chan error, 8)
	for range cap(results) {
		go func() { results <- bucket.WriteAll(ctx, "file", nil, nil) }()
	}
	go func() { account.gate <- struct{}{} }()
	for range cap(results) {
		must(t, <-results)
	}
	if got := account.opened[storagetest.SharedBucket]; got != 1 {
		t.Errorf("opened %d times", got)
	}
	if _, err := bucket.ReadAll(leaving, "file"); err == nil {
		t.Error("read with a context that has ended")
	}

	failing := &counting{Maker: files(t), err: errors.New("no such luck")}
	h = storagetest.NewHouse(t, failing)
	ctx, bucket = storagetest.As(t, h.Buckets(t, nil), h.Acme)
	if err := bucket.WriteAll(ctx, "file", nil, nil); !errors.Is(err, failing.err) {
		t.Errorf("got %v", err)
	}
	failing.err = nil
	must(t, bucket.WriteAll(ctx, "file", nil, nil))
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, nil)
	if _, err := b.Open(t.Context()); !errors.Is(err, tenant.ErrNoTenant) {
		t.Errorf("without a tenant: %v", err)
	}
	both := tenant.NewContext(tenant.NewContext(t.Context(), h.Acme), h.Globex)
	if _, err := b.Open(both); !errors.Is(err, tenant.ErrTwoTenants) {
		t.Errorf("with two: %v", err)
	}
	for place, want := range map[string]error{
		"nowhere": storage.ErrNoStore, "main/" + storagetest.SharedBucket: storage.ErrRefused,
		"main/../x": tenant.ErrInvalid, "nowhere/x": storage.ErrNoStore,
	} {
		who := h.Catalog.Add("x", 77, place)
		if _, err := b.Open(tenant.NewContext(t.Context(), who)); !errors.Is(err, want) {
			t.Errorf("at %q: %v", place, err)
		}
	}
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, b.Close())
	if err := bucket.WriteAll(ctx, "file", nil, nil); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestNewRefuses: all mistakes come back at once.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := storage.New(nil, storage.Stores{"a b": {}}, &storage.Options{
		Default: "x", MaxOpen: -1, Sign: storage.Sign{Methods: []string{"PATCH"}},
	})
	for _, part := range []string{"tenants is nil", "a b", "no Account", "Options.Default", "MaxOpen", "PATCH"} {
		if err == nil || !containsText(err, part) {
			t.Errorf("%v says nothing of %q", err, part)
		}
	}
}

// TestDedicated: an account that one tenant has brought along is asked for by
// name, and only that tenant's placement leads there.
func TestDedicated(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	theirs := &counting{Maker: files(t)}
	must(t, theirs.Create(t.Context(), "files"))
	asked, now := 0, time.Now()
	b := h.Buckets(t, &storage.Options{Clock: func() time.Time { return now }, Dedicated: func(_ context.Context, name string) (storage.Store, error) {
		asked++
		if name != "acme-account" {
			return storage.Store{}, errors.New("unknown")
		}
		return storage.Store{Account: theirs}, nil
	}})
	who := h.Catalog.Add("own", 5, "acme-account/files")
	ctx, bucket := storagetest.As(t, b, who)
	for range 10 {
		must(t, bucket.WriteAll(ctx, "file", []byte("theirs"), nil))
	}
	if asked != 1 || theirs.opened["files"] != 1 {
		t.Errorf("asked %d times, and opened %d times, for ten calls", asked, theirs.opened["files"])
	}
	now = now.Add(time.Hour)
	must(t, bucket.WriteAll(ctx, "file", []byte("theirs"), nil))
	if asked != 2 {
		t.Errorf("asked %d times, an hour later", asked)
	}
	raw, err := theirs.Open(t.Context(), "files")
	must(t, err)
	if got, err := raw.ReadAll(t.Context(), "tenants/5/files/file"); err != nil || string(got) != "theirs" {
		t.Errorf("got %q, %v", got, err)
	}
	must(t, raw.Close())
	for _, place := range []string{"acme-account", "other/files"} {
		who := h.Catalog.Add("y", 78, place)
		if _, err := b.Open(tenant.NewContext(t.Context(), who)); !errors.Is(err, storage.ErrNoStore) {
			t.Errorf("at %q: %v", place, err)
		}
	}
}

// TestSharedByMistake: two tenants that are given one bucket as their own do not
// meet in it.
func TestSharedByMistake(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	b := h.Buckets(t, nil)
	one, two := h.Catalog.Add("one", 3, "main/own"), h.Catalog.Add("two", 30, "main/own")
	must(t, b.Provision(t.Context(), one))
	ctx, first := storagetest.As(t, b, one)
	must(t, first.WriteAll(ctx, "file", []byte("one's"), nil))
	other, second := storagetest.As(t, b, two)
	if _, err := second.ReadAll(other, "file"); gcerrors.Code(err) != gcerrors.NotFound {
		t.Errorf("got %v", err)
	}
	must(t, second.WriteAll(other, "file", []byte("two's"), nil))
	if err := b.Deprovision(t.Context(), one); err == nil {
		t.Error("a bucket that another tenant uses was removed")
	}
	if got, err := second.ReadAll(other, "file"); err != nil || string(got) != "two's" {
		t.Errorf("got %q, %v", got, err)
	}
}
