package domain

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/internal/pgerror"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain/redirect"
)

// querier is a pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// columns are those of [Domain], in the order of scan.
const columns = `id, tenant_id, host, state, method, attempt, token,
	(SELECT label FROM partywall_domains.target t WHERE t.tenant_id = domain.tenant_id),
	main, redirects, reason, seen, pointed, failures,
	claimed_at, verified_at, checked_at, degraded_at, ended_at, cert_until, due_at, version`

// scan reads columns, and what comes after them into more.
func (c *Catalog) scan(row pgx.CollectableRow, more ...any) (d Domain, err error) {
	var label string
	var rules []byte
	var times [6]*time.Time
	err = row.Scan(append([]any{
		&d.ID, &d.Tenant, &d.Host, (*string)(&d.State), (*string)(&d.Method), &d.Attempt, &d.Token, &label,
		&d.Primary, &rules, (*string)(&d.Reason), &d.Seen, &d.Pointed, &d.Failures,
		&d.ClaimedAt, &times[0], &times[1], &times[2], &times[3], &times[4], &times[5], &d.Version,
	}, more...)...)
	if err != nil {
		return d, err
	}
	d.Target = label + "." + c.opts.Edge
	d.ClaimedAt = d.ClaimedAt.UTC()
	for i, to := range []*time.Time{&d.VerifiedAt, &d.CheckedAt, &d.DegradedAt, &d.EndedAt, &d.CertificateUntil, &d.DueAt} {
		if times[i] != nil {
			*to = times[i].UTC()
		}
	}
	if d.Redirects, err = redirect.Parse(rules); err != nil {
		return d, fmt.Errorf("domain: redirects of %s: %w", d.Host, err)
	}
	return d, nil
}

// read returns the domains of a query that selects columns.
func (c *Catalog) read(ctx context.Context, q querier, sql string, args ...any) ([]Domain, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, translate(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Domain, error) { return c.scan(row) })
	return found, translate(err)
}

// one returns the domain of a tenant's host that is not history, for a change.
func (c *Catalog) one(ctx context.Context, tx pgx.Tx, id tenant.ID, host string) (Domain, error) {
	found, err := c.read(ctx, tx, `SELECT `+columns+` FROM partywall_domains.domain
		WHERE tenant_id = $1 AND host = $2 AND state NOT IN ('tombstoned', 'ended') FOR UPDATE`, id, host)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: %s", ErrNotFound, host)
	}
	if err != nil {
		return Domain{}, err
	}
	return found[0], nil
}

// save writes a domain as it is next, if nobody has changed it since, and what
// others are to be told. A worker's lease ends with it, and has to be held.
func (c *Catalog) save(ctx context.Context, tx pgx.Tx, was, d Domain, lease int64) (Domain, error) {
	rules, err := json.Marshal(d.Redirects)
	if err != nil {
		return d, fmt.Errorf("domain: redirects of %s: %w", d.Host, err)
	}
	done, err := tx.Exec(ctx, `UPDATE partywall_domains.domain SET
			state = $4, method = $5, attempt = $6, token = $7, main = $8, redirects = $9, reason = $10, seen = $11, pointed = $12, failures = $13,
			verified_at = $14, checked_at = $15, degraded_at = $16, ended_at = $17, cert_until = $18, due_at = $19,
			version = version + 1, lease_until = NULL
		WHERE id = $1 AND version = $2 AND ($3 = 0 OR lease_token = $3)`,
		d.ID, was.Version, lease, string(d.State), string(d.Method), d.Attempt, d.Token, d.Primary, rules, string(d.Reason), printable(d.Seen), d.Pointed, d.Failures,
		orNull(d.VerifiedAt), orNull(d.CheckedAt), orNull(d.DegradedAt), orNull(d.EndedAt), orNull(d.CertificateUntil), orNull(d.DueAt))
	if err != nil {
		return d, translate(err)
	}
	if done.RowsAffected() == 0 {
		return d, fmt.Errorf("%w: %s", ErrConflict, d.Host)
	}
	d.Version = was.Version + 1
	if d.State != was.State {
		return d, c.announce(ctx, tx, "domain."+string(d.State), d)
	}
	return d, nil
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// translate makes the catalog's errors of PostgreSQL's, and keeps rows out of
// their text.
func translate(err error) error {
	pg, ok := pgerror.Clean(err)
	switch {
	case !ok:
		return err
	case pg.Code == "23505" && pg.ConstraintName == "domain_claim":
		return fmt.Errorf("%w: %w", ErrExists, pg)
	case pgerror.IsConflict(pg):
		return fmt.Errorf("%w: %w", ErrConflict, pg)
	}
	return pg
}
