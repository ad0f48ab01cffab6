package autotls

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/mholt/acmez/v3/acme"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// renew looks after certificates that are due, until Close. Nodes share them.
func (m *Manager) renew() {
	pause := time.NewTicker(m.opts.Sweep)
	defer pause.Stop()
	for {
		for {
			attended, err := m.renewSome(m.ctx)
			if err != nil && m.ctx.Err() == nil {
				m.opts.Logger.WarnContext(m.ctx, "autotls: looking for what is due", "error", err)
			}
			if err != nil || attended < m.atOnce() {
				break
			}
		}
		select {
		case <-m.ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// atOnce is how many renewals go on at once: half of the orders, so that new
// hosts need not wait for a CA that is slow.
func (m *Manager) atOnce() int { return max(m.opts.Orders/2, 1) }

// attendTime is how long a certificate stays with the node that looks after it:
// the time of an order at each CA, twice.
func (m *Manager) attendTime() time.Duration {
	return 2 * time.Duration(len(m.authorities)) * m.opts.OrderTimeout
}

// due is what is known of a certificate that is due.
type due struct {
	host, ca                     string
	notBefore, notAfter, renewAt time.Time
}

// renewSome takes some certificates that are due, and looks after them at once.
func (m *Manager) renewSome(ctx context.Context) (attended int, err error) {
	now := m.opts.Clock()
	short, done := context.WithTimeout(ctx, answerTime)
	defer done()
	rows, err := m.pool.Query(short, `
		UPDATE partywall_tls.certificate SET due_at = $2 WHERE host IN (
			SELECT host FROM partywall_tls.certificate WHERE due_at <= $1 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
		RETURNING host, ca, not_before, not_after, renew_at`, now, now.Add(m.attendTime()), m.atOnce())
	if err != nil {
		return 0, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d due, err error) {
		return d, row.Scan(&d.host, &d.ca, &d.notBefore, &d.notAfter, &d.renewAt)
	})
	if err != nil {
		return 0, err
	}
	m.state.swept(now)
	var work sync.WaitGroup
	for _, d := range all {
		work.Go(func() {
			if err := m.attend(ctx, d); err != nil && ctx.Err() == nil {
				m.opts.Logger.WarnContext(ctx, "autotls: renewing", "host", d.host, "error", err)
			}
		})
	}
	work.Wait()
	return len(all), nil
}

// attend looks after one certificate: it is renewed, or its CA is asked when it
// should be, or it goes away, because nobody is served under it any more and it
// has ended.
func (m *Manager) attend(ctx context.Context, d due) error {
	now := m.opts.Clock()
	if !m.wanted(d.host) {
		if now.After(d.notAfter) {
			return m.forget(ctx, d.host, false)
		}
		return m.postpone(ctx, d.host, now.Add(idleTime))
	}
	if d.renewAt.After(now) {
		return m.askWindow(ctx, d)
	}
	err := m.replace(ctx, d.host, true)
	if failed, ok := errors.AsType[*IssueError](err); ok {
		return errors.Join(err, m.postpone(ctx, d.host, failed.RetryAt))
	}
	return err
}

// idleTime is how long a certificate is left alone that nobody may be served
// under: the host may come back.
const idleTime = time.Hour

// wanted reports whether a certificate's name is one that it may be shown for.
func (m *Manager) wanted(name string) bool {
	for _, wildcard := range m.wildcards {
		if name == wildcard {
			return true
		}
	}
	return m.nameOf(name) == name && m.hosts.MayServe(name)
}

func (m *Manager) postpone(ctx context.Context, name string, until time.Time) error {
	_, err := m.pool.Exec(ctx, `UPDATE partywall_tls.certificate SET due_at = $2 WHERE host = $1`, name, until)
	return err
}

// askEvery is how often a CA is asked for a better time: four times a day, and
// more often where certificates live for days or less.
func askEvery(notBefore, notAfter time.Time) time.Duration {
	return min(6*time.Hour, max(notAfter.Sub(notBefore)/20, time.Second))
}

// askWindow asks a CA when a certificate is to be renewed (RFC 9773), which may
// be now, such as when the CA has to revoke it.
func (m *Manager) askWindow(ctx context.Context, d due) error {
	now := m.opts.Clock()
	next := now.Add(askEvery(d.notBefore, d.notAfter))
	info, err := m.window(ctx, d)
	if errors.Is(err, acme.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		return m.postpone(ctx, d.host, d.renewAt)
	}
	if err != nil {
		return errors.Join(err, m.postpone(ctx, d.host, earlier(d.renewAt, next)))
	}
	if info.RetryAfter != nil { // bounded, RFC 9773, section 4.3.2
		next = earlier(later(*info.RetryAfter, now.Add(time.Minute)), now.Add(24*time.Hour))
	}
	at := pace.RenewAt(d.notBefore, d.notAfter, &pace.Window{Start: info.SuggestedWindow.Start, End: info.SuggestedWindow.End}, d.host)
	_, err = m.pool.Exec(ctx, `UPDATE partywall_tls.certificate SET renew_at = $2, due_at = $3 WHERE host = $1 AND not_after = $4`,
		d.host, at, earlier(at, next), d.notAfter)
	if err == nil && !at.After(now) {
		d.renewAt = at
		return m.attend(ctx, d)
	}
	return err
}

func (m *Manager) window(ctx context.Context, d due) (acme.RenewalInfo, error) {
	_, r, leaf, err := m.load(ctx, d.host)
	if err != nil {
		return acme.RenewalInfo{}, err
	}
	a := m.authority(r.ca)
	if a == nil {
		return acme.RenewalInfo{}, fs.ErrNotExist // the CA is not among ours any more
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return a.acme().GetRenewalInfo(ctx, leaf)
}

func (m *Manager) authority(directory string) *authority {
	for _, a := range m.authorities {
		if a.ca.Directory == directory {
			return a
		}
	}
	return nil
}

// revoke has a certificate's CA call it void.
func (m *Manager) revoke(ctx context.Context, r *record, leaf *x509.Certificate) error {
	a := m.authority(r.ca)
	if a == nil {
		return fmt.Errorf("autotls: revoking the certificate of %s: %w", r.host, invalid("its CA %s is not among Options.CAs", r.ca))
	}
	account, err := a.login(ctx)
	if err != nil {
		return err
	}
	const cessationOfOperation = 5 // RFC 5280, section 5.3.1
	err = a.acme().RevokeCertificate(ctx, account, leaf, account.PrivateKey, cessationOfOperation)
	if problem, ok := errors.AsType[acme.Problem](err); ok && problem.Type == acme.ProblemTypeAlreadyRevoked {
		return nil
	}
	if err != nil {
		return fmt.Errorf("autotls: revoking the certificate of %s: %w", r.host, err)
	}
	return nil
}
