package pace

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Order is an order for one certificate.
type Order struct {
	// Account is the authority's name for the account, its URL.
	Account string
	// Hosts are the names in the certificate, a wildcard as "*.example.com". Case,
	// order and repetition don't matter.
	Hosts []string
	Class Class
	// Renews says that the order names the certificate that it replaces (RFC 9773,
	// section 5). Let's Encrypt exempts such orders from all limits but those per
	// endpoint, once for each certificate; the budget still holds them to that of an
	// exact set of names, as no certificate is renewed five times in a week. If the
	// authority refuses with alreadyReplaced, order again with Repeats instead.
	Renews bool
	// Repeats says that this authority has issued a certificate for the very same
	// names before. Let's Encrypt exempts such orders from the limits per account
	// and per registered domain.
	Repeats bool
}

// Options are optional settings of a [Budget].
type Options struct {
	// Authority tells one certificate authority's buckets from another's in the
	// same ledger: at most 64 bytes without a slash. The default is "letsencrypt".
	Authority string
	// Limits are the authority's. The default is [LetsEncrypt].
	Limits *Limits
	// Share is the part of the limits that is spent; what is left is for what the
	// ledger doesn't see: another installation, a person at a terminal, requests
	// that come later than they were sent. The default is 0.8.
	Share float64
	// Reserve is the part of the budget at hand that only orders of class Waiting may
	// have; those of class Backlog leave twice as much. The default is 0.25; a
	// number below zero is none.
	Reserve float64
	// Registrable says which registered domain a host belongs to, by the public
	// suffix list. A host for which it fails counts as one itself. If it is nil, the
	// last two labels are taken: that never counts too little, but it counts
	// all that is under a suffix such as co.uk as one.
	Registrable func(host string) (string, error)
}

// Budget says whether an order may be sent. It is safe for concurrent use.
type Budget struct {
	ledger      Ledger
	authority   string
	limits      Limits // our share of them
	reserve     float64
	registrable func(string) (string, error)
}

// New makes a budget on a ledger, which may be shared by several budgets if
// their authorities have different names.
func New(ledger Ledger, options *Options) (*Budget, error) {
	var o Options
	if options != nil {
		o = *options
	}
	if o.Authority == "" {
		o.Authority = "letsencrypt"
	}
	if o.Limits == nil {
		limits := LetsEncrypt()
		o.Limits = &limits
	}
	if o.Share == 0 {
		o.Share = 0.8
	}
	if o.Reserve == 0 {
		o.Reserve = 0.25
	}
	if o.Registrable == nil {
		o.Registrable = lastLabels
	}
	if err := o.check(ledger); err != nil {
		return nil, err
	}
	limits := *o.Limits
	for _, each := range limits.all() {
		*each.rate = each.rate.share(o.Share)
	}
	if limits.Names == 0 {
		limits.Names = 100
	}
	return &Budget{ledger: ledger, authority: o.Authority, limits: limits, reserve: max(0, o.Reserve), registrable: o.Registrable}, nil
}

func (o *Options) check(ledger Ledger) error {
	var mistakes []error
	if ledger == nil {
		mistakes = append(mistakes, errors.New("pace: no ledger"))
	}
	if len(o.Authority) > 64 || strings.Contains(o.Authority, "/") {
		mistakes = append(mistakes, fmt.Errorf("pace: authority %.80q is longer than 64 bytes or has a slash", o.Authority))
	}
	if err := o.Limits.check(); err != nil {
		mistakes = append(mistakes, fmt.Errorf("pace: %w", err))
	}
	// Written so that NaN is a mistake too.
	if !(o.Share >= 0.01 && o.Share <= 1) {
		mistakes = append(mistakes, fmt.Errorf("pace: share %v is not from 0.01 to 1", o.Share))
	}
	if !(o.Reserve < 0.5) {
		mistakes = append(mistakes, fmt.Errorf("pace: reserve %v is not below 0.5", o.Reserve))
	}
	return errors.Join(mistakes...)
}

// lastLabels are the last two labels of a host.
func lastLabels(host string) (string, error) {
	if top := strings.LastIndexByte(host, '.'); top >= 0 {
		if second := strings.LastIndexByte(host[:top], '.'); second >= 0 {
			return host[second+1:], nil
		}
	}
	return host, nil
}

// Order takes what the order costs, just before it is sent. If the budget has too
// little it takes nothing, and the error is a *[WaitError]. An order that is
// no order is [ErrOrder]; any other error is the ledger's, and the order must
// not be sent. If no certificate comes of it, tell [Budget.Unissued].
func (b *Budget) Order(ctx context.Context, order Order) error {
	takes, err := b.orderTakes(order)
	if err != nil {
		return err
	}
	return b.take(ctx, takes)
}

// Unissued gives back what an order has taken that an authority counts only when a
// certificate is issued. Call it once for an order that was taken and has surely come to
// nothing, and not if that isn't known; the order itself stays counted.
func (b *Budget) Unissued(ctx context.Context, order Order) error {
	takes, err := b.unissuedTakes(order)
	if err != nil {
		return err
	}
	return b.take(ctx, takes)
}

// Failed counts a failed authorization of one host. Call it for each that the
// authority has said to be invalid, not for an order that has failed without:
// the authority counts the same.
func (b *Budget) Failed(ctx context.Context, account, host string) error {
	takes, err := b.failureTakes(account, host)
	if err != nil {
		return err
	}
	for i := range takes {
		takes[i].N, takes[i].Keep, takes[i].Force = 1, 0, true
	}
	return b.take(ctx, takes)
}

// Succeeded ends the row of failures of one host. Call it for each authorization
// that was valid after one had failed; more often does no harm.
func (b *Budget) Succeeded(ctx context.Context, account, host string) error {
	takes, err := b.failureTakes(account, host)
	if err != nil {
		return err
	}
	takes = takes[1:] // failures within the hour stay counted
	for i := range takes {
		takes[i].N, takes[i].Keep = -takes[i].Rate.Burst, 0
	}
	return b.take(ctx, takes)
}

// Register takes what a new account costs, just before it is asked for.
func (b *Budget) Register(ctx context.Context) error {
	return b.take(ctx, []Take{
		b.bucket(LimitAccounts, b.limits.Accounts, ""),
		b.bucket(LimitRequests, b.limits.Requests, ""),
	})
}

func (b *Budget) take(ctx context.Context, takes []Take) error {
	if takes = sorted(takes); len(takes) == 0 {
		return nil
	}
	return b.ledger.Take(ctx, takes)
}
