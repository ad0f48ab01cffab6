package autotls

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Sealer keeps stored values from whoever reads the database. Both methods may
// be called from any goroutine; associated is not secret, and what was sealed
// with one must not be opened with another.
type Sealer interface {
	Seal(ctx context.Context, plain, associated []byte) ([]byte, error)
	// Open fails with an error that wraps [ErrTampered] for what it has not
	// sealed.
	Open(ctx context.Context, sealed, associated []byte) ([]byte, error)
}

// keyring is a [Sealer] by AES-256-GCM. A sealed value is a version byte, four
// bytes that name the key, the nonce, and what GCM makes.
type keyring struct {
	newest keyID
	keys   map[keyID]cipher.AEAD
}

type keyID [4]byte

// sealVersion is the first byte of what a keyring has sealed.
const sealVersion = 1

// NewSealer returns a [Sealer] by AES-256-GCM with random nonces, which is good
// for 2³² values. It seals with key, and opens what was sealed with any of older
// too. Keys are 32 random bytes each.
func NewSealer(key []byte, older ...[]byte) (Sealer, error) {
	ring := &keyring{keys: map[keyID]cipher.AEAD{}}
	var errs []error
	for i, key := range append([][]byte{key}, older...) {
		if len(key) != 32 {
			errs = append(errs, invalid("key %d has %d bytes, want 32", i, len(key)))
			continue
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err // never, for 32 bytes
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err // never, for AES
		}
		sum := sha256.Sum256(append([]byte("partywall/autotls key "), key...))
		id := keyID(sum[:4])
		if i == 0 {
			ring.newest = id
		}
		ring.keys[id] = aead
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return ring, nil
}

// Seal implements [Sealer].
func (r *keyring) Seal(_ context.Context, plain, associated []byte) ([]byte, error) {
	aead := r.keys[r.newest]
	out := make([]byte, 0, 1+len(r.newest)+len(plain)+aead.Overhead())
	out = append(append(out, sealVersion), r.newest[:]...)
	return aead.Seal(out, nil, plain, associated), nil //nolint:gosec // G407: the AEAD makes the nonce itself
}

// Open implements [Sealer].
func (r *keyring) Open(_ context.Context, sealed, associated []byte) ([]byte, error) {
	const head = 1 + len(keyID{})
	if len(sealed) < head || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: not sealed by this package", ErrTampered)
	}
	aead, ok := r.keys[keyID(sealed[1:head])]
	if !ok {
		return nil, fmt.Errorf("%w: sealed with another key", ErrTampered)
	}
	plain, err := aead.Open(nil, nil, sealed[head:], associated)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return plain, nil
}
