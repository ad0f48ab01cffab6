package tenant

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// An envelope is, before base64url:
//
//	version 1 | key 4 | installation 16 | tenant 16 | epoch 8 | issued 8 | MAC 32
//
// with numbers in network order, the issue in seconds of Unix time, and the
// MAC, HMAC-SHA256, over a fixed prefix and all that comes before it. The
// installation is in it, rather than in the MAC only, so that a message from
// another one can be told from a forged one.
const (
	envelopeVersion = 1
	envelopeBody    = 1 + 4 + 16 + 16 + 8 + 8
	envelopeBytes   = envelopeBody + sha256.Size
)

// envelopePrefix keeps a MAC made here from being one for any other purpose.
const envelopePrefix = "partywall envelope\x00"

// envelopeSkew is how far clocks of one installation may be apart.
const envelopeSkew = time.Minute

// letter is what an envelope says.
type letter struct {
	key          uint32
	installation [16]byte
	tenant       ID
	epoch        int64
	issued       time.Time
}

// Envelope returns the tenant of ctx as a short signed text for jobs and
// messages, of 114 characters that need no escape in headers, URLs and JSON.
// [Registry.Resume] opens it, on any node of the installation. It is signed,
// not encrypted: it shows the tenant's ID and its age, and proves who the
// tenant is, not that the message around it is genuine.
//
// It fails as [FromContext] does, so nothing can be sent on behalf of a tenant
// that is suspended, except by what [Admit] let in; and with [ErrUnavailable]
// when the keys are not to be had.
//
// An envelope can be opened any number of times until it is stale. What must
// not happen twice, a payment for example, needs a key of its own against that.
func (r *Registry) Envelope(ctx context.Context) (string, error) {
	t, err := FromContext(ctx)
	if err != nil {
		return "", err
	}
	ring, err := r.ring(ctx)
	if err != nil {
		return "", fmt.Errorf("tenant: envelope of %s: %w", t.ID, err)
	}
	return seal(ring, letter{tenant: t.ID, epoch: t.Placement.Epoch, issued: r.opts.Clock()}), nil
}

func seal(ring *ring, l letter) string {
	b := make([]byte, 0, envelopeBytes)
	b = append(b, envelopeVersion)
	b = binary.BigEndian.AppendUint32(b, ring.newest)
	b = append(b, ring.installation[:]...)
	b = append(b, l.tenant[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.epoch))         //nolint:gosec // G115: read back the same way
	b = binary.BigEndian.AppendUint64(b, uint64(l.issued.Unix())) //nolint:gosec // G115: read back the same way
	b = append(b, mac(ring.secrets[ring.newest], b)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func mac(secret, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(envelopePrefix))
	h.Write(body)
	return h.Sum(nil)
}

// Resume returns a context that belongs to the tenant of an envelope, as the
// tenant is now: one that has moved since resumes at its new placement. ctx
// itself belongs to no tenant, or to the same.
//
// It fails with [ErrForged] for anything that this installation did not sign,
// with [ErrForeign] for the envelope of another installation, with [ErrStale]
// for one that is older than [Options.EnvelopeMaxAge], from the future, or of
// a state of the catalog that is no more; with a [*StatusError] when the tenant
// is not Active; with [ErrTwoTenants]; and as [Registry.Lookup] does. Of these
// ErrUnavailable is worth another try, and ErrMaintenance too. It is safe for
// text from anywhere: what is no envelope costs the catalog nothing, and one
// with a key that is not known here at most one question in [Options.MissTTL].
func (r *Registry) Resume(ctx context.Context, envelope string) (context.Context, error) {
	l, err := r.open(ctx, envelope)
	if err != nil {
		return nil, fmt.Errorf("tenant: resuming: %w", err)
	}
	t, err := r.Lookup(ctx, ByID(l.tenant))
	if errors.Is(err, ErrNotFound) || err == nil && t.Placement.Epoch < l.epoch {
		// Word of the tenant, or of its move, has not come here yet. Only who
		// holds a key can make this node ask.
		t, err = r.Refresh(ctx, ByID(l.tenant))
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("tenant: resuming %s: %w", l.tenant, err)
	case t.Placement.Epoch < l.epoch:
		return nil, fmt.Errorf("tenant: resuming %s: %w: of epoch %d, and the catalog has %d",
			l.tenant, ErrStale, l.epoch, t.Placement.Epoch)
	}
	resumed := NewContext(ctx, t)
	// Fails for a tenant that is not active, and for a second one.
	if _, err := FromContext(resumed); err != nil {
		return nil, fmt.Errorf("tenant: resuming %s: %w", l.tenant, err)
	}
	return resumed, nil
}

// open verifies an envelope, with the keys as they are now if its key is not
// known here yet.
func (r *Registry) open(ctx context.Context, envelope string) (letter, error) {
	body, sum, l, err := parseEnvelope(envelope)
	if err != nil {
		return letter{}, err
	}
	ring, err := r.ring(ctx)
	if err != nil {
		return letter{}, err
	}
	if l.installation != ring.installation {
		return letter{}, ErrForeign
	}
	secret, known := ring.secrets[l.key]
	if !known {
		if ring, err = r.newerRing(ctx, ring); err != nil {
			return letter{}, err
		}
		if secret, known = ring.secrets[l.key]; !known {
			return letter{}, ErrForged
		}
	}
	if !hmac.Equal(sum, mac(secret, body)) {
		return letter{}, ErrForged
	}
	// Only what is proven is looked at from here on.
	age := r.opts.Clock().Sub(l.issued)
	switch {
	case age > r.opts.EnvelopeMaxAge:
		return letter{}, fmt.Errorf("%w: %s old", ErrStale, age.Round(time.Second))
	case age < -envelopeSkew:
		return letter{}, fmt.Errorf("%w: made %s from now", ErrStale, (-age).Round(time.Second))
	}
	return l, nil
}

// parseEnvelope takes an envelope apart without believing any of it.
func parseEnvelope(envelope string) (body, sum []byte, l letter, err error) {
	if len(envelope) != base64.RawURLEncoding.EncodedLen(envelopeBytes) {
		return nil, nil, letter{}, ErrForged
	}
	// Strict, so that one envelope has one form and can serve as a key.
	b, err := base64.RawURLEncoding.Strict().DecodeString(envelope)
	if err != nil || len(b) != envelopeBytes || b[0] != envelopeVersion {
		return nil, nil, letter{}, ErrForged
	}
	l.key = binary.BigEndian.Uint32(b[1:])
	copy(l.installation[:], b[5:])
	copy(l.tenant[:], b[21:])
	l.epoch = int64(binary.BigEndian.Uint64(b[37:]))                //nolint:gosec // G115: as it was written
	l.issued = time.Unix(int64(binary.BigEndian.Uint64(b[45:])), 0) //nolint:gosec // G115: as it was written
	return b[:envelopeBody], b[envelopeBody:], l, nil
}
