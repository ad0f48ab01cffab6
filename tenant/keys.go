package tenant

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// EnvelopeKey is one secret that signs envelopes.
type EnvelopeKey struct {
	// ID tells the keys of an installation apart. Newer keys have higher IDs.
	ID uint32
	// Secret has at least 32 bytes, from a random source.
	Secret []byte
}

// Keyring is what an installation signs its envelopes with: the newest key
// signs, all of them verify. A key can go when the last envelope that it
// signed is stale.
type Keyring struct {
	// Installation names the installation; no two have the same. It has 1 to
	// 200 bytes.
	Installation string
	// Keys are 1 to 32 keys, in any order.
	Keys []EnvelopeKey
}

// KeySource is a [Store] that keeps the installation's keys too, so that all
// nodes have the same ones.
type KeySource interface {
	// EnvelopeKeys returns the keys, with errors as the methods of Store have
	// them. A change of the keys wakes Watch, as a change of a tenant does.
	EnvelopeKeys(ctx context.Context) (Keyring, error)
}

// ring is a Keyring made ready.
type ring struct {
	installation [16]byte
	newest       uint32
	secrets      map[uint32][]byte
}

func newRing(k Keyring) (*ring, error) {
	var errs []error
	if k.Installation == "" || len(k.Installation) > maxText {
		errs = append(errs, invalid("installation", k.Installation, "is not of 1 to 200 bytes"))
	}
	if len(k.Keys) == 0 || len(k.Keys) > 32 {
		errs = append(errs, invalid("envelope keys", "", fmt.Sprintf("are %d, not 1 to 32", len(k.Keys))))
	}
	digest := sha256.Sum256([]byte(k.Installation))
	r := &ring{installation: [16]byte(digest[:16]), secrets: make(map[uint32][]byte, len(k.Keys))}
	for _, key := range k.Keys {
		if len(key.Secret) < 32 {
			errs = append(errs, invalid("envelope key", fmt.Sprint(key.ID), "is shorter than 32 bytes"))
		}
		if _, twice := r.secrets[key.ID]; twice {
			errs = append(errs, invalid("envelope key", fmt.Sprint(key.ID), "is there twice"))
		}
		r.secrets[key.ID] = slices.Clone(key.Secret)
		r.newest = max(r.newest, key.ID)
	}
	return r, errors.Join(errs...)
}

// keys holds the ring in use.
type keys struct {
	fixed bool // given by Options
	ring  atomic.Pointer[ring]
	fetch sync.Mutex // held to ask the source
}

func (k *keys) set(given Keyring) error {
	ring, err := newRing(given)
	if err == nil {
		k.fixed = true
		k.ring.Store(ring)
	}
	return err
}

// ring returns the keys, asking the store for them the first time.
func (r *Registry) ring(ctx context.Context) (*ring, error) {
	if ring := r.keys.ring.Load(); ring != nil {
		return ring, nil
	}
	return r.newerRing(ctx, nil)
}

// newerRing returns keys that are newer than those in seen, if there are any.
func (r *Registry) newerRing(ctx context.Context, seen *ring) (*ring, error) {
	if r.keys.fixed {
		return seen, nil
	}
	if seen != nil && r.snap.Load() != nil {
		// Every round of the registry brings the keys, and rounds are bounded:
		// envelopes with invented keys must not become questions one by one.
		if err := r.confirm(ctx, -1); err != nil {
			return nil, err
		}
		return r.keys.ring.Load(), nil
	}
	if err := r.refreshKeys(ctx); err != nil {
		return nil, reached(ctx, err)
	}
	if ring := r.keys.ring.Load(); ring != nil {
		return ring, nil
	}
	return nil, fmt.Errorf("%w: no envelope keys: the store has none, and Options.EnvelopeKeys is not set", ErrInvalid)
}

// refreshKeys takes over the keys that the store has now.
func (r *Registry) refreshKeys(ctx context.Context) error {
	source, ok := r.store.(KeySource)
	if !ok || r.keys.fixed {
		return nil
	}
	r.keys.fetch.Lock() // so that an older answer never replaces a newer one
	defer r.keys.fetch.Unlock()
	found, err := source.EnvelopeKeys(ctx)
	if err != nil {
		return err
	}
	ring, err := newRing(found)
	if err == nil {
		r.keys.ring.Store(ring)
	}
	return err
}
