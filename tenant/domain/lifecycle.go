package domain

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"
)

// lifecycle says what becomes of a domain by what was found. It touches nothing:
// each function returns the domain as it is next.
type lifecycle struct {
	claimLife, recheck, grace time.Duration
	certificates              bool
}

func newLifecycle(o *Options, certificates bool) lifecycle {
	return lifecycle{claimLife: o.ClaimLife, recheck: o.Recheck, grace: o.Grace, certificates: certificates}
}

// fine notes that all was well.
func fine(d Domain, now time.Time, e Evidence) Domain {
	d.Reason, d.Seen, d.Failures, d.Pointed, d.CheckedAt = "", nil, 0, e.Pointed, now
	return d
}

// wrong notes what was not.
func wrong(d Domain, now time.Time, e Evidence, reason Reason, seen []string) Domain {
	d.Reason, d.Seen, d.Pointed, d.CheckedAt = reason, seen, e.Pointed, now
	d.Failures++
	return d
}

// unproven is a claim whose proof was not found.
func (l lifecycle) unproven(d Domain, now time.Time, e Evidence, err error) Domain {
	reason, seen := reasonOf(err, ReasonDNSFailure)
	d = wrong(d, now, e, reason, seen)
	d.DueAt = now.Add(claimPause(d.Failures))
	if end := d.ClaimedAt.Add(l.claimLife); !now.Before(end) {
		return ended(d, now, ReasonNeverProven)
	} else if d.DueAt.After(end) {
		d.DueAt = end // for a last look
	}
	return d
}

// proven is a claim whose proof was found.
func (l lifecycle) proven(d Domain, now time.Time, e Evidence) Domain {
	d = fine(d, now, e)
	d.State, d.VerifiedAt, d.DueAt = Verified, now, now
	return d
}

// issuing is a verified domain whose certificate is to be got.
func (l lifecycle) issuing(d Domain, now time.Time) Domain {
	if !l.certificates {
		return l.active(d, now, Evidence{Pointed: d.Pointed}, time.Time{})
	}
	d.State, d.DueAt = Issuing, now
	return d
}

// active is a domain that is as it should be.
func (l lifecycle) active(d Domain, now time.Time, e Evidence, until time.Time) Domain {
	d = fine(d, now, e)
	d.State, d.DegradedAt, d.CertificateUntil = Active, time.Time{}, until
	d.DueAt = now.Add(spread(l.recheck))
	return d
}

// waiting is a domain whose certificate could not be got yet: most often because
// its owner has not pointed it here. retry is when its issuer wants to be asked
// again, zero for any time.
func (l lifecycle) waiting(d Domain, now time.Time, e Evidence, reason Reason, seen []string, retry time.Time) Domain {
	d = wrong(d, now, e, reason, seen)
	switch {
	case !retry.After(now):
		d.DueAt = now.Add(issuePause(d.Failures))
	case retry.Before(now.Add(longestIssuePause)):
		d.DueAt = retry // which may be its turn
	default:
		d.DueAt = now.Add(spread(longestIssuePause)) // what it waits for may be seen before
	}
	return d
}

// amiss is a domain that was served and where something is wrong now. It is given
// up after the grace, but never for what may be our own resolvers' fault.
func (l lifecycle) amiss(d Domain, now time.Time, e Evidence, reason Reason, seen []string) Domain {
	was := d.Reason
	d = wrong(d, now, e, reason, seen)
	d.DueAt = now.Add(spread(min(time.Hour, l.recheck, l.grace)))
	if transient(reason) {
		return d
	}
	if d.State != Degraded || was == ReasonCertificateExpired && reason != was {
		d.State, d.DegradedAt = Degraded, now // the time under a certificate that had lapsed is no grace
	}
	if end := d.DegradedAt.Add(l.grace); reason == ReasonCertificateExpired || now.Before(end) {
		if d.DueAt.After(end) && end.After(now) {
			d.DueAt = end
		}
		return d
	}
	return released(d, now, reason)
}

// released is a domain that is given up. What it may leave behind in DNS is
// looked after from here on.
func released(d Domain, now time.Time, reason Reason) Domain {
	d.State, d.Reason, d.Primary, d.Failures, d.DueAt = Released, reason, false, 0, now
	return d
}

// forgotten is a released domain whose certificate is gone.
func (l lifecycle) forgotten(d Domain, now time.Time) Domain {
	d.State, d.CertificateUntil, d.Failures = Tombstoned, time.Time{}, 0
	d.DueAt = now.Add(spread(l.recheck))
	return d
}

// unforgotten is one where that has failed.
func (l lifecycle) unforgotten(d Domain, now time.Time) Domain {
	d.Failures++
	d.DueAt = now.Add(issuePause(d.Failures))
	return d
}

// buried is a tombstone that was looked at: it ends when the host is seen not to
// lead here any more. That nobody answered is no such sight.
func (l lifecycle) buried(d Domain, now time.Time, e Evidence, err error) Domain {
	reason, _ := reasonOf(err, ReasonDNSFailure)
	d.Pointed, d.CheckedAt = e.Pointed, now
	if !e.Pointed && !e.Unsure && (err == nil || !transient(reason)) {
		return ended(d, now, ReasonFreed)
	}
	d.DueAt = now.Add(spread(l.recheck))
	return d
}

// ended is a domain of which nothing comes any more.
func ended(d Domain, now time.Time, reason Reason) Domain {
	d.State, d.Reason, d.Primary, d.EndedAt, d.DueAt = Ended, reason, false, now, time.Time{}
	return d
}

// transient reports whether a reason may be gone the next time without anybody
// having done something.
func transient(r Reason) bool {
	return r == ReasonDNSFailure || r == ReasonResolversDisagree || r == ReasonUnreachable ||
		r == ReasonRateLimited || r == ReasonCAUnavailable
}

// reasonOf names the reason of an error, otherwise if it has none.
func reasonOf(err error, otherwise Reason) (Reason, []string) {
	if err == nil {
		return "", nil
	}
	if p, ok := errors.AsType[*ProofError](err); ok && p.Reason != "" {
		return p.Reason, p.Seen
	}
	var named interface{ Reason() string }
	if errors.As(err, &named) && named.Reason() != "" {
		return Reason(named.Reason()), nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return ReasonCertificateExpired, nil
	}
	return otherwise, nil
}

// retryOf is when an issuer wants to be asked again; zero if it has not said.
func retryOf(err error) time.Time {
	var timed interface{ Retry() time.Time }
	if errors.As(err, &timed) {
		return timed.Retry()
	}
	return time.Time{}
}

// claimPause is the time to the next look at a claim: ten in the first twenty
// minutes, when its owner sits at the DNS provider's page, and ever less often
// then, some seventy in a week. (Cloudflare's schedule for custom hostnames.)
func claimPause(failures int) time.Duration {
	const first, most = 2 * time.Minute, 4 * time.Hour
	pause := first
	for range min(max(failures-9, 0), 20) {
		pause = min(pause*3/2, most)
	}
	return spread(pause)
}

// issuePause is the time to the next order. CAs count failures per host and hour.
func issuePause(failures int) time.Duration {
	return spread(min(30*time.Second<<min(max(failures-1, 0), 7), longestIssuePause))
}

const longestIssuePause = time.Hour

// spread takes up to a tenth off a pause, so that what began together does not
// come back together.
func spread(d time.Duration) time.Duration {
	return d - rand.N(d/10+1) //nolint:gosec // G404: no secret
}
