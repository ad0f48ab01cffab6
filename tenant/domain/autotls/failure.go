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
// the error with the time at which it makes sense to ask again: by the number of
// failures if a CA has refused it, by its place in the line if there was no room
// in the budget, and when a CA is asked again if all are in trouble.
func (m *Manager) rest(ctx context.Context, failed *IssueError, before *previous) error {
	var err error
	switch {
	case failed.refused:
		err = m.backOff(ctx, failed, before)
	case failed.wait != nil:
		err = m.lineUp(ctx, failed, before == nil)
	default:
		err = m.write(ctx, failed)
	}
	if err != nil {
		failed.RetryAt = later(failed.RetryAt, m.opts.Clock().Add(time.Minute))
		m.opts.Logger.WarnContext(ctx, "autotls: writing down a failure", "host", failed.Host, "error", err)
	}
	m.rests.put(failed.Host, failed.RetryAt, failed)
	m.tell(Event{Type: Failed, Host: failed.Host, Err: failed})
	return failed
}

func (m *Manager) backOff(ctx context.Context, failed *IssueError, before *previous) error {
	now := m.opts.Clock()
	var lapse time.Time // of the certificate that there is
	if before != nil {
		lapse = before.leaf.NotAfter
	}
	var failures int
	err := m.pool.QueryRow(ctx, `
		INSERT INTO partywall_tls.rest AS r (host, failures, reason, problem, rests_until) VALUES ($1, 1, $2, $3, $4)
		ON CONFLICT (host) DO UPDATE SET failures = r.failures + 1, reason = EXCLUDED.reason, problem = EXCLUDED.problem,
			waits_for = NULL, waits_since = NULL, backlog = false
		RETURNING failures`, failed.Host, failed.Why, problemText(failed.Err), now).Scan(&failures)
	if err != nil {
		return err
	}
	failed.RetryAt = later(failed.RetryAt, pace.RetryAt(now, failures, lapse, failed.Host))
	return m.restUntil(ctx, failed)
}

// lineUp gives a host its place in the line of those who wait for the same bucket,
// or finds it there. Where another CA has room first it changes lines, and is in
// the other since it waits. One that has no certificate and very many before it is
// part of a backlog from then on.
func (m *Manager) lineUp(ctx context.Context, failed *IssueError, first bool) error {
	var since time.Time
	var backlog, fresh bool
	err := m.pool.QueryRow(ctx, `
		INSERT INTO partywall_tls.rest AS r (host, failures, reason, problem, rests_until, waits_for, waits_since)
		VALUES ($1, 0, $2, $3, $4, $5, clock_timestamp())
		ON CONFLICT (host) DO UPDATE SET reason = EXCLUDED.reason, problem = EXCLUDED.problem, waits_for = EXCLUDED.waits_for,
			waits_since = coalesce(r.waits_since, EXCLUDED.waits_since)
		RETURNING waits_since, backlog, waits_since >= statement_timestamp()`,
		failed.Host, failed.Why, problemText(failed.Err), m.opts.Clock(), failed.wait.Key).Scan(&since, &backlog, &fresh)
	if err != nil {
		return err
	}
	ahead, err := m.ahead(ctx, failed, since, backlog)
	if err != nil {
		return err
	}
	if first && fresh && failed.wait.Crowded(ahead) {
		if _, err := m.pool.Exec(ctx, `UPDATE partywall_tls.rest SET backlog = true WHERE host = $1`, failed.Host); err != nil {
			return err
		}
		if ahead, err = m.ahead(ctx, failed, since, true); err != nil {
			return err
		}
	}
	failed.RetryAt = failed.wait.Again(ahead, failed.Host)
	return m.restUntil(ctx, failed)
}

// ahead counts who is before a host in its line and has not given up.
func (m *Manager) ahead(ctx context.Context, failed *IssueError, since time.Time, backlog bool) (n int, err error) {
	err = m.pool.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM partywall_tls.rest
		WHERE waits_for = $1 AND (backlog, waits_since, host) < ($2, $3, $4) AND rests_until > $5 LIMIT $6) AS before`,
		failed.wait.Key, backlog, since, failed.Host, m.opts.Clock().Add(-time.Minute), pace.MaxAhead).Scan(&n)
	return n, err
}

// write writes a failure down that is nobody's fault.
func (m *Manager) write(ctx context.Context, failed *IssueError) error {
	_, err := m.pool.Exec(ctx, `
		INSERT INTO partywall_tls.rest AS r (host, failures, reason, problem, rests_until) VALUES ($1, 0, $2, $3, $4)
		ON CONFLICT (host) DO UPDATE SET reason = EXCLUDED.reason, problem = EXCLUDED.problem, rests_until = EXCLUDED.rests_until`,
		failed.Host, failed.Why, problemText(failed.Err), failed.RetryAt)
	return err
}

func (m *Manager) restUntil(ctx context.Context, failed *IssueError) error {
	_, err := m.pool.Exec(ctx, `UPDATE partywall_tls.rest SET rests_until = $2 WHERE host = $1`, failed.Host, failed.RetryAt)
	return err
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
// the host is left alone, and whether it is part of a backlog.
func (m *Manager) resting(ctx context.Context, name string) (backlog bool, err error) {
	failed := &IssueError{Host: name}
	var problem string
	err = m.pool.QueryRow(ctx, `SELECT reason, problem, rests_until, backlog FROM partywall_tls.rest WHERE host = $1`, name).
		Scan(&failed.Why, &problem, &failed.RetryAt, &backlog)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("autotls: asking whether %s rests: %w", name, err)
	}
	if !m.opts.Clock().Before(failed.RetryAt) {
		return backlog, nil
	}
	failed.Err = errors.New(problem)
	m.rests.put(name, failed.RetryAt, failed)
	return backlog, failed
}
