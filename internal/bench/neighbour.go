package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

const (
	neighbourTime    = 300 * time.Millisecond // of one round beside one neighbour
	neighbourConns   = 4                      // how many connections one tenant may use
	neighbourCallers = 16                     // of the noisy one: four for each connection
)

// The neighbours. One that waits holds its connections, as who waits for locks
// or for a disk does, and nothing else: what it costs is the wall's affair. One
// that burns takes the processors besides, which no wall divides.
const (
	sleepSQL = `SELECT pg_sleep(0.02)`
	burnSQL  = `SELECT count(*) FROM generate_series(1, 100000)`
)

// neighbour is who makes noise, and what the others had of it.
type neighbour struct {
	name, sql string
	times     []time.Duration
	p99       []float64 // by round
}

// street is a noisy tenant and three others on one server.
type street struct {
	db     *isolation.DB
	noisy  context.Context //nolint:containedctx // see client
	others []context.Context
}

// measureNeighbours has three tenants read rows beside nobody, and beside a
// tenant that saturates its cap of connections, in random order in each round.
func (h *house) measureNeighbours(ctx context.Context, rounds int) ([]Latency, error) {
	db, err := h.open(ctx, isolation.Server{App: h.at(h.tcp, appRole), MaxConns: 4 * neighbourConns}, &isolation.Options{
		Limits: func(tenant.Tenant) isolation.Limits { return isolation.Limits{Conns: neighbourConns} },
	})
	if err != nil {
		return nil, err
	}
	s := &street{db: db, noisy: tenant.NewContext(ctx, h.who["acme"])}
	for _, slug := range []string{"globex", "initech", "umbrella"} {
		s.others = append(s.others, tenant.NewContext(ctx, h.who[slug]))
	}
	all := []*neighbour{{name: "nobody"}, {name: "one that waits", sql: sleepSQL}, {name: "one that burns", sql: burnSQL}}
	for range rounds {
		for _, i := range rand.Perm(len(all)) { //nolint:gosec // G404: an order, not a secret
			if err := s.live(ctx, all[i]); err != nil {
				return nil, fmt.Errorf("beside %s: %w", all[i].name, err)
			}
		}
	}
	var out []Latency
	for i, n := range all {
		l := newLatency("point SELECT beside "+n.name, n.times)
		if i > 0 {
			ratios := make([]float64, rounds)
			for r := range rounds {
				ratios[r] = n.p99[r] / all[0].p99[r]
			}
			l.Ratio = quantile(ratios, 0.5)
			l.Note = fmt.Sprintf("%d callers at a cap of %d connections", neighbourCallers, neighbourConns)
		}
		out = append(out, l)
	}
	return out, nil
}

// live has the others read beside a neighbour for a while.
func (s *street) live(ctx context.Context, n *neighbour) error {
	ctx, stop := context.WithTimeout(ctx, neighbourTime)
	defer stop()
	var living sync.WaitGroup
	if n.sql != "" {
		for range neighbourCallers {
			living.Go(func() {
				for ctx.Err() == nil {
					_, _ = s.db.Exec(s.noisy, n.sql) // it is noise
				}
			})
		}
	}
	took, failed := make([][]time.Duration, len(s.others)), make([]error, len(s.others))
	for i, other := range s.others {
		living.Go(func() {
			for n := 0; ctx.Err() == nil && failed[i] == nil; n++ {
				began := time.Now()
				failed[i] = readOne(other, s.db, wallPoint, pointID(n))
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	living.Wait()
	var all []time.Duration
	for _, times := range took {
		all = append(all, times...)
	}
	n.times = append(n.times, all...)
	n.p99 = append(n.p99, newLatency("", all).P99)
	return errors.Join(failed...)
}
