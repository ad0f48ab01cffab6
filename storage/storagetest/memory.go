package storagetest

import (
	"context"
	"fmt"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/partywall/partywall/storage"
)

var _ storage.Maker = (*Memory)(nil)

// Memory is an account in memory, on memblob. The zero value is ready. A bucket
// is empty again when it has been closed: a Buckets over it needs a MaxOpen and
// an IdleTimeout that keep it open.
type Memory struct {
	mu      sync.Mutex
	buckets map[string]*blob.Bucket
}

// Open implements [storage.Account]. It fails for a bucket that was not made.
func (m *Memory) Open(_ context.Context, bucket string) (*blob.Bucket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.buckets[bucket]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("storagetest: there is no bucket %q", bucket)
}

// Create implements [storage.Maker].
func (m *Memory) Create(_ context.Context, bucket string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buckets == nil {
		m.buckets = map[string]*blob.Bucket{}
	}
	if m.buckets[bucket] == nil {
		m.buckets[bucket] = memblob.OpenBucket(nil)
	}
	return nil
}

// Remove implements [storage.Maker].
func (m *Memory) Remove(_ context.Context, bucket string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.buckets, bucket)
	return nil
}
