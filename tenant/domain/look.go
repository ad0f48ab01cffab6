package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtx"
	"github.com/partywall/partywall/tenant"
)

// lookTime bounds one look at a domain; an order may take minutes.
const lookTime = 5 * time.Minute

// look finds out how things are with a domain, and returns it as it is next.
func (c *Catalog) look(ctx context.Context, d Domain) (Domain, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	dead, err := c.dead(ctx, d.Tenant)
	if err != nil {
		return d, err
	}
	switch {
	case dead && d.State == Claimed:
		return ended(d, c.opts.Clock(), ReasonTenantGone), nil
	case dead && d.State.Serves():
		return released(d, c.opts.Clock(), ReasonTenantGone), nil
	}
	switch d.State {
	case Claimed:
		return c.lookAtClaim(ctx, d)
	case Verified:
		return c.life.issuing(d, c.opts.Clock()), nil
	case Issuing:
		return c.issue(ctx, d)
	case Active, Degraded:
		return c.recheck(ctx, d)
	case Released:
		return c.forget(ctx, d)
	case Tombstoned:
		e, err := c.opts.Prover.Prove(ctx, d.Challenge())
		return c.life.buried(d, c.opts.Clock(), e, err), nil
	}
	return d, fmt.Errorf("%w: %s is %s", ErrState, d.Host, d.State)
}

// dead reports whether there is nobody any more who could have the domain. What
// cannot be known is an error.
func (c *Catalog) dead(ctx context.Context, id tenant.ID) (bool, error) {
	t, err := c.tenants.Lookup(ctx, tenant.ByID(id))
	if errors.Is(err, tenant.ErrNotFound) {
		return true, nil
	}
	return err == nil && gone(t), err
}

// lookAtClaim looks for the proof of a claim. Where another tenant has the host,
// its own proof counts: a host that has gone to a new owner has lost it.
func (c *Catalog) lookAtClaim(ctx context.Context, d Domain) (Domain, error) {
	e, err := c.opts.Prover.Prove(ctx, d.Challenge())
	now := c.opts.Clock()
	if err != nil {
		return c.life.unproven(d, now, e, err), nil
	}
	owner, found, err := c.owner(ctx, d.Host)
	switch {
	case err != nil:
		return d, err
	case !found:
		return c.life.proven(d, now, e), nil
	case owner.State == Tombstoned && d.Method == MethodTXT:
		return c.life.proven(d, now, e), nil // the tombstone goes with it
	case owner.State == Released && d.Method == MethodTXT:
		d.DueAt = now.Add(issuePause(1)) // until its certificate is gone
		return d, nil
	case d.Method != MethodTXT || !c.lost(ctx, owner):
		return c.life.unproven(d, now, e, &ProofError{Reason: ReasonTaken}), nil
	}
	err = pgtx.Run(ctx, c.pool, func(tx pgx.Tx) error {
		_, err := c.save(ctx, tx, owner, released(owner, now, ReasonTakenOver), 0)
		return err
	})
	d.DueAt = now.Add(issuePause(1))
	return d, err
}

// owner returns the row that has a host.
func (c *Catalog) owner(ctx context.Context, host string) (Domain, bool, error) {
	found, err := c.read(ctx, c.pool, `SELECT `+columns+` FROM partywall_domains.domain WHERE host = $1 AND state NOT IN ('claimed', 'ended')`, host)
	if err != nil || len(found) == 0 {
		return Domain{}, false, err
	}
	return found[0], true, nil
}

// lost reports whether an owner's proof is not there any more. That its host
// still leads here is no proof: so does what somebody has forgotten in DNS.
func (c *Catalog) lost(ctx context.Context, owner Domain) bool {
	challenge := owner.Challenge()
	challenge.Method = MethodTXT
	_, err := c.opts.Prover.Prove(ctx, challenge)
	reason, _ := reasonOf(err, ReasonDNSFailure)
	return err != nil && !transient(reason)
}

// settle writes what has become of a job's domain. A host that is verified is no
// tombstone any more.
func (c *Catalog) settle(ctx context.Context, tx pgx.Tx, j job, next Domain) error {
	if j.State == Claimed && next.State == Verified {
		found, err := c.read(ctx, tx, `SELECT `+columns+` FROM partywall_domains.domain WHERE host = $1 AND state = 'tombstoned' FOR UPDATE`, j.Host)
		if err != nil {
			return err
		}
		for _, tomb := range found {
			if j.Method != MethodTXT {
				return fmt.Errorf("%w: %s", ErrConflict, j.Host) // it has become one since
			}
			if _, err := c.save(ctx, tx, tomb, ended(tomb, next.VerifiedAt, ReasonFreed), 0); err != nil {
				return err
			}
		}
	}
	_, err := c.save(ctx, tx, j.Domain, next, j.lease)
	return err
}

