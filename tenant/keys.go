package tenant

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
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
//
// A ring that breaks the rules below is an error where a host gives it, by
// [Options.EnvelopeKeys]. Where a [Store] has it, [Registry.Envelope] and
// [Registry.Resume] fail with [ErrUnavailable] until it is mended, and nothing
// else does.
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
	unusable     error // set when the store's keys break the rules
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
	fetch chan struct{} // full while the source is asked
}

// get returns the ring in use, nil before there is one.
func (k *keys) get() (*ring, error) {
	ring := k.ring.Load()
	if ring == nil {
		return nil, nil //nolint:nilnil // both are looked at
	}
	return ring, ring.unusable
}

func (k *keys) set(given Keyring) error {
	ring, err := newRing(given)
	if err == nil {
		k.fixed = true
		k.ring.Store(ring)
	}
	return err
}

// ring returns the keys, asking the store for them the first time, and as long
// as they are unusable and no round would bring better ones.
func (r *Registry) ring(ctx context.Context) (*ring, error) {
	if ring, err := r.keys.get(); ring != nil && (err == nil || r.snap.Load() != nil) {
		return ring, err
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
		return r.keys.get()
	}
	if err := r.refreshKeys(ctx); err != nil {
		return nil, reached(ctx, err)
	}
	if ring, err := r.keys.get(); ring != nil {
		return ring, err
	}
	return nil, fmt.Errorf("%w: no envelope keys: the store has none, and Options.EnvelopeKeys is not set", ErrInvalid)
}

// refreshKeys takes over the keys that the store has now. It is a question as
// the one for changes is, so it is given up in the same time.
func (r *Registry) refreshKeys(ctx context.Context) error {
	source, ok := r.store.(KeySource)
	if !ok || r.keys.fixed {
		return nil
	}
	late := r.late()
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, late)
	defer cancel()
	select { // one at a time, so that an older answer never replaces a newer one
	case r.keys.fetch <- struct{}{}:
		defer func() { <-r.keys.fetch }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	found, err := source.EnvelopeKeys(ctx)
	if err != nil {
		if errors.Is(context.Cause(ctx), late) {
			return late // says more than the deadline that it caused
		}
		return err
	}
	r.useKeys(found)
	return nil
}

// useKeys takes over keys of the store. Those that break the rules are the
// trouble of envelopes alone: the catalog has answered, its tenants are known,
// and a 33rd key must not take an installation down. The keys before are not
// used any more, because one of them may have been dropped after a leak.
func (r *Registry) useKeys(found Keyring) {
	fresh, err := newRing(found)
	before, wrong := r.keys.get()
	if err != nil {
		if before == nil || wrong == nil { // once, not at every round
			r.log.Error("tenant: the store's envelope keys are unusable", "error", err)
		}
		fresh = &ring{unusable: fmt.Errorf("%w: the store's envelope keys are unusable: %w", ErrUnavailable, err)}
	}
	r.keys.ring.Store(fresh)
}
