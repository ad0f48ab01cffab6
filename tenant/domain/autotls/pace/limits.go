package pace

import (
	"errors"
	"fmt"
	"time"
)

// Rate is a token bucket. It holds Burst tokens when it is full, and gets one
// more each Refill until it is full again. The zero Rate limits nothing.
type Rate struct {
	Burst  int
	Refill time.Duration
}

// longest is how long a bucket may take to fill, so that no sum of times
// overflows.
const longest = 20 * 365 * 24 * time.Hour

func (r Rate) unlimited() bool { return r == Rate{} }

// span is the time in which an empty bucket is full again.
func (r Rate) span() time.Duration { return time.Duration(r.Burst) * r.Refill }

func (r Rate) check() error {
	switch {
	case r.unlimited():
		return nil
	case r.Burst < 1 || r.Refill <= 0:
		return fmt.Errorf("%d tokens, one each %v, is no rate", r.Burst, r.Refill)
	case time.Duration(r.Burst) > longest/r.Refill:
		return fmt.Errorf("%d tokens, one each %v, take longer than %v to fill", r.Burst, r.Refill, longest)
	}
	return nil
}

// share is a part of the rate, at least one token of it.
func (r Rate) share(part float64) Rate {
	if r.unlimited() {
		return r
	}
	return Rate{Burst: max(1, int(float64(r.Burst)*part)), Refill: time.Duration(float64(r.Refill) / part)}
}

// Limit names one of an authority's limits, for people and for metrics.
type Limit string

// The limits that there are, in Let's Encrypt's words.
const (
	LimitOrders       Limit = "new-orders"           // per account
	LimitCertificates Limit = "new-certificates"     // per registered domain
	LimitDuplicates   Limit = "exact-set"            // per exact set of names
	LimitFailures     Limit = "failures"             // of authorizations, per name and account
	LimitConsecutive  Limit = "consecutive-failures" // of authorizations, per name and account
	LimitAccounts     Limit = "new-accounts"         // per address of the client
	LimitRequests     Limit = "requests"             // per address of the client
)

// Limits are what a certificate authority publishes. A zero field limits
// nothing.
type Limits struct {
	// Orders are new orders per account.
	Orders Rate
	// Certificates are new certificates per registered domain, whoever orders
	// them.
	Certificates Rate
	// Duplicates are certificates per exact set of names, whoever orders them.
	Duplicates Rate
	// Failures are failed authorizations per name and account. With no token
	// left, no order for the name is accepted.
	Failures Rate
	// Consecutive are failed authorizations per name and account with no
	// success between them. With no token left, the name is paused until a
	// person visits the authority's portal.
	Consecutive Rate
	// Accounts are new accounts per address.
	Accounts Rate
	// Requests are requests per address, of the endpoint that takes the fewest;
	// an order is counted as one of them.
	Requests Rate
	// Names is how many names one certificate may have. Zero is 100.
	Names int
}

// LetsEncrypt are the limits that Let's Encrypt publishes at
// https://letsencrypt.org/docs/rate-limits/, as of 2026-08-05. The limits for
// orders can be raised for an account by asking, which takes weeks.
//
// Of the limits per endpoint it is new-nonce that binds: 20 a second, 10 at
// once. A client needs about one nonce for an order, as each answer brings the
// next; at 20 orders a second the limit of the others, 250 requests a second,
// is about reached too.
func LetsEncrypt() Limits {
	const day = 24 * time.Hour
	return Limits{
		Orders:       Rate{300, 36 * time.Second},
		Certificates: Rate{50, 7 * day / 50}, // "1 certificate every 202 minutes"
		Duplicates:   Rate{5, 7 * day / 5},   // "1 certificate every 34 hours"
		Failures:     Rate{5, 12 * time.Minute},
		Consecutive:  Rate{1152, day},
		Accounts:     Rate{10, 18 * time.Minute},
		Requests:     Rate{10, 50 * time.Millisecond},
		Names:        100,
	}
}

// limited is one limit with its rate.
type limited struct {
	limit Limit
	rate  *Rate
}

func (l *Limits) all() []limited {
	return []limited{
		{LimitOrders, &l.Orders},
		{LimitCertificates, &l.Certificates},
		{LimitDuplicates, &l.Duplicates},
		{LimitFailures, &l.Failures},
		{LimitConsecutive, &l.Consecutive},
		{LimitAccounts, &l.Accounts},
		{LimitRequests, &l.Requests},
	}
}

func (l *Limits) check() error {
	var mistakes []error
	for _, each := range l.all() {
		if err := each.rate.check(); err != nil {
			mistakes = append(mistakes, fmt.Errorf("limit %s: %w", each.limit, err))
		}
	}
	if l.Names < 0 {
		mistakes = append(mistakes, fmt.Errorf("limit of %d names in a certificate", l.Names))
	}
	return errors.Join(mistakes...)
}
