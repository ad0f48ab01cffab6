package domain

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/hostname"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain/redirect"
)

// change is one to a domain of a tenant's.
type change func(ctx context.Context, tx pgx.Tx, d Domain) (Domain, error)

// apply makes a change within a transaction.
func (c *Catalog) apply(ctx context.Context, tx pgx.Tx, id tenant.ID, host string, f change) (Domain, error) {
	name, err := hostname.Normalize(host)
	if err != nil {
		return Domain{}, &HostError{Host: cut(host), Rule: "is no host name", Err: err}
	}
	// One at a time for each tenant: whatever counts all its hosts, or looks for
	// loops among them, sees them as they stay.
	if err := c.target(ctx, tx, id); err != nil {
		return Domain{}, err
	}
	was, err := c.one(ctx, tx, id, name)
	if err != nil {
		return Domain{}, err
	}
	d, err := f(ctx, tx, was)
	if err != nil {
		return Domain{}, err
	}
	return c.save(ctx, tx, was, d, 0)
}

// applied is apply in a transaction of its own.
func (c *Catalog) applied(ctx context.Context, id tenant.ID, host string, f change) (d Domain, err error) {
	err = c.inTx(ctx, func(tx pgx.Tx) error {
		d, err = c.apply(ctx, tx, id, host, f)
		return err
	})
	return d, err
}

// Restart makes a new attempt at a claim, with a new token; the earlier ones are
// void. It fails with [ErrState] for a domain that has been proven, with
// [ErrQuarantined] as [Catalog.Claim] does, and with [ErrNotFound].
func (c *Catalog) Restart(ctx context.Context, id tenant.ID, host string, method Method) (Domain, error) {
	return c.applied(ctx, id, host, c.restart(method))
}

// RestartTx is [Catalog.Restart] within a transaction of the caller's.
func (c *Catalog) RestartTx(ctx context.Context, tx pgx.Tx, id tenant.ID, host string, method Method) (Domain, error) {
	return c.apply(ctx, tx, id, host, c.restart(method))
}

