package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"
)

// bench is one statement over one transport in all ways to run it, of which
// the first is what the others are compared with.
type bench struct {
	transport, statement string
	slow                 bool // so that shorter bursts will do
	ways                 []*way
}

// way is one way to run a statement.
type way struct {
	name string
	over string // another way that it is compared with besides, "" for none
	run  func(i int) error

	count  int
	times  []time.Duration // per statement, by round
	ratios []float64       // to the first way, by round
	beside []float64       // to the other way, by round
}

// Cell is what one way to run a statement costs.
type Cell struct {
	Transport string `json:"transport"`
	Statement string `json:"statement"`
	Way       string `json:"way"`
	// Ratio is the median of the ratios to hand-written pgx in the same round;
	// Low and High are its quartiles.
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// Beside is the median of the ratios to Over, another way, if there is one.
	Over   string  `json:"over,omitempty"`
	Beside float64 `json:"beside,omitempty"`
	// Micros is the median time of one statement in microseconds.
	Micros float64 `json:"micros"`
	// Allocs and Bytes are what one statement allocates in the client beyond
	// what hand-written pgx does.
	Allocs float64 `json:"extra_allocs"`
	Bytes  float64 `json:"extra_bytes"`
}

// warm is how many statements run before the clock does: the caches of the
// processor belong to another server process when a burst begins.
const warm = 3

// measure runs all benches, interleaved, round by round.
func measure(ctx context.Context, benches []*bench, rounds, burst int) ([]Cell, error) {
	for range rounds {
		for _, b := range benches {
			if err := b.round(burst); err != nil {
				return nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("interrupted: %w", err)
		}
	}
	var cells []Cell
	for _, b := range benches {
		base := allocations{}
		for i, w := range b.ways {
			a, err := w.allocations(b.size(100))
			if err != nil {
				return nil, fmt.Errorf("%s/%s/%s: %w", b.transport, b.statement, w.name, err)
			}
			if i == 0 {
				base = a
			}
			cells = append(cells, Cell{
				Transport: b.transport, Statement: b.statement, Way: w.name,
				Ratio: quantile(w.ratios, 0.5), Low: quantile(w.ratios, 0.25), High: quantile(w.ratios, 0.75),
				Micros: quantile(micros(w.times), 0.5),
				Allocs: a.objects - base.objects, Bytes: a.bytes - base.bytes,
			})
			if len(w.beside) > 0 {
				last := &cells[len(cells)-1]
				last.Over, last.Beside = w.over, quantile(w.beside, 0.5)
			}
		}
	}
	return cells, nil
}

// round runs one burst of every way in random order.
func (b *bench) round(burst int) error {
	burst = b.size(burst)
	for _, i := range rand.Perm(len(b.ways)) { //nolint:gosec // G404: an order, not a secret
		w := b.ways[i]
		if _, err := w.burst(warm); err != nil {
			return fmt.Errorf("%s/%s/%s: %w", b.transport, b.statement, w.name, err)
		}
		took, err := w.burst(burst)
		if err != nil {
			return fmt.Errorf("%s/%s/%s: %w", b.transport, b.statement, w.name, err)
		}
		w.times = append(w.times, took/time.Duration(burst))
	}
	for _, w := range b.ways {
		w.ratios = append(w.ratios, w.ratio(b.ways[0]))
		for _, other := range b.ways {
			if other.name == w.over {
				w.beside = append(w.beside, w.ratio(other))
			}
		}
	}
	return nil
}

// size is how many statements do where so many would on a quick line.
func (b *bench) size(statements int) int {
	if b.slow {
		return max(1, statements/5)
	}
	return statements
}

// ratio is that of the last burst to another way's.
func (w *way) ratio(to *way) float64 {
	return float64(w.times[len(w.times)-1]) / float64(to.times[len(to.times)-1])
}

func (w *way) burst(n int) (time.Duration, error) {
	began := time.Now()
	for range n {
		w.count++
		if err := w.run(w.count); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

type allocations struct{ objects, bytes float64 }

// allocations counts what a statement allocates: the least of several tries,
// because what else goes on in the process is counted too.
func (w *way) allocations(statements int) (allocations, error) {
	const tries = 5
	var least allocations
	for try := range tries {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := w.burst(statements); err != nil {
			return least, err
		}
		runtime.ReadMemStats(&after)
		objects := float64(after.Mallocs-before.Mallocs) / float64(statements)
		if try == 0 || objects < least.objects {
			least = allocations{objects, float64(after.TotalAlloc-before.TotalAlloc) / float64(statements)}
		}
	}
	return least, nil
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func micros(times []time.Duration) []float64 {
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = float64(t.Nanoseconds()) / 1e3
	}
	return out
}

// keep leaves out the ways that were not asked for, but never the first, and
// says whether anything is left.
func (b *bench) keep(only string) bool {
	base := b.ways[0]
	b.ways = slices.DeleteFunc(b.ways, func(w *way) bool {
		return !strings.Contains(b.transport+"/"+b.statement+"/"+w.name, only)
	})
	if len(b.ways) == 0 {
		return false
	}
	if b.ways[0] != base {
		b.ways = slices.Insert(b.ways, 0, base)
	}
	return true
}
