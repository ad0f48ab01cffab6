package autotls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgmigrate"
	"github.com/partywall/partywall/internal/pgtest"
)

// tables is a database with the tables of this package.
func tables() *pgtest.Template {
	set, err := migrations()
	if err != nil {
		panic(err)
	}
	return &pgtest.Template{Name: "autotls", Version: set.Version(), Fill: func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = pgmigrate.Apply(ctx, conn, set)
		return errors.Join(err, conn.Close(ctx))
	}}
}

func testKey(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

// shelves returns a storage on a new database.
func shelves(t testing.TB) *storage {
	t.Helper()
	return shelvesOn(t, pgtest.New(t, tables()), time.Minute)
}

func shelvesOn(t testing.TB, db *pgtest.Database, lease time.Duration) *storage {
	t.Helper()
	sealer, err := NewSealer(testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	return newStorage(db.Pool(t), sealer, t.Name(), lease)
}

// TestContract holds our storage to what certmagic's own does, beside it.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]certmagic.Storage{
		"postgres": shelves(t), "certmagic": &certmagic.FileStorage{Path: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{
				"a/b/c.txt": "c", "a/b/d.txt": "", "a/e": "e", "ab/f": "f", "a/b0": "not in a/b", "a/b-": "nor this", "a/b/\u00fc": "\x00\xff",
			}
			for key, value := range files {
				if err := s.Store(t.Context(), key, []byte("before")); err != nil {
					t.Fatal(err)
				}
				if err := s.Store(t.Context(), key, []byte(value)); err != nil {
					t.Fatal(err)
				}
			}
			for key, want := range files {
				if got, err := s.Load(t.Context(), key); err != nil || string(got) != want {
					t.Errorf("Load(%q) = %q, %v", key, got, err)
				}
				info, err := s.Stat(t.Context(), key)
				if err != nil || info.Size != int64(len(want)) || !info.IsTerminal || info.Key != key || time.Since(info.Modified) > time.Minute {
					t.Errorf("Stat(%q) = %+v, %v", key, info, err)
				}
			}
			checkFolders(t, s)
			checkListing(t, s)
			checkDeleting(t, s)
		})
	}
}

func checkFolders(t *testing.T, s certmagic.Storage) {
	t.Helper()
	for key, there := range map[string]bool{"a": true, "a/b": true, "ab": true, "a/b/c.txt": true, "b": false, "a/b/c": false} {
		if s.Exists(t.Context(), key) != there {
			t.Errorf("Exists(%q) = %v", key, !there)
		}
	}
	if info, err := s.Stat(t.Context(), "a/b"); err != nil || info.IsTerminal {
		t.Errorf("a folder is %+v, %v", info, err)
	}
	if _, err := s.Load(t.Context(), "a/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading what is not there: %v", err)
	}
	if _, err := s.Stat(t.Context(), "a/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("looking at what is not there: %v", err)
	}
}

func checkListing(t *testing.T, s certmagic.Storage) {
	t.Helper()
	for _, c := range []struct {
		folder    string
		recursive bool
		want      string
	}{
		{"a", false, "a/b a/b- a/b0 a/e"},
		{"a", true, "a/b a/b- a/b/c.txt a/b/d.txt a/b/ü a/b0 a/e"},
		{"a/b", true, "a/b/c.txt a/b/d.txt a/b/ü"},
		{"", false, "a ab"},
	} {
		got, err := s.List(t.Context(), c.folder, c.recursive)
		slices.Sort(got)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("List(%q, %v) = %q, %v", c.folder, c.recursive, got, err)
		}
	}
	if got, err := s.List(t.Context(), "none", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("listing what is not there: %q, %v", got, err)
	}
}

func checkDeleting(t *testing.T, s certmagic.Storage) {
	t.Helper()
	for _, key := range []string{"a/b", "a/b", "none", "a/e"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q): %v", key, err)
		}
	}
	left, err := s.List(t.Context(), "a", true)
	slices.Sort(left)
	if err != nil || strings.Join(left, " ") != "a/b- a/b0" {
		t.Errorf("what is left: %q, %v", left, err)
	}
}

