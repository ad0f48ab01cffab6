package tenant

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"sync/atomic"
)

// index finds tenants by one kind of key. Readers take no lock: the index is
// cut into shards, a shard never changes once it is published, and a change
// replaces one shard of a few hundred pointers.
//
// A shard is a hash table with open addressing whose slots hold the record and
// seven bits of the hash, but not the key: for a million tenants that is a
// third of what a Go map takes.
type index struct {
	seed   maphash.Seed // random: slugs are chosen by people who may wish us ill
	key    func(*record) Key
	shards [shardCount]atomic.Pointer[shard]
}

const (
	shardBits  = 11
	shardCount = 1 << shardBits
	groupSize  = 7
)

type shard struct {
	groups []group
	used   int
}

// group is seven slots, which fill a line of the cache. Byte i of tags is zero
// when slot i is free, and else the tag of its key, so that one comparison tells
// which slots are worth a look: looking at a record is what costs, it is a miss
// of the cache.
type group struct {
	tags  uint64
	slots [groupSize]*record
}

func newIndex(key func(*record) Key) *index { return &index{seed: maphash.MakeSeed(), key: key} }

// hash spreads k over 64 bits: the upper ones choose the shard, the middle
// ones are the tag, the lower ones choose the group.
func (x *index) hash(k Key) uint64 {
	switch {
	case !k.id.IsZero():
		return maphash.Bytes(x.seed, k.id[:])
	case k.slug != "":
		return maphash.String(x.seed, k.slug)
	}
	h := uint64(k.number) * 0x9e3779b97f4a7c15 //nolint:gosec // G115: any 64 bits will do
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

func (x *index) shard(h uint64) *atomic.Pointer[shard] { return &x.shards[h>>(64-shardBits)] }

// Bytes of one value, for arithmetic on all tags at once. The eighth byte has
// no slot.
const (
	lowBits  = 0x01010101010101
	highBits = 0x80808080808080
)

func tag(h uint64) uint64 { return 0x80 | h>>32&0x7f }

// zeros marks the bytes of x that are zero by their high bits. Above one that
// is, it may mark others: whoever asks looks again.
func zeros(x uint64) uint64 { return (x - lowBits) &^ x & highBits }

// find returns the record of key k, nil if there is none.
func (x *index) find(k Key) *record {
	h := x.hash(k)
	if s := x.shard(h).Load(); s != nil {
		g, i := s.place(h, k)
		return s.groups[g].slots[i]
	}
	return nil
}

// place returns where k is, or the free slot where it would be.
func (s *shard) place(h uint64, k Key) (g, i int) {
	// A multiplication instead of a mask: the number of groups is no power of
	// two, so that shards can grow in steps smaller than doubling.
	g = int(uint64(uint32(h)) * uint64(len(s.groups)) >> 32) //nolint:gosec // G115: cut on purpose, below a length
	for {
		tags := s.groups[g].tags
		for match := zeros(tags ^ lowBits*tag(h)); match != 0; match &= match - 1 {
			i = bits.TrailingZeros64(match) / 8
			if r := s.groups[g].slots[i]; r != nil && r.is(k) {
				return g, i
			}
		}
		if free := ^tags & highBits; free != 0 { // tags in use have the high bit
			return g, bits.TrailingZeros64(free) / 8
		}
		if g++; g == len(s.groups) {
			g = 0
		}
	}
}

// put sets the record of r's key. Unless the index is private to the caller,
// what readers hold is left as it is.
func (x *index) put(r *record, private bool) {
	k := x.key(r)
	h := x.hash(k)
	at := x.shard(h)
	s := at.Load()
	switch {
	case s == nil:
		s = &shard{groups: make([]group, 1)}
	case s.used+1 > len(s.groups)*groupSize*7/8:
		s = x.rebuild(s, grown(len(s.groups), private), nil)
	case !private:
		s = &shard{groups: slices.Clone(s.groups), used: s.used}
	}
	s.set(h, k, r)
	at.Store(s)
}

// grown returns the next size of a shard. While loading, when every tenant is
// an insertion, time counts more than room.
func grown(groups int, loading bool) int {
	if loading {
		return 2 * groups
	}
	return groups + groups/4 + 1
}

func (s *shard) set(h uint64, k Key, r *record) {
	g, i := s.place(h, k)
	if s.groups[g].slots[i] == nil {
		s.groups[g].tags |= tag(h) << (8 * i)
		s.used++
	}
	s.groups[g].slots[i] = r
}

// remove forgets r, if it is still r that its key leads to.
func (x *index) remove(r *record) {
	k := x.key(r)
	h := x.hash(k)
	at := x.shard(h)
	s := at.Load()
	if s == nil {
		return
	}
	if g, i := s.place(h, k); s.groups[g].slots[i] == r {
		at.Store(x.rebuild(s, len(s.groups), r))
	}
}

// rebuild returns a shard of so many groups with all of s except one.
func (x *index) rebuild(s *shard, groups int, except *record) *shard {
	fresh := &shard{groups: make([]group, groups)}
	for r := range s.all {
		if r != except {
			k := x.key(r)
			fresh.set(x.hash(k), k, r)
		}
	}
	return fresh
}

// all yields the records of s, in no order.
func (s *shard) all(yield func(*record) bool) {
	for g := range s.groups {
		for _, r := range s.groups[g].slots {
			if r != nil && !yield(r) {
				return
			}
		}
	}
}
