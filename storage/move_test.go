package storage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"gocloud.dev/blob"

	"github.com/partywall/partywall/internal/process"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
	"github.com/partywall/partywall/tenant"
)

// moveChild is the variable by which this program, started by a test, is the
// process that moves a tenant and is killed.
const moveChild = "PARTYWALL_TEST_MOVE"

func TestMain(m *testing.M) {
	if text := os.Getenv(moveChild); text != "" {
		if err := moveAs(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// moveJob is what the child is told.
type moveJob struct {
	URL    string `json:"url"`
	ID     string `json:"id"`
	Number int64  `json:"number"`
	Bucket string `json:"bucket"`
}

// moveAs is the child.
func moveAs(text string) error {
	var job moveJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	id, err := tenant.ParseID(job.ID)
	if err != nil {
		return err
	}
	catalog := &storagetest.Catalog{}
	catalog.Put(tenant.Tenant{
		ID: id, Number: job.Number, Status: tenant.Maintenance, Version: 1, Placement: tenant.Placement{Bucket: job.Bucket},
	})
	b, err := storage.New(catalog, moveStores(job.URL), nil)
	if err != nil {
		return err
	}
	return errors.Join(b.Move(context.Background(), id, moveBy(func() error {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, job.URL+switchPath, nil)
		if err != nil {
			return err
		}
		answer, err := patient(10 * time.Second).Do(r)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	})), b.Close())
}

const switchPath = "/switch-over"

func moveStores(url string) storage.Stores {
	return storage.Stores{"main": {Account: s3bucket.New(client(url), nil), Shared: storagetest.SharedBucket}}
}

func moveBy(fn func() error) storage.Move {
	return storage.Move{
		From: storage.Place{Store: "main"}, To: storage.Place{Store: "main", Bucket: "acme-files"},
		Switch: func(context.Context, tenant.Tenant) error { return fn() },
	}
}

// theatre is the store and the catalog of a move, and who kills the mover.
type theatre struct {
	house *storagetest.House
	url   string

	mu    sync.Mutex
	child *process.Child
	left  int // requests until the child is killed
}

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	th := &theatre{}
	inner := gofakes3.New(s3mem.New()).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		th.step()
		if r.URL.Path != switchPath {
			inner.ServeHTTP(w, r)
			return
		}
		th.house.Catalog.Change(th.house.Acme.ID, func(t *tenant.Tenant) { t.Placement.Bucket = "main/acme-files" })
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	th.url = server.URL
	th.house = storagetest.NewHouse(t, s3bucket.New(client(th.url), nil))
	must(t, th.house.Account.Create(t.Context(), "acme-files"))
	return th
}

// step counts the child's requests, and kills it at the last.
func (th *theatre) step() {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.child == nil {
		return
	}
	if th.left--; th.left == 0 {
		_ = th.child.Signal(syscall.SIGKILL)
		<-th.child.Done()
	}
}

// run starts a child that is killed at its nth request, and reports whether it
// lived to the end.
func (th *theatre) run(t *testing.T, n int) bool {
	t.Helper()
	now, err := th.house.Catalog.Lookup(t.Context(), tenant.ByID(th.house.Acme.ID))
	must(t, err)
	text, err := json.Marshal(moveJob{th.url, now.ID.String(), now.Number, now.Placement.Bucket})
	must(t, err)
	var out bytes.Buffer
	th.mu.Lock()
	th.left = n
	th.child, err = process.Start(&process.Command{
		Path: os.Args[0], Env: append(os.Environ(), moveChild+"="+string(text)), Stderr: &out, DeathSignal: syscall.SIGKILL,
	})
	child := th.child
	th.mu.Unlock()
	must(t, err)
	<-child.Done()
	th.mu.Lock()
	defer th.mu.Unlock()
	th.child = nil
	if child.Err() != nil && th.left > 0 {
		t.Fatalf("the child failed by itself: %v\n%s", child.Err(), out.String())
	}
	return child.Err() == nil
}

// TestMoveIsKilled kills a process that moves a tenant at one request after
// another, until one gets through: each time the next goes on, and at the end
// every file is at the new place and none at the old one.
func TestMoveIsKilled(t *testing.T) {
	t.Parallel()
	for _, every := range []int{1, 4, 7} { // requests that each child lives longer
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			t.Parallel()
			th := newTheatre(t)
			h := th.house
			ctx, b := storagetest.As(t, h.Buckets(t, nil), h.Acme)
			for i := range 5 {
				must(t, b.WriteAll(ctx, fmt.Sprint("file", i), bytes.Repeat([]byte{byte('0' + i)}, 1000), &blob.WriterOptions{Metadata: map[string]string{"i": fmt.Sprint(i)}}))
			}
			h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Maintenance })
			killed := 0
			for n := 3; !th.run(t, n); n += every * (1 + killed/4) {
				killed++
			}
			if killed < 3 {
				t.Errorf("the move was killed %d times only", killed)
			}
			t.Logf("killed %d times", killed)
			h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Active })
			for i := range 5 {
				key := fmt.Sprint("file", i)
				if got, err := b.ReadAll(ctx, key); err != nil || string(got) != strings.Repeat(fmt.Sprint(i), 1000) {
					t.Errorf("%s: got %.10q, %v", key, got, err)
				}
				if a, err := b.Attributes(ctx, key); err != nil || a.Metadata["i"] != fmt.Sprint(i) {
					t.Errorf("%s: got %+v, %v", key, a, err)
				}
			}
			empty(t, h, storagetest.SharedBucket)
		})
	}
}

// empty fails the test for each file that a bucket of the host's has.
func empty(t *testing.T, h *storagetest.House, bucket string) {
	t.Helper()
	raw, err := h.Account.Open(t.Context(), bucket)
	must(t, err)
	left := raw.List(nil)
	for o, err := left.Next(t.Context()); err == nil; o, err = left.Next(t.Context()) {
		t.Errorf("the old place has %q", o.Key)
	}
	must(t, raw.Close())
}

// TestMoveKeepsWhatItDoesNotKnow: a move to the bucket where the tenant is, by
// another name, and files that come late, lose nothing.
func TestMoveKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := storagetest.NewHouse(t, files(t))
	one := storage.Store{Account: h.Account, Shared: storagetest.SharedBucket}
	b, err := storage.New(h.Catalog, storage.Stores{"main": one, "alias": one}, nil)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	ctx, bucket := storagetest.As(t, b, h.Acme)
	must(t, bucket.WriteAll(ctx, "file", []byte("kept"), nil))
	h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Status = tenant.Maintenance })
	never := moveBy(func() error { return errors.New("switched") })
	never.To = storage.Place{Store: "alias"}
	if err := b.Move(t.Context(), h.Acme.ID, never); !errors.Is(err, storage.ErrRefused) {
		t.Errorf("moved to where it is: %v", err)
	}

	must(t, h.Account.Create(t.Context(), "acme-files"))
	raw, err := h.Account.Open(t.Context(), storagetest.SharedBucket)
	must(t, err)
	err = b.Move(t.Context(), h.Acme.ID, moveBy(func() error {
		h.Catalog.Change(h.Acme.ID, func(t *tenant.Tenant) { t.Placement.Bucket = "main/acme-files" })
		return raw.WriteAll(t.Context(), "tenants/1/files/late", []byte("late"), nil)
	}))
	if !errors.Is(err, storage.ErrLate) {
		t.Errorf("got %v", err)
	}
	if got, err := raw.ReadAll(t.Context(), "tenants/1/files/late"); err != nil || string(got) != "late" {
		t.Errorf("what came late is %q, %v", got, err)
	}
	must(t, raw.Close())
}
