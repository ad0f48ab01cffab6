package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// load is many clients at once who run one statement for a mix of tenants, in
// all ways, of which the first is what the others are compared with.
type load struct {
	transport, name string
	clients         int
	each            int // statements of a client in a burst
	draw            draw
	ways            []*loadWay
}

// loadWay is one way to run a load.
type loadWay struct {
	name   string
	visit  func(who, i int) error
	counts func() (same, others uint64) // connections found and taken over, nil if nobody counts

	count        int           // statements so far
	same, others uint64        // in bursts
	bursts       []burst       // by round
	times        []float64     // of all statements in all rounds, in µs
	memory       func() uint64 // of the largest backend now, nil if nobody asks
	most         uint64
}

// burst is what one burst has come to.
type burst struct {
	mean, p99 float64 // µs
	perSecond float64
}

// measureLoads runs all loads, interleaved, round by round.
func measureLoads(ctx context.Context, loads []*load, rounds int) ([]LoadCell, error) {
	r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // G404: turns, not secrets
	for range rounds {
		for _, l := range loads {
			if err := l.round(r); err != nil {
				return nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("interrupted: %w", err)
		}
	}
	var cells []LoadCell
	for _, l := range loads {
		for _, w := range l.ways {
			cells = append(cells, w.cell(l))
		}
	}
	return cells, nil
}

// round runs one burst of every way in random order, with the same tenants.
func (l *load) round(r *rand.Rand) error {
	turns := l.draw.turns(r, l.clients, warm+l.each)
	for _, i := range r.Perm(len(l.ways)) {
		if err := l.ways[i].run(turns); err != nil {
			return fmt.Errorf("%s/%s/%s: %w", l.transport, l.name, l.ways[i].name, err)
		}
	}
	return nil
}

// run runs one burst. The first statements of each client are to warm up.
func (w *loadWay) run(turns [][]int) error {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	times, errs := make([][]float64, len(turns)), make([]error, len(turns))
	ready.Add(len(turns))
	for c, who := range turns {
		first := w.count
		w.count += len(who)
		done.Go(func() {
			_, early := w.client(who[:warm], first)
			ready.Done()
			<-start
			times[c], errs[c] = w.client(who[warm:], first+warm)
			errs[c] = errors.Join(early, errs[c])
		})
	}
	ready.Wait()
	same, others := w.counted()
	began := time.Now()
	close(start)
	done.Wait()
	took := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	sameNow, othersNow := w.counted()
	w.same, w.others = w.same+sameNow-same, w.others+othersNow-others
	all := slices.Concat(times...)
	w.times = append(w.times, all...)
	w.bursts = append(w.bursts, burst{mean(all), quantile(all, 0.99), float64(len(all)) / took.Seconds()})
	if w.memory != nil {
		w.most = max(w.most, w.memory())
	}
	return nil
}

// client visits tenants one after another, and returns how long each took in
// microseconds.
func (w *loadWay) client(who []int, first int) ([]float64, error) {
	times := make([]float64, len(who))
	for n, t := range who {
		began := time.Now()
		if err := w.visit(t, first+n); err != nil {
			return nil, err
		}
		times[n] = float64(time.Since(began).Nanoseconds()) / 1e3
	}
	return times, nil
}

func (w *loadWay) counted() (same, others uint64) {
	if w.counts == nil {
		return 0, 0
	}
	return w.counts()
}
