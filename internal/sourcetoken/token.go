// Package sourcetoken holds the two proofs by which a header may name a tenant:
// a signature ([Sign], [Verify]) or the address of the peer that sent it
// ([Peers]). HTTP headers and gRPC metadata share them, so that a gateway can
// pass the one on as the other.
package sourcetoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MinKey is the shortest key taken, in bytes: that of HMAC-SHA256 itself. A
// pass phrase is shorter and can be guessed offline from one token.
const MinKey = 32

// maxToken bounds what is looked at: a name, an expiry and a MAC are far less.
const maxToken = 256

// The reasons to refuse a token. Neither says what the token held.
var (
	// ErrForged is returned for a token that none of the keys has signed.
	ErrForged = errors.New("sourcetoken: not signed by us")
	// ErrExpired is returned for a token that was signed, and is too old.
	ErrExpired = errors.New("sourcetoken: expired")
	// ErrInput is returned by [Sign] for what cannot be signed.
	ErrInput = errors.New("sourcetoken: cannot be signed")
)

// domain keeps a signature made here from meaning anything elsewhere, should a
// host use one key for two purposes.
const domain = "partywall tenant source\x00"

const version = "v1"

// Sign returns a token by which its bearer may name the tenant called name, a
// slug or an ID, until expires. It fails with [ErrInput] for a key shorter
// than [MinKey] and for a name with other characters than letters, digits and
// hyphens.
func Sign(key []byte, name string, expires time.Time) (string, error) {
	if len(key) < MinKey {
		return "", fmt.Errorf("%w: key has %d bytes, want at least %d", ErrInput, len(key), MinKey)
	}
	if !plain(name) {
		return "", fmt.Errorf("%w: name is not made of letters, digits and hyphens", ErrInput)
	}
	signed := version + "." + name + "." + strconv.FormatInt(expires.Unix(), 10)
	return signed + "." + mac(key, signed), nil
}

// Verify returns the name that token was signed for by one of keys. It fails
// with [ErrForged] or [ErrExpired]. The signature is checked before anything
// else in the token is believed, its expiry included.
func Verify(keys [][]byte, token string, now time.Time) (string, error) {
	cut := strings.LastIndexByte(token, '.')
	if cut < 0 || len(token) > maxToken {
		return "", ErrForged
	}
	signed := token[:cut]
	if !signedByAny(keys, signed, token[cut+1:]) {
		return "", ErrForged
	}
	// From here on the text is our own; the checks guard against a later
	// version of Sign that shares its keys with this Verify.
	rest, ok := strings.CutPrefix(signed, version+".")
	name, until, found := strings.Cut(rest, ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if !ok || !found || err != nil || !plain(name) {
		return "", ErrForged
	}
	if now.Unix() >= seconds {
		return "", ErrExpired
	}
	return name, nil
}

// signedByAny compares the text of the signature, and does not decode it:
// encoding/base64 overlooks line breaks, in strict mode too, so that one token
// would have many forms.
func signedByAny(keys [][]byte, signed, sum string) bool {
	for _, key := range keys {
		if len(key) >= MinKey && hmac.Equal([]byte(sum), []byte(mac(key, signed))) {
			return true
		}
	}
	return false
}

func mac(key []byte, signed string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(domain))
	h.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// plain reports whether name holds nothing that could be taken for a
// separator of the token.
func plain(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