// TestKeys: what is no clean path is refused, and so is what is too large.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := shelves(t)
	for _, key := range []string{"", "/a", "a/", "a//b", "a/../b", "..", "../a", "a/.", "a\x00", "\xff", strings.Repeat("a", maxKey+1)} {
		if err := s.Store(t.Context(), key, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("Store(%.20q): %v", key, err)
		}
	}
	if err := s.Store(t.Context(), "a", make([]byte, maxValue+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a large value: %v", err)
	}
	if err := s.Store(t.Context(), "a", make([]byte, maxValue)); err != nil {
		t.Errorf("a value that just fits: %v", err)
	}
}

// TestTampered: whoever can write the database can neither change a value nor
// bring it to another key; and does not see it.
func TestTampered(t *testing.T) {
	t.Parallel()
	s := shelves(t)
	secret := []byte("-----BEGIN EC PRIVATE KEY-----")
	for _, key := range []string{"mine.key", "theirs.key"} {
		if err := s.Store(t.Context(), key, secret); err != nil {
			t.Fatal(err)
		}
	}
	var raw []byte
	if err := s.pool.QueryRow(t.Context(), `SELECT value FROM partywall_tls.item WHERE key = 'mine.key'`).Scan(&raw); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("PRIVATE")) {
		t.Error("the key is stored in the clear")
	}
	for name, statement := range map[string]string{
		"swapped": `UPDATE partywall_tls.item SET value = (SELECT value FROM partywall_tls.item WHERE key = 'mine.key') WHERE key = 'theirs.key'`,
		"changed": `UPDATE partywall_tls.item SET value = set_byte(value, 20, get_byte(value, 20) # 1) WHERE key = 'theirs.key'`,
		"cut":     `UPDATE partywall_tls.item SET value = substr(value, 1, 4) WHERE key = 'theirs.key'`,
		"moved":   `DELETE FROM partywall_tls.item WHERE key = 'theirs.key'; UPDATE partywall_tls.item SET key = 'theirs.key' WHERE key = 'mine.key'`,
	} {
		if err := s.Store(t.Context(), "theirs.key", secret); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(t.Context(), "theirs.key"); err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("before it was %s: %v", name, err)
		}
		if _, err := s.pool.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(t.Context(), "theirs.key"); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err := s.Store(t.Context(), "mine.key", secret); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeysRotate: an older key opens, and is not sealed with.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	old, _ := NewSealer(testKey(1))
	both, _ := NewSealer(testKey(2), testKey(1))
	fresh, _ := NewSealer(testKey(2))
	sealed, err := old.Seal(t.Context(), []byte("x"), []byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := both.Open(t.Context(), sealed, []byte("k")); err != nil || string(got) != "x" {
		t.Errorf("an older key: %q, %v", got, err)
	}
	if _, err := fresh.Open(t.Context(), sealed, []byte("k")); !errors.Is(err, ErrTampered) {
		t.Errorf("a key that is gone: %v", err)
	}
	if sealed, err = both.Seal(t.Context(), []byte("x"), []byte("k")); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Open(t.Context(), sealed, []byte("k")); !errors.Is(err, ErrTampered) {
		t.Errorf("the older key opens what is new: %v", err)
	}
	if _, err := NewSealer([]byte("short"), nil); !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "short") {
		t.Errorf("short keys: %v", err)
	}
}

// TestLock: of many who want a lock, in one process and in two, one has it at a
// time; and all get it.
func TestLock(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, tables())
	nodes := []*storage{shelvesOn(t, db, time.Minute), shelvesOn(t, db, time.Minute)}
	inside, turns := 0, 0 // the race detector watches these too
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s := nodes[i%2]
			if err := s.Lock(t.Context(), "x"); err != nil {
				t.Error(err)
				return
			}
			inside++
			turns++
			if inside != 1 {
				t.Error("two have the lock")
			}
			if ok, err := nodes[0].TryLock(t.Context(), "x"); ok || err != nil {
				t.Errorf("TryLock of a lock that is held: %v, %v", ok, err)
			}
			inside--
			if err := s.Unlock(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if turns != 8 {
		t.Errorf("%d of 8 got the lock", turns)
	}
	if ok, err := nodes[0].TryLock(t.Context(), "x"); !ok || err != nil {
		t.Errorf("TryLock of a free lock: %v, %v", ok, err)
	}
	if err := nodes[1].Unlock(t.Context(), "x"); !errors.Is(err, ErrLockLost) {
		t.Errorf("unlocking somebody else's: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := nodes[1].Lock(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits is told to stop: %v", err)
	}
}

