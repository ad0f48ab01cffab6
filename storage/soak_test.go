package storage_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
)

// TestSoakLargeFile streams a file through the wall, encrypted and within a
// quota, and looks at the memory all the way: it does not grow with the file.
// It is not parallel, so that the memory is its own.
func TestSoakLargeFile(t *testing.T) {
	size, limit := int64(128<<20), uint64(96<<20) // S3 sends parts of 8 MiB, five at once
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		size = 1 << 30
	}
	for name, account := range map[string]storage.Maker{"folder": files(t), "S3": s3bucket.New(clientFor(serve(t).URL(), 10*time.Minute), nil)} {
		t.Run(name, func(t *testing.T) {
			h := storagetest.NewHouse(t, account)
			buckets := h.Buckets(t, &storage.Options{Quota: quota(2 * size), Keys: storagetest.Keys{}})
			ctx, b := storagetest.As(t, buckets, h.Acme)
			m := newMemory()
			w, err := b.NewWriter(ctx, "large", &blob.WriterOptions{ContentType: "application/octet-stream"})
			must(t, err)
			_, err = io.Copy(w, io.TeeReader(io.LimitReader(pattern{}, size), m))
			must(t, errors.Join(err, w.Close()))
			r, err := b.NewReader(ctx, "large", nil)
			must(t, err)
			n, err := io.Copy(io.MultiWriter(m, &expect{}), r)
			must(t, errors.Join(err, r.Close()))
			if n != size {
				t.Errorf("got %d bytes", n)
			}
			t.Logf("%d MiB took at most %.1f MiB more", size>>20, float64(m.most)/(1<<20))
			if m.most > limit {
				t.Errorf("%d bytes took %d bytes of memory", size, m.most)
			}
		})
	}
}

// pattern is an endless file.
type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

// expect fails at a byte that pattern cannot have written after the one before.
type expect struct {
	last  byte
	begun bool
}

func (e *expect) Write(p []byte) (int, error) {
	for _, c := range p {
		if e.begun && c != e.last+1 && c != 0 {
			return 0, fmt.Errorf("%d after %d", c, e.last)
		}
		e.last, e.begun = c, true
	}
	return len(p), nil
}

// memory looks at the heap for every 16 MiB that pass.
type memory struct {
	before, most uint64
	passed       int64
}

func newMemory() *memory {
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return &memory{before: now.HeapAlloc}
}

func (m *memory) Write(p []byte) (int, error) {
	const step = 16 << 20
	if before := m.passed / step; before != (m.passed+int64(len(p)))/step {
		runtime.GC() // what counts is what is held
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		if now.HeapAlloc > m.before {
			m.most = max(m.most, now.HeapAlloc-m.before)
		}
	}
	m.passed += int64(len(p))
	return len(p), nil
}
