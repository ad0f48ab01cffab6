package pgtenant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// firstKey makes the first envelope key, once per installation however many
// nodes open it at the same time. Where there is one, the right to read will
// do.
func (s *store) firstKey(ctx context.Context) error {
	var exists bool
	err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM partywall_catalog.envelope_key)`).Scan(&exists)
	if err != nil || exists {
		return translate(err)
	}
	_, err = s.pool.Exec(ctx, `INSERT INTO partywall_catalog.envelope_key (id, secret) VALUES (1, $1)
		ON CONFLICT DO NOTHING`, secret())
	return translate(err)
}

func secret() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails; it ends the program instead
	return key
}

// EnvelopeKeys implements [tenant.KeySource].
func (s *store) EnvelopeKeys(ctx context.Context) (tenant.Keyring, error) {
	rows, err := s.pool.Query(ctx, `SELECT i.name::text, k.id, k.secret
		FROM partywall_catalog.installation i, partywall_catalog.envelope_key k ORDER BY k.id`)
	if err != nil {
		return tenant.Keyring{}, translate(err)
	}
	var ring tenant.Keyring
	var key tenant.EnvelopeKey
	_, err = pgx.ForEachRow(rows, []any{&ring.Installation, &key.ID, &key.Secret}, func() error {
		ring.Keys = append(ring.Keys, key)
		return nil
	})
	if err != nil {
		return tenant.Keyring{}, translate(err)
	}
	return ring, nil
}

// maxKeys is how many keys a [tenant.Keyring] can have.
const maxKeys = 32

// RotateEnvelopeKey makes a new key, with which all nodes sign envelopes from
// the moment that they learn of it, and returns its ID. Envelopes signed with
// earlier keys stay valid until [Catalog.DropEnvelopeKeys]. It fails with
// [tenant.ErrConflict] when another one rotates at the same time, with
// [tenant.ErrInvalid] when there are 32 keys already, which is as many as there
// can be, and with [tenant.ErrUnavailable].
func (c *Catalog) RotateEnvelopeKey(ctx context.Context) (id uint32, err error) {
	// Of two that rotate at once, the second one's id is taken: it is told so,
	// and one rotation is what both wanted.
	err = c.store.pool.QueryRow(ctx, `INSERT INTO partywall_catalog.envelope_key (id, secret)
		SELECT coalesce(max(id), 0) + 1, $1::bytea FROM partywall_catalog.envelope_key
		HAVING count(*) < $2::bigint RETURNING id`, secret(), maxKeys).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("%w: there are %d envelope keys; drop some first", tenant.ErrInvalid, maxKeys)
	}
	if err != nil {
		return 0, fmt.Errorf("pgtenant: rotating the envelope key: %w", reached(ctx, translate(err)))
	}
	return id, nil
}

// DropEnvelopeKeys removes the keys that were followed by a newer one longer
// than age ago, and returns how many. Envelopes that they signed are forged
// from then on. So age is usually the [tenant.Options.EnvelopeMaxAge] and
// MaxStale together, because a node that does not reach the catalog signs with
// the key that it knows; after a leak it is zero. The newest key always stays.
// It fails with [tenant.ErrUnavailable].
func (c *Catalog) DropEnvelopeKeys(ctx context.Context, age time.Duration) (dropped int64, err error) {
	tag, err := c.store.pool.Exec(ctx, `DELETE FROM partywall_catalog.envelope_key AS old
		WHERE EXISTS (SELECT FROM partywall_catalog.envelope_key AS newer
			WHERE newer.id > old.id AND newer.created_at <= clock_timestamp() - $1::interval)`, age)
	if err != nil {
		return 0, fmt.Errorf("pgtenant: dropping envelope keys: %w", reached(ctx, translate(err)))
	}
	return tag.RowsAffected(), nil
}

// reached wraps what is not an answer of the catalog in ErrUnavailable, as the
// registry does for what it asks itself.
func reached(ctx context.Context, err error) error {
	for _, answer := range []error{ctx.Err(), tenant.ErrConflict, tenant.ErrInvalid, tenant.ErrUnavailable} {
		if err == nil || answer != nil && errors.Is(err, answer) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", tenant.ErrUnavailable, err)
}
