package autotls

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// maxProblem bounds what is kept of what a CA has said.
const maxProblem = 1000

// rest writes down that no CA has fulfilled an order, for all nodes, and returns
// the error with the time at which it makes sense to ask again.
func (m *Manager) rest(ctx context.Context, failed *IssueError, before *previous) error {
	now := m.opts.Clock()
	var lapse time.Time // of the certificate that there is
	if before != nil {
		lapse = before.leaf.NotAfter
	}
	count := 1
	if failed.Why == ReasonRateLimited && failed.RetryAt.After(now) {
		count = 0 // no CA was asked, and it is known when one can be
	}
	var failures int
	err := m.pool.QueryRow(ctx, `
		INSERT INTO partywall_tls.rest AS r (host, failures, reason, problem, rests_until) VALUES ($1, $5, $2, $3, $4)
		ON CONFLICT (host) DO UPDATE SET failures = r.failures + $5, reason = EXCLUDED.reason, problem = EXCLUDED.problem
		RETURNING failures`, failed.Host, failed.Why, problemText(failed.Err), now, count).Scan(&failures)
	if err == nil {
		if count > 0 {
			failed.RetryAt = later(failed.RetryAt, pace.RetryAt(now, failures, lapse, failed.Host))
		}
		_, err = m.pool.Exec(ctx, `UPDATE partywall_tls.rest SET rests_until = $2 WHERE host = $1`, failed.Host, failed.RetryAt)
	}
	if err != nil {
		failed.RetryAt = later(failed.RetryAt, pace.RetryAt(now, 1, lapse, failed.Host))
		m.opts.Logger.WarnContext(ctx, "autotls: writing down a failure", "host", failed.Host, "error", err)
	}
	m.rests.put(failed.Host, failed.RetryAt, failed)
	m.tell(Event{Type: Failed, Host: failed.Host, Err: failed})
	return failed
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// problemText makes an error a short text that PostgreSQL takes.
func problemText(err error) string {
	if err == nil {
		return ""
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "")
	if len(text) > maxProblem {
		text = strings.ToValidUTF8(text[:maxProblem], "")
	}
	return text
}

// resting returns the error of an earlier failure, on whichever node, as long as
// the host is left alone.
func (m *Manager) resting(ctx context.Context, name string) error {
	failed := &IssueError{Host: name}
	var problem string
	err := m.pool.QueryRow(ctx, `SELECT reason, problem, rests_until FROM partywall_tls.rest WHERE host = $1`, name).
		Scan(&failed.Why, &problem, &failed.RetryAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("autotls: asking whether %s rests: %w", name, err)
	}
	if !m.opts.Clock().Before(failed.RetryAt) {
		return nil
	}
	failed.Err = errors.New(problem)
	m.rests.put(name, failed.RetryAt, failed)
	return failed
}