// issue gets a certificate for a verified host. It does not ask while the host
// leads elsewhere: CAs count what fails.
func (c *Catalog) issue(ctx context.Context, d Domain) (Domain, error) {
	e, err := c.opts.Prover.Prove(ctx, d.Challenge())
	if !e.Pointed {
		reason, seen := reasonOf(err, ReasonDNSFailure)
		if err == nil || !transient(reason) {
			reason = ReasonNotPointed
		}
		return c.life.waiting(d, c.opts.Clock(), e, reason, seen, time.Time{}), nil
	}
	if err := c.issuer.Issue(ctx, d.Host); err != nil {
		if ctx.Err() != nil {
			return d, context.Cause(ctx)
		}
		reason, seen := reasonOf(err, ReasonOrderFailed)
		level := slog.LevelWarn
		if transient(reason) { // and nobody has to do anything
			level = slog.LevelInfo
		}
		c.opts.Logger.Log(ctx, level, "domain: no certificate yet", "host", d.Host, "reason", string(reason), "error", err)
		return c.life.waiting(d, c.opts.Clock(), e, reason, seen, retryOf(err)), nil
	}
	_, until, err := c.issuer.Validity(ctx, d.Host)
	if err != nil {
		return d, err
	}
	return c.life.active(d, c.opts.Clock(), e, until), nil
}

// recheck looks at a domain that is served: whether it is proven still or leads
// here, and whether its certificate is good.
func (c *Catalog) recheck(ctx context.Context, d Domain) (Domain, error) {
	e, err := c.opts.Prover.Prove(ctx, d.Challenge())
	if err != nil && !e.Pointed {
		reason, seen := reasonOf(err, ReasonDNSFailure)
		return c.life.amiss(d, c.opts.Clock(), e, reason, seen), nil
	}
	if !c.life.certificates {
		return c.life.active(d, c.opts.Clock(), e, time.Time{}), nil
	}
	until, err := c.certificate(ctx, d.Host, e.Pointed)
	if err != nil {
		return d, err // which says nothing of this domain
	}
	now := c.opts.Clock()
	if now.Before(until) {
		return c.life.active(d, now, e, until), nil
	}
	d.CertificateUntil = until
	return c.life.amiss(d, now, e, ReasonCertificateExpired, nil), nil
}

// certificate returns until when the certificate of a host is good; the zero time
// is for none. What is there the Issuer renews by itself; what is not there is
// ordered, if that can succeed.
func (c *Catalog) certificate(ctx context.Context, host string, pointed bool) (until time.Time, err error) {
	_, until, err = c.issuer.Validity(ctx, host)
	missing := errors.Is(err, fs.ErrNotExist)
	if err == nil && c.opts.Clock().Before(until) || err != nil && !missing {
		return until, err
	}
	if !pointed {
		return until, nil
	}
	if err := c.issuer.Issue(ctx, host); err != nil {
		if ctx.Err() != nil {
			return until, context.Cause(ctx)
		}
		c.opts.Logger.WarnContext(ctx, "domain: no certificate any more", "host", host, "error", err)
		return until, nil
	}
	_, until, err = c.issuer.Validity(ctx, host)
	return until, err
}

// revokeTries is how often a CA is asked to revoke what is to be forgotten.
const revokeTries = 5

// forget makes the certificate of a released host go away.
func (c *Catalog) forget(ctx context.Context, d Domain) (Domain, error) {
	if c.issuer == nil {
		return c.life.forgotten(d, c.opts.Clock()), nil
	}
	if err := c.issuer.Forget(ctx, d.Host, d.Failures < revokeTries); err != nil {
		if ctx.Err() != nil {
			return d, context.Cause(ctx)
		}
		c.opts.Logger.WarnContext(ctx, "domain: the certificate is not forgotten yet", "host", d.Host, "error", err)
		return c.life.unforgotten(d, c.opts.Clock()), nil
	}
	return c.life.forgotten(d, c.opts.Clock()), nil
}
