package domain

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant"
)

// Claim notes that a tenant says that a host is its own. [Instructions] tells
// what it has to do then; a worker sees when it has. Several tenants may claim a
// host; the first that proves it has it.
//
// It fails with a [HostError], which matches [ErrInvalid], for a host that nobody
// may have; with [ErrExists], [ErrLimit] and [ErrQuarantined]; and as the registry
// does for a tenant that there is not.
func (c *Catalog) Claim(ctx context.Context, id tenant.ID, host string, method Method) (d Domain, err error) {
	err = c.inTx(ctx, func(tx pgx.Tx) error {
		d, err = c.ClaimTx(ctx, tx, id, host, method)
		return err
	})
	return d, err
}

// ClaimTx is [Catalog.Claim] within a transaction of the caller's.
func (c *Catalog) ClaimTx(ctx context.Context, tx pgx.Tx, id tenant.ID, host string, method Method) (Domain, error) {
	host, err := ParseHost(host, c.opts.zones()...)
	if err != nil {
		return Domain{}, err
	}
	if method != MethodTXT && method != MethodHTTP {
		return Domain{}, invalid("method %q", cut(string(method)))
	}
	if err := c.alive(ctx, id); err != nil {
		return Domain{}, err
	}
	if err := c.target(ctx, tx, id); err != nil {
		return Domain{}, err
	}
	if err := c.room(ctx, tx, id, host, method); err != nil {
		return Domain{}, err
	}
	now := c.opts.Clock()
	found, err := c.read(ctx, tx, `INSERT INTO partywall_domains.domain (tenant_id, host, state, method, token, claimed_at, due_at)
		VALUES ($1, $2, 'claimed', $3, $4, $5, $5) RETURNING `+columns, id, host, string(method), rand.Text(), now)
	if err != nil {
		return Domain{}, fmt.Errorf("domain: claiming %s: %w", host, err)
	}
	return found[0], c.announce(ctx, tx, "domain.claimed", found[0])
}

// alive refuses tenants that there are not, or not any more.
func (c *Catalog) alive(ctx context.Context, id tenant.ID) error {
	t, err := c.tenants.Lookup(ctx, tenant.ByID(id))
	if err == nil && gone(t) {
		err = tenant.ErrDeleted
	}
	if err != nil {
		return fmt.Errorf("domain: tenant %s: %w", id, err)
	}
	return nil
}

func gone(t tenant.Tenant) bool { return t.Status == tenant.Deleting || t.Status == tenant.Deleted }

// target gives the tenant the name that its hosts have to point at, unless it
// has one. It keeps the tenant's other claims waiting until the end of the
// transaction, so that they are counted.
func (c *Catalog) target(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	label := strings.ToLower(rand.Text())
	_, err := tx.Exec(ctx, `INSERT INTO partywall_domains.target (tenant_id, label) VALUES ($1, $2)
		ON CONFLICT (tenant_id) DO UPDATE SET label = target.label`, id, label)
	return translate(err)
}

// room refuses a claim too many, and one by HTTP where the host was in use.
func (c *Catalog) room(ctx context.Context, tx pgx.Tx, id tenant.ID, host string, method Method) error {
	var own, today, others int
	var used bool
	err := tx.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM partywall_domains.domain WHERE tenant_id = $1 AND state NOT IN ('tombstoned', 'ended')),
		(SELECT count(*) FROM partywall_domains.domain WHERE tenant_id = $1 AND claimed_at > $3),
		(SELECT count(*) FROM partywall_domains.domain WHERE host = $2 AND state = 'claimed'),
		EXISTS (SELECT FROM partywall_domains.domain WHERE host = $2 AND state NOT IN ('claimed', 'ended'))`,
		id, host, c.opts.Clock().Add(-24*time.Hour)).Scan(&own, &today, &others, &used)
	switch {
	case err != nil:
		return translate(err)
	case own >= c.opts.MaxDomains:
		return fmt.Errorf("%w: tenant %s has %d", ErrLimit, id, own)
	case today >= 4*c.opts.MaxDomains: // claims that have ended stay as history
		return fmt.Errorf("%w: tenant %s has made %d in a day", ErrLimit, id, today)
	case others >= c.opts.MaxClaims:
		return fmt.Errorf("%w: %s is claimed by %d tenants", ErrLimit, host, others)
	case used && method == MethodHTTP:
		return fmt.Errorf("%w: %s", ErrQuarantined, host)
	}
	return nil
}

// cut keeps a text from outside short in errors.
func cut(s string) string { return s[:min(len(s), 64)] }
