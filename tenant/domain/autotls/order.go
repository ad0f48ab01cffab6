package autotls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// order gets a certificate for a name from the first CA that gives one, under
// the name's lock. before is the certificate that it replaces, or nil. The error
// is an [*IssueError], whose time is the earliest that a CA has named, unless ctx
// has ended.
func (m *Manager) order(ctx context.Context, name string, before *previous, backlog bool) (*issued, error) {
	failed := &IssueError{Host: name}
	var errs []error
	for i, a := range m.authorities {
		got, err := m.orderAt(ctx, a, name, before, backlog)
		if err == nil {
			return got, nil
		}
		if ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), err)
		}
		f := classify(err)
		level := slog.LevelWarn
		if !f.refused { // of thousands in a line, each would say so again and again
			level = slog.LevelDebug
		}
		m.opts.Logger.Log(ctx, level, "autotls: order failed", "host", name, "ca", a.ca.Directory, "reason", f.why, "error", err)
		m.instruments.failed(a.ca.Directory, f.why)
		errs = append(errs, fmt.Errorf("%s: %w", a.ca.Directory, err))
		if i == 0 || f.refused && !failed.refused { // who refuses says more about the host
			failed.Why = f.why
		}
		if i == 0 || f.until.Before(failed.RetryAt) {
			failed.RetryAt, failed.wait = f.until, f.wait
		}
		failed.refused = failed.refused || f.refused
	}
	failed.Err = errors.Join(errs...)
	return nil, failed
}

// previous is a certificate that another takes the place of.
type previous struct {
	ca   string // the CA's directory
	leaf *x509.Certificate
}

// orderAt orders from one CA.
func (m *Manager) orderAt(ctx context.Context, a *authority, name string, before *previous, backlog bool) (*issued, error) {
	if until, paused := a.pause.Until(m.opts.Clock()); paused {
		return nil, &pausedError{until: until}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.opts.OrderTimeout, errors.New("autotls: the order took too long"))
	defer cancel()
	got, err := m.place(ctx, a, name, before, backlog)
	if until, paused := a.pause.Until(m.opts.Clock()); err != nil && paused {
		return nil, &pausedError{until, err}
	}
	return got, err
}

// place places an order, and tells the budget what comes of it.
func (m *Manager) place(ctx context.Context, a *authority, name string, before *previous, backlog bool) (*issued, error) {
	directory, err := a.acme().GetDirectory(ctx)
	if err != nil {
		return nil, err
	}
	var replaces *x509.Certificate
	if before != nil && before.ca == a.ca.Directory && directory.RenewalInfo != "" { // RFC 9773, section 5
		replaces = before.leaf
	}
	account, err := a.login(ctx)
	if err != nil {
		return nil, err
	}
	cost := pace.Order{
		Account: account.Location, Hosts: []string{name}, Class: m.class(before, backlog),
		Renews: replaces != nil, Repeats: before != nil && before.ca == a.ca.Directory,
	}
	if err := spend(ctx, func(ctx context.Context) error { return a.budget.Order(ctx, cost) }); err != nil {
		return nil, err
	}
	m.instruments.ordered(a.ca.Directory)
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := acmez.NewCSR(secret, []string{name})
	if err != nil {
		return nil, err
	}
	done := &progress{csr: csr}
	chain, err := m.obtain(ctx, a, account, name, replaces, done)
	if problem, ok := errors.AsType[acme.Problem](err); ok && problem.Type == acme.ProblemTypeAccountDoesNotExist {
		// The CA has forgotten us, as Let's Encrypt's staging does at times.
		if err := a.forgetAccount(ctx, account); err != nil {
			return nil, err
		}
		if account, err = a.login(ctx); err != nil {
			return nil, err
		}
		chain, err = m.obtain(ctx, a, account, name, nil, done)
	}
	if err != nil {
		if at := done.retryAt.Load(); at != 0 {
			err = &limitedError{err, time.Unix(at, 0)}
		}
		return nil, errors.Join(err, a.refund(ctx, cost, err, done))
	}
	if err := a.budget.Succeeded(ctx, account.Location, name); err != nil {
		m.opts.Logger.WarnContext(ctx, "autotls: budget", "host", name, "error", err)
	}
	return m.accept(a, name, secret, chain)
}

// refund tells the budget what came of an order that has failed. Where the CA was
// asked to issue and has not answered, or that it is in trouble, nobody knows, and
// all stays spent.
//
// acmez places an order for each of the challenges that it tries, and the CA
// counts each. An order that is over the budget by then has been placed.
func (a *authority) refund(ctx context.Context, cost pace.Order, err error, done *progress) error {
	problem, answered := errors.AsType[acme.Problem](err)
	if done.finalizes.Load() && (!answered || problem.Status >= http.StatusInternalServerError) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	var errs []error
	tries := max(int(done.tries.Load()), 1)
	for i := range tries {
		if i > 0 {
			if err := a.budget.Order(ctx, cost); err != nil {
				errs = append(errs, err)
				break
			}
		}
		errs = append(errs, a.budget.Unissued(ctx, cost))
	}
	if blame(err) {
		for range tries {
			errs = append(errs, a.budget.Failed(ctx, cost.Account, cost.Hosts[0]))
		}
	}
	if err := errors.Join(errs...); err != nil && !errors.As(err, new(*pace.WaitError)) {
		return err
	}
	return nil
}

