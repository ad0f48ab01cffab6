package autotls

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// state is what a node knows of its own health.
type state struct {
	last atomic.Int64 // when it last looked for what is due, in Unix seconds; 0 before Open
}

func (s *state) swept(now time.Time) { s.last.Store(now.Unix()) }

// maxSilence is for how long renewals may stand still before a node calls itself
// not ready: they have weeks.
const maxSilence = time.Hour

// Ready returns nil as long as this node does its part: it is open, and has
// looked for what is due within the last hour. A database that is away for
// moments is no reason to take no requests, because handshakes go on without it.
func (m *Manager) Ready(context.Context) error {
	m.mu.Lock()
	open := m.ctx != nil && !m.closed
	m.mu.Unlock()
	if !open {
		return ErrClosed
	}
	if silent := m.opts.Clock().Unix() - m.state.last.Load(); silent > int64(maxSilence.Seconds()) {
		return fmt.Errorf("autotls: renewals have stood still for %v", time.Duration(silent)*time.Second)
	}
	return nil
}

// warm reads certificates into memory, those first that are good for longest,
// and returns the database's time from which on changes are news.
func (m *Manager) warm(ctx context.Context) (since time.Time, err error) {
	if err := m.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&since); err != nil {
		return since, fmt.Errorf("autotls: opening: %w", err)
	}
	rows, err := m.pool.Query(ctx, recordSQL+`WHERE c.not_after > $1 ORDER BY c.not_after DESC LIMIT $2`, m.opts.Clock(), m.opts.Cache)
	if err != nil {
		return since, fmt.Errorf("autotls: reading certificates: %w", err)
	}
	found := make(chan *record, 256)
	var work sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for r := range found {
				c, _, err := m.storage.decode(ctx, r, m.chains)
				if err != nil { // one that cannot be read must not keep the others
					m.opts.Logger.ErrorContext(ctx, "autotls: reading certificates", "host", r.host, "error", err)
					continue
				}
				m.shelf.put(r.host, c)
			}
		})
	}
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			break // rows.Err has it
		}
		found <- r
	}
	close(found)
	work.Wait()
	if err := rows.Err(); err != nil {
		return since, fmt.Errorf("autotls: reading certificates: %w", err)
	}
	return since, nil
}

// listen keeps the shelf current with what other nodes do, until Close, and
// looks at all certificates now and then.
func (m *Manager) listen(since time.Time) {
	pause := time.NewTicker(m.opts.Sweep)
	defer pause.Stop()
	var counted time.Time
	for {
		var err error
		if since, err = m.hear(m.ctx, since); err == nil && time.Since(counted) > countEvery {
			counted = time.Now()
			err = errors.Join(m.count(m.ctx), m.tidy(m.ctx))
			m.readyWildcards()
		}
		if err != nil && m.ctx.Err() == nil {
			m.opts.Logger.WarnContext(m.ctx, "autotls: asking what has changed", "error", err)
		}
		select {
		case <-m.ctx.Done():
			return
		case <-pause.C:
		}
	}
}

const (
	// countEvery is how often all certificates are counted, for metrics.
	countEvery = time.Minute
	// overlap is how late a change may become visible: a transaction that writes
	// one commits at once. Hearing of it twice is harmless.
	overlap = 30 * time.Second
)

// readyWildcards orders what no tenant's claim will: the wildcards, before the
// first handshake has to wait for one.
func (m *Manager) readyWildcards() {
	for _, name := range m.wildcards {
		if m.good(m.shelf.get(name)) || m.rests.get(name, m.opts.Clock()) != nil {
			continue
		}
		_ = m.begin(func(ctx context.Context) { // which fails after Close alone
			if err := m.ensure(ctx, name); err != nil && ctx.Err() == nil {
				m.opts.Logger.WarnContext(ctx, "autotls: ordering a wildcard", "host", name, "error", err)
			}
		})
	}
}

// hear replaces what has changed since a time of the database's, and returns the
// time from which on the next changes are news.
func (m *Manager) hear(ctx context.Context, since time.Time) (time.Time, error) {
	ctx, done := context.WithTimeout(ctx, answerTime)
	defer done()
	var now time.Time
	if err := m.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return since, err
	}
	rows, err := m.pool.Query(ctx, `SELECT host FROM partywall_tls.change WHERE at >= $1`, since.Add(-overlap))
	if err != nil {
		return since, err
	}
	changed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return since, err
	}
	for _, name := range changed {
		m.rests.drop(name)
		if m.shelf.get(name) == nil {
			continue // it is read when it is asked for
		}
		switch c, _, _, err := m.load(ctx, name); {
		case errors.Is(err, fs.ErrNotExist) || err == nil && !m.good(c):
			m.shelf.drop(name)
		case errors.Is(err, ErrTampered): // what is known is shown for as long as it is good
			m.opts.Logger.ErrorContext(ctx, "autotls: reading a certificate", "host", name, "error", err)
		case err != nil:
			return since, err
		}
	}
	return now, nil
}

// count measures how long all certificates are good for.
func (m *Manager) count(ctx context.Context) error {
	now := m.opts.Clock()
	days := func(n int) time.Time { return now.AddDate(0, 0, n) }
	var c counts
	err := m.pool.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE not_after <= $1), count(*) FILTER (WHERE not_after > $1 AND not_after <= $2),
			count(*) FILTER (WHERE not_after > $2 AND not_after <= $3), count(*) FILTER (WHERE not_after > $3 AND not_after <= $4),
			count(*) FILTER (WHERE not_after > $4), min(not_after)
		FROM partywall_tls.certificate`, now, days(1), days(7), days(30)).
		Scan(&c.byDays[0], &c.byDays[1], &c.byDays[2], &c.byDays[3], &c.byDays[4], &c.first)
	if err == nil {
		m.instruments.count(c)
	}
	return err
}

// tidy deletes what nobody will ask for.
func (m *Manager) tidy(ctx context.Context) error {
	var b pgx.Batch
	b.Queue(`DELETE FROM partywall_tls.change WHERE at < clock_timestamp() - interval '1 hour'`)
	b.Queue(`DELETE FROM partywall_tls.bucket WHERE full_at < clock_timestamp() - interval '1 hour'`)
	b.Queue(`DELETE FROM partywall_tls.rest WHERE rests_until < $1::timestamptz - interval '7 days'`, m.opts.Clock())
	b.Queue(`DELETE FROM partywall_tls.item WHERE key > 'acme/' AND key < 'acme0' AND key LIKE 'acme/%/challenge\_tokens/%'
		AND modified_at < clock_timestamp() - interval '1 day'`)
	return m.pool.SendBatch(ctx, &b).Close()
}