func (c *Catalog) restart(method Method) change {
	return func(ctx context.Context, tx pgx.Tx, d Domain) (Domain, error) {
		if d.State != Claimed {
			return d, fmt.Errorf("%w: %s is %s", ErrState, d.Host, d.State)
		}
		if method != MethodTXT && method != MethodHTTP {
			return d, invalid("method %q", cut(string(method)))
		}
		var used bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM partywall_domains.domain WHERE host = $1 AND state NOT IN ('claimed', 'ended'))`, d.Host).Scan(&used)
		if err != nil {
			return d, translate(err)
		}
		if used && method == MethodHTTP {
			return d, fmt.Errorf("%w: %s", ErrQuarantined, d.Host)
		}
		d.Method, d.Token, d.Attempt = method, rand.Text(), d.Attempt+1
		d.Reason, d.Seen, d.Failures = "", nil, 0
		d.DueAt = c.opts.Clock()
		return d, nil
	}
}

// Check has a domain looked at now. It fails with [ErrNotFound].
func (c *Catalog) Check(ctx context.Context, id tenant.ID, host string) (Domain, error) {
	return c.applied(ctx, id, host, c.check)
}

// CheckTx is [Catalog.Check] within a transaction of the caller's: the domain is
// looked at after that is committed.
func (c *Catalog) CheckTx(ctx context.Context, tx pgx.Tx, id tenant.ID, host string) (Domain, error) {
	return c.apply(ctx, tx, id, host, c.check)
}

func (c *Catalog) check(_ context.Context, _ pgx.Tx, d Domain) (Domain, error) {
	d.DueAt = c.opts.Clock()
	return d, nil
}

// Release gives a domain up: it is not served any more, its certificate is
// revoked, and nobody has it until it leads elsewhere or is proven anew. A claim
// is withdrawn. It fails with [ErrNotFound].
func (c *Catalog) Release(ctx context.Context, id tenant.ID, host string) (Domain, error) {
	return c.applied(ctx, id, host, c.release(ReasonReleased))
}

// ReleaseTx is [Catalog.Release] within a transaction of the caller's.
func (c *Catalog) ReleaseTx(ctx context.Context, tx pgx.Tx, id tenant.ID, host string) (Domain, error) {
	return c.apply(ctx, tx, id, host, c.release(ReasonReleased))
}

func (c *Catalog) release(reason Reason) change {
	return func(_ context.Context, _ pgx.Tx, d Domain) (Domain, error) {
		switch {
		case d.State == Claimed:
			return ended(d, c.opts.Clock(), reason), nil
		case d.State.Serves():
			return released(d, c.opts.Clock(), reason), nil
		}
		return d, nil
	}
}

// MakePrimary makes a host the one that its tenant goes by. It fails with
// [ErrState] for a host that is not served, with [ErrNotFound], and with a
// [redirect.LoopError] where the redirects would go in a circle then.
func (c *Catalog) MakePrimary(ctx context.Context, id tenant.ID, host string) (Domain, error) {
	return c.applied(ctx, id, host, c.makePrimary)
}

// MakePrimaryTx is [Catalog.MakePrimary] within a transaction of the caller's.
func (c *Catalog) MakePrimaryTx(ctx context.Context, tx pgx.Tx, id tenant.ID, host string) (Domain, error) {
	return c.apply(ctx, tx, id, host, c.makePrimary)
}

func (c *Catalog) makePrimary(ctx context.Context, tx pgx.Tx, d Domain) (Domain, error) {
	if !d.State.Serves() {
		return d, fmt.Errorf("%w: %s is %s", ErrState, d.Host, d.State)
	}
	_, err := tx.Exec(ctx, `UPDATE partywall_domains.domain SET main = false, version = version + 1 WHERE tenant_id = $1 AND main AND id <> $2`, d.Tenant, d.ID)
	if err != nil {
		return d, translate(err)
	}
	d.Primary = true
	if err := c.checkRedirects(ctx, tx, d); err != nil {
		return d, err
	}
	return d, c.announce(ctx, tx, topicPrimary, d)
}

// SetRedirects replaces the redirects of a host. It fails with what
// [redirect.Check] says of all hosts of the tenant together, and with
// [ErrNotFound].
func (c *Catalog) SetRedirects(ctx context.Context, id tenant.ID, host string, rules redirect.Rules) (Domain, error) {
	return c.applied(ctx, id, host, c.setRedirects(rules))
}

// SetRedirectsTx is [Catalog.SetRedirects] within a transaction of the caller's.
func (c *Catalog) SetRedirectsTx(ctx context.Context, tx pgx.Tx, id tenant.ID, host string, rules redirect.Rules) (Domain, error) {
	return c.apply(ctx, tx, id, host, c.setRedirects(rules))
}

func (c *Catalog) setRedirects(rules redirect.Rules) change {
	return func(ctx context.Context, tx pgx.Tx, d Domain) (Domain, error) {
		d.Redirects = rules
		return d, c.checkRedirects(ctx, tx, d)
	}
}

// checkRedirects looks for loops among all hosts of d's tenant, with d as it is
// to be. Those that are not served yet count too: they will be.
func (c *Catalog) checkRedirects(ctx context.Context, tx pgx.Tx, d Domain) error {
	all, err := c.read(ctx, tx, `SELECT `+columns+` FROM partywall_domains.domain
		WHERE tenant_id = $1 AND id <> $2 AND state IN ('claimed', 'verified', 'issuing', 'active', 'degraded')`, d.Tenant, d.ID)
	if err != nil {
		return err
	}
	all = append(all, d)
	hosts := make([]string, 0, len(all)+1)
	primary := ""
	for _, each := range all {
		hosts = append(hosts, each.Host)
		if each.Primary {
			primary = each.Host
		}
	}
	if own := c.subdomainOf(ctx, d.Tenant); own != "" {
		hosts = append(hosts, own)
	}
	slices.Sort(hosts)
	sites := make([]redirect.Site, len(all))
	for i, each := range all {
		sites[i] = redirect.Site{Host: each.Host, Primary: primary, Hosts: hosts, Rules: each.Redirects}
	}
	return redirect.Check(sites)
}

// subdomainOf is the host that a tenant has below the platform's base, "" if it
// has none.
func (c *Catalog) subdomainOf(ctx context.Context, id tenant.ID) string {
	t, err := c.tenants.Lookup(ctx, tenant.ByID(id))
	if err != nil || c.opts.Base == "" || gone(t) {
		return ""
	}
	return t.Slug + "." + c.opts.Base
}
