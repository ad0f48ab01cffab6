package isolation

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Key signs what the library shows at the gate: HMAC-SHA256 (RFC 2104).
type Key struct {
	// ID names the key among those that a database accepts; at least 1.
	ID int32
	// Secret is 32 random bytes.
	Secret []byte
}

// NewKey returns a key with a fresh secret.
func NewKey(id int32) Key {
	k := Key{ID: id, Secret: make([]byte, 32)}
	rand.Read(k.Secret) // crypto/rand.Read never fails; it ends the program instead
	return k
}

func (k Key) validate() error {
	if k.ID < 1 || len(k.Secret) != 32 {
		return errors.New("isolation: a key needs an ID of at least 1 and a secret of 32 bytes")
	}
	return nil
}

// What a signature is about. The data server hashes the same bytes, so that a
// signature for one purpose is worth nothing for another.
const (
	purposeSession = 's'
	purposeToken   = 't'
)

// signSession signs the secret that the session of backend pid is to have.
func (k Key) signSession(secret int64, pid uint32, expires int64) []byte {
	b := make([]byte, 0, 21)
	b = append(b, purposeSession)
	b = binary.BigEndian.AppendUint64(b, uint64(secret)) //nolint:gosec // G115: the bits, not the value
	b = binary.BigEndian.AppendUint32(b, pid)
	b = binary.BigEndian.AppendUint64(b, uint64(expires)) //nolint:gosec // G115: as above
	return k.sign(b)
}

// signToken signs the right of a tenant to come in during one transaction.
func (k Key) signToken(g gate, expires int64) []byte {
	return k.sign(appendToken(make([]byte, 0, tokenSize), g, expires))
}

// tokenSize is how many bytes of a token are signed.
const tokenSize = 26

// appendToken appends what a token's signature is about.
func appendToken(b []byte, g gate, expires int64) []byte {
	b = append(b, purposeToken)
	b = binary.BigEndian.AppendUint64(b, uint64(g.number)) //nolint:gosec // G115: as above
	b = binary.BigEndian.AppendUint64(b, uint64(g.epoch))  //nolint:gosec // G115: as above
	b = append(b, boolByte(g.readonly))
	return binary.BigEndian.AppendUint64(b, uint64(expires)) //nolint:gosec // G115: as above
}

func (k Key) sign(body []byte) []byte {
	mac := hmac.New(sha256.New, k.Secret)
	mac.Write(body)
	return mac.Sum(nil)
}

// pads returns the key's inner and outer pad, with which the data server works
// the same function out of sha256() alone.
func (k Key) pads() (ipad, opad []byte) {
	ipad, opad = make([]byte, sha256.BlockSize), make([]byte, sha256.BlockSize)
	copy(ipad, k.Secret)
	copy(opad, k.Secret)
	for i := range ipad {
		ipad[i] ^= 0x36
		opad[i] ^= 0x5c
	}
	return ipad, opad
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// keyring holds the key that one database's connections sign with. It is safe
// for concurrent use.
type keyring struct {
	// load reads the database's newest key; nil when keys were configured.
	load func(context.Context) (Key, error)

	loading turn // one reads it, the others wait
	mu      sync.Mutex
	key     Key
}

func newKeyring(load func(context.Context) (Key, error)) *keyring {
	return &keyring{load: load, loading: newTurn(1)}
}

// current returns the key to sign with, reading it the first time.
func (r *keyring) current(ctx context.Context) (Key, error) {
	if key, ok := r.known(); ok {
		return key, nil
	}
	if err := r.loading.take(ctx); err != nil {
		return Key{}, fmt.Errorf("isolation: waiting for the signing key: %w", err)
	}
	defer r.loading.leave()
	if key, ok := r.known(); ok {
		return key, nil
	}
	key, err := r.load(ctx)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.key = key
	}
	return key, err
}

func (r *keyring) known() (Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.key, r.key.ID != 0
}

// refused says that the database did not know key, and reports whether there
// may be a better one.
func (r *keyring) refused(key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.load == nil {
		return false
	}
	if r.key.ID == key.ID {
		r.key = Key{}
	}
	return true
}

// newestKey reads the key that a database's sessions are signed with from now
// on.
func newestKey(ctx context.Context, conn *pgx.Conn) (Key, error) {
	var k Key
	err := conn.QueryRow(ctx, `SELECT id, secret FROM partywall.key ORDER BY id DESC LIMIT 1`).Scan(&k.ID, &k.Secret)
	if err != nil {
		return Key{}, fmt.Errorf("isolation: reading the signing key: %w", err)
	}
	return k, nil
}

// acceptKey lets a database accept a key.
func acceptKey(ctx context.Context, conn *pgx.Conn, k Key) error {
	ipad, opad := k.pads()
	_, err := conn.Exec(ctx, `INSERT INTO partywall.key (id, secret, ipad, opad) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET secret = excluded.secret, ipad = excluded.ipad, opad = excluded.opad
		WHERE partywall.key.secret <> excluded.secret`, k.ID, k.Secret, ipad, opad)
	if err != nil {
		return fmt.Errorf("isolation: storing a signing key: %w", err)
	}
	return nil
}
