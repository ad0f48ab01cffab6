package domain

import (
	"hash/maphash"
	"maps"
	"sync/atomic"
)

// shards is a map for many readers and one writer at a time: readers take no
// lock, and a write copies one shard.
type shards[K comparable, V any] struct {
	seed maphash.Seed
	maps [256]atomic.Pointer[map[K]V]
}

func newShards[K comparable, V any]() *shards[K, V] { return &shards[K, V]{seed: maphash.MakeSeed()} }

func (s *shards[K, V]) shard(key K) *atomic.Pointer[map[K]V] {
	return &s.maps[maphash.Comparable(s.seed, key)%uint64(len(s.maps))]
}

func (s *shards[K, V]) get(key K) (v V, ok bool) {
	if m := s.shard(key).Load(); m != nil {
		v, ok = (*m)[key]
	}
	return v, ok
}

// set puts a value, or takes it out with keep not set. fresh shards nobody reads
// yet, so that they are changed in place.
func (s *shards[K, V]) set(key K, v V, keep, fresh bool) {
	at := s.shard(key)
	before := at.Load()
	next := before
	if before == nil || !fresh {
		m := map[K]V{}
		if before != nil {
			m = make(map[K]V, len(*before)+1)
			maps.Copy(m, *before)
		}
		next = &m
	}
	if keep {
		(*next)[key] = v
	} else {
		delete(*next, key)
	}
	at.Store(next)
}

func (s *shards[K, V]) len() (n int) {
	for i := range s.maps {
		if m := s.maps[i].Load(); m != nil {
			n += len(*m)
		}
	}
	return n
}