// rob takes a lock away from whoever has it, as the end of its lease would,
// and gives it to s.
func rob(t *testing.T, s *storage, name string) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), `UPDATE partywall_tls.lock SET lease_until = '-infinity' WHERE name = $1`, name); err != nil {
		t.Fatal(err)
	}
	if err := s.Lock(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// TestLostLock: whoever has lost a lock writes nothing any more, gives nothing
// back that is somebody else's, and is told.
func TestLostLock(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, tables())
	first, second := shelvesOn(t, db, 10*time.Minute), shelvesOn(t, db, 10*time.Minute)
	name, key := issueLock("*.acme.test"), certmagic.StorageKeys.SiteCert("ca", "*.acme.test")
	if err := first.Lock(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	// The control: under the lock it may write.
	if err := first.Store(t.Context(), key, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := first.RenewLockLease(t.Context(), name, time.Hour); err != nil {
		t.Fatal(err)
	}
	rob(t, second, name)
	if err := second.Store(t.Context(), key, []byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := first.Store(t.Context(), key, []byte("first")); !errors.Is(err, ErrLockLost) {
		t.Errorf("who lost the lock wrote: %v", err)
	}
	if err := first.Delete(t.Context(), key); !errors.Is(err, ErrLockLost) {
		t.Errorf("who lost the lock deleted: %v", err)
	}
	if err := first.RenewLockLease(t.Context(), name, time.Hour); !errors.Is(err, ErrLockLost) {
		t.Errorf("who lost the lock keeps it: %v", err)
	}
	if err := first.Unlock(t.Context(), name); err != nil {
		t.Errorf("who lost the lock gives it back: %v", err)
	}
	if ok, err := first.TryLock(t.Context(), name); ok || err != nil {
		t.Errorf("the lock was given back by who did not have it: %v, %v", ok, err)
	}
	if got, err := first.Load(t.Context(), key); err != nil || string(got) != "second" {
		t.Errorf("there is %q, %v", got, err)
	}
	// Nobody's lock holds nobody up, as with certmagic's own storage.
	if err := first.Store(t.Context(), key, []byte("first")); err != nil {
		t.Error(err)
	}
}

// TestLostWhileAtWork: work under a lock is interrupted when the lock is lost.
func TestLostWhileAtWork(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, tables())
	first, second := shelvesOn(t, db, 300*time.Millisecond), shelvesOn(t, db, 10*time.Minute)
	err := first.under(t.Context(), "x", func(ctx context.Context, h *hold) error {
		if err := first.put(ctx, first.pool, h, "k", []byte("1")); err != nil {
			return fmt.Errorf("with the lock: %w", err)
		}
		rob(t, second, "x")
		<-ctx.Done() // a third of the lease later
		return errors.Join(ctx.Err(), first.put(t.Context(), first.pool, h, "k", []byte("2")))
	})
	if !errors.Is(err, ErrLockLost) || !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if got, err := second.Load(t.Context(), "k"); err != nil || string(got) != "1" {
		t.Errorf("there is %q, %v", got, err)
	}
}

// TestLeaseIsKept: a lock outlives its lease while its holder lives, and no
// longer.
func TestLeaseIsKept(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, tables())
	first, second := shelvesOn(t, db, time.Second), shelvesOn(t, db, time.Second)
	h, err := first.await(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	if _, err := second.await(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a lock that is held was taken: %v", err)
	}
	h.stop(errReleased) // the holder dies
	other, err := second.await(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := second.release(t.Context(), other); err != nil {
		t.Error(err)
	}
}

// FuzzOpen: no bytes are opened that were not sealed.
func FuzzOpen(f *testing.F) {
	ring, _ := NewSealer(testKey(1))
	sealed, _ := ring.Seal(f.Context(), []byte("x"), []byte("k"))
	f.Add(sealed)
	f.Add([]byte{sealVersion})
	f.Fuzz(func(t *testing.T, text []byte) {
		plain, err := ring.Open(t.Context(), text, []byte("k"))
		if err == nil && string(plain) != "x" { // each process of the fuzzer has sealed that, with its own nonce
			t.Fatalf("opened %x to %q", text, plain)
		}
		if err != nil && !errors.Is(err, ErrTampered) {
			t.Fatal(err)
		}
	})
}