// obtain speaks ACME: order, challenge, finalize, download. acmez tries another
// challenge when one fails, and orders without replaces where the CA says that
// the certificate was replaced before (RFC 9773, section 5).
func (m *Manager) obtain(
	ctx context.Context, a *authority, account acme.Account, name string, replaces *x509.Certificate, done *progress,
) (acme.Certificate, error) {
	params, err := acmez.OrderParametersFromCSR(account, done.csr)
	if err != nil {
		return acme.Certificate{}, err
	}
	params.CSR, params.Profile, params.Replaces = done, a.ca.Profile, replaces
	client := acmez.Client{Client: a.acme(), ChallengeSolvers: m.solvers(a, name, done)}
	chains, err := client.ObtainCertificate(done.in(ctx), params)
	if err != nil {
		return acme.Certificate{}, err
	}
	if len(chains) == 0 {
		return acme.Certificate{}, errors.New("autotls: the CA sent no certificate")
	}
	return chains[0], nil
}

// solvers returns what may prove a name: dns-01 for wildcards, which can be
// proven by nothing else, and the host's own servers for the others, which
// count how many challenges were tried.
func (m *Manager) solvers(a *authority, name string, done *progress) map[string]acmez.Solver {
	out := map[string]acmez.Solver{}
	if strings.HasPrefix(name, "*.") {
		out[acme.ChallengeTypeDNS01] = &certmagic.DNS01Solver{DNSManager: certmagic.DNSManager{
			DNSProvider: m.opts.DNS, Resolvers: m.opts.Resolvers, TTL: time.Minute, PropagationTimeout: m.opts.OrderTimeout,
			Logger: quiet(),
		}}
		return out
	}
	if !m.opts.NoHTTP01 {
		out[acme.ChallengeTypeHTTP01] = solver{m.challenges, a.key, done}
	}
	if !m.opts.NoTLSALPN01 {
		out[acme.ChallengeTypeTLSALPN01] = solver{m.challenges, a.key, done}
	}
	return out
}

// accept checks what a CA has sent, and decides when it is to be renewed.
func (m *Manager) accept(a *authority, name string, secret *ecdsa.PrivateKey, got acme.Certificate) (*issued, error) {
	block, _ := pem.Decode(got.ChainPEM)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("autotls: the CA sent what is no certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("autotls: the CA's certificate: %w", err)
	}
	if len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != name || !secret.PublicKey.Equal(leaf.PublicKey) || !leaf.NotAfter.After(leaf.NotBefore) {
		return nil, errors.New("autotls: the CA sent another certificate than was ordered")
	}
	key, err := certmagic.PEMEncodePrivateKey(secret)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(got)
	if err != nil {
		return nil, err
	}
	meta, err := json.Marshal(certmagic.CertificateResource{SANs: []string{name}, IssuerData: data})
	if err != nil {
		return nil, err
	}
	c := &issued{host: name, ca: a.ca.Directory, issuer: a.key, chain: got.ChainPEM, key: key, meta: meta, leaf: leaf}
	c.renewAt = pace.RenewAt(leaf.NotBefore, leaf.NotAfter, nil, name)
	c.dueAt = earlier(c.renewAt, m.opts.Clock().Add(askEvery(leaf.NotBefore, leaf.NotAfter)))
	return c, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// blame reports whether an order failed at its host, which the CA counts.
func blame(err error) bool {
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok {
		return false
	}
	switch problem.Type {
	case acme.ProblemTypeUnauthorized, acme.ProblemTypeConnection, acme.ProblemTypeDNS, acme.ProblemTypeCAA,
		acme.ProblemTypeTLS, acme.ProblemTypeIncorrectResponse:
		return true
	}
	_, authorization := problem.Resource.(acme.Authorization) // acmez says so
	return authorization
}

// failure is what an error means: one of our reasons, when to ask again if that
// is known, and whether the CA has refused the order or was not asked.
type failure struct {
	why     string
	until   time.Time
	wait    *pace.WaitError
	refused bool
}

func classify(err error) failure {
	if wait, ok := errors.AsType[*pace.WaitError](err); ok {
		return failure{why: ReasonRateLimited, until: wait.Until, wait: wait}
	}
	if paused, ok := errors.AsType[*pausedError](err); ok {
		return failure{why: ReasonCAUnavailable, until: paused.until}
	}
	f := failure{why: reason(err), refused: true}
	if limited, ok := errors.AsType[*limitedError](err); ok {
		f.until = limited.until
	}
	return f
}

// limitedError is a CA's refusal for one of its limits, with its own word on
// when to ask again.
type limitedError struct {
	error

	until time.Time
}

// Unwrap returns the refusal.
func (e *limitedError) Unwrap() error { return e.error }

// reason finds the word for what a CA has said.
func reason(err error) string {
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok {
		return ReasonOrderFailed
	}
	switch problem.Type {
	case acme.ProblemTypeRateLimited:
		return ReasonRateLimited
	case acme.ProblemTypeCAA:
		return ReasonCAAForbids
	case acme.ProblemTypeDNS:
		return ReasonDNSFailure
	case acme.ProblemTypeUnauthorized, acme.ProblemTypeConnection, acme.ProblemTypeTLS, acme.ProblemTypeIncorrectResponse:
		return ReasonUnreachable
	}
	if problem.Status == http.StatusTooManyRequests {
		return ReasonRateLimited
	}
	if blame(problem) {
		return ReasonUnreachable
	}
	return ReasonOrderFailed
}
