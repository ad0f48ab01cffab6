package autotls

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
)

// record is a stored certificate.
type record struct {
	host, site, ca                      string
	notBefore, notAfter, renewAt, dueAt time.Time
	chain, key                          []byte // sealed
}

// recordSQL finds certificates with their items.
const recordSQL = `SELECT c.host, c.site, c.ca, c.not_before, c.not_after, c.renew_at, c.due_at, crt.value, key.value
	FROM partywall_tls.certificate c
	JOIN partywall_tls.item crt ON crt.key = c.site || '.crt'
	JOIN partywall_tls.item key ON key.key = c.site || '.key' `

func scanRecord(row pgx.CollectableRow) (*record, error) {
	r := &record{}
	return r, row.Scan(&r.host, &r.site, &r.ca, &r.notBefore, &r.notAfter, &r.renewAt, &r.dueAt, &r.chain, &r.key)
}

// find returns the stored certificate of a name, or fs.ErrNotExist.
func (s *storage) find(ctx context.Context, q querier, name string) (*record, error) {
	rows, err := q.Query(ctx, recordSQL+`WHERE c.host = $1`, name)
	if err != nil {
		return nil, fmt.Errorf("autotls: finding the certificate of %s: %w", name, err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRecord)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("autotls: finding the certificate of %s: %w", name, err)
	}
	return r, nil
}

// certificate is what a node shows, with what it needs to know of it.
type certificate struct {
	tls      *tls.Certificate
	notAfter time.Time
}

// decode opens a record. Only a certificate for the very name passes: whoever
// can write the database can have a row point to another host's items.
func (s *storage) decode(ctx context.Context, r *record, known *chains) (*certificate, *x509.Certificate, error) {
	chain, err := s.open(ctx, r.site+".crt", r.chain)
	if err != nil {
		return nil, nil, err
	}
	key, err := s.open(ctx, r.site+".key", r.key)
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(chain, key) // checks that they belong together
	if err != nil {
		return nil, nil, fmt.Errorf("autotls: certificate of %s: %w", r.host, err)
	}
	leaf := pair.Leaf
	if !slices.Contains(leaf.DNSNames, r.host) {
		return nil, nil, fmt.Errorf("autotls: certificate of %s: %w: it is another host's", r.host, ErrTampered)
	}
	// The server's side of crypto/tls does not look at the parsed leaf, which is
	// larger than all else.
	pair.Leaf = nil
	for i := range pair.Certificate {
		pair.Certificate[i] = slices.Clip(pair.Certificate[i])
		if i > 0 {
			pair.Certificate[i] = known.share(pair.Certificate[i])
		}
	}
	return &certificate{tls: &pair, notAfter: leaf.NotAfter}, leaf, nil
}

// chains are the certificates of authorities, which most hosts have in common
// and which are kept once.
type chains struct {
	mu   sync.Mutex
	seen map[[32]byte][]byte
}

// maxChains bounds them: there are a dozen in use.
const maxChains = 256

func (c *chains) share(der []byte) []byte {
	sum := sha256.Sum256(der)
	c.mu.Lock()
	defer c.mu.Unlock()
	if same, ok := c.seen[sum]; ok {
		return same
	}
	if len(c.seen) >= maxChains {
		clear(c.seen)
	}
	c.seen[sum] = der
	return der
}

// issued is what a CA has given us.
type issued struct {
	host, ca, issuer string // issuer is certmagic's key of the CA
	chain, key, meta []byte // PEM, PEM, JSON
	leaf             *x509.Certificate
	renewAt, dueAt   time.Time
}

// save stores a certificate with its row, all or nothing, while h is held; and
// has all nodes forget what they know of it.
func (s *storage) save(ctx context.Context, h *hold, c *issued) error {
	site := certmagic.StorageKeys.CertsSitePrefix(c.issuer, c.host) + "/" + certmagic.StorageKeys.Safe(c.host)
	return pgtx.Run(ctx, s.pool, func(tx pgx.Tx) error {
		// Of an earlier one by another CA nothing must be left.
		var before string
		err := tx.QueryRow(ctx, `SELECT site FROM partywall_tls.certificate WHERE host = $1`, c.host).Scan(&before)
		if err == nil && before != site {
			err = s.dropSite(ctx, tx, h, before)
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		for suffix, value := range map[string][]byte{".crt": c.chain, ".key": c.key, ".json": c.meta} {
			if err := s.put(ctx, tx, h, site+suffix, value); err != nil {
				return err
			}
		}
		var b pgx.Batch
		b.Queue(`INSERT INTO partywall_tls.certificate (host, site, ca, not_before, not_after, renew_at, due_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (host) DO UPDATE SET site = EXCLUDED.site, ca = EXCLUDED.ca,
			not_before = EXCLUDED.not_before, not_after = EXCLUDED.not_after, renew_at = EXCLUDED.renew_at, due_at = EXCLUDED.due_at`,
			c.host, site, c.ca, c.leaf.NotBefore, c.leaf.NotAfter, c.renewAt, c.dueAt)
		b.Queue(`DELETE FROM partywall_tls.rest WHERE host = $1`, c.host)
		b.Queue(changeSQL, c.host)
		return tx.SendBatch(ctx, &b).Close()
	})
}

const changeSQL = `INSERT INTO partywall_tls.change (host) VALUES ($1) ON CONFLICT (host) DO UPDATE SET at = EXCLUDED.at`

func (s *storage) dropSite(ctx context.Context, q querier, h *hold, site string) error {
	for _, suffix := range []string{".crt", ".key", ".json"} {
		if err := s.drop(ctx, q, h, site+suffix); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes a certificate with its row, while h is held.
func (s *storage) forget(ctx context.Context, h *hold, name string) error {
	return pgtx.Run(ctx, s.pool, func(tx pgx.Tx) error {
		var site string
		err := tx.QueryRow(ctx, `SELECT site FROM partywall_tls.certificate WHERE host = $1`, name).Scan(&site)
		if err == nil {
			err = s.dropSite(ctx, tx, h, site)
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var b pgx.Batch
		b.Queue(`DELETE FROM partywall_tls.certificate WHERE host = $1`, name)
		b.Queue(`DELETE FROM partywall_tls.rest WHERE host = $1`, name)
		b.Queue(changeSQL, name)
		return tx.SendBatch(ctx, &b).Close()
	})
}
