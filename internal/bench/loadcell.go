package main

import (
	"fmt"
	"strings"
)

// LoadCell is what one way to run a load costs. Ratios are medians of ratios to
// hand-written pgx in the same round.
type LoadCell struct {
	Transport string `json:"transport"`
	Load      string `json:"load"`
	Way       string `json:"way"`
	// Ratio is of the mean time of a statement; Low and High are its quartiles.
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	// Throughput is the ratio of statements per second, P99 that of the time
	// that one in a hundred exceeds, PooledP99 that over all rounds together.
	Throughput float64 `json:"throughput"`
	P99        float64 `json:"p99"`
	PooledP99  float64 `json:"pooled_p99"`
	// Micros is the median of the mean times in microseconds, PerSecond the
	// median of the statements per second.
	Micros    float64 `json:"micros"`
	PerSecond float64 `json:"per_second"`
	// Switched is the share of statements that took over a connection of
	// another tenant, -1 where nobody counts.
	Switched float64 `json:"switched"`
	// BackendBytes is the most memory of its own that a server process had after
	// a round, 0 where nobody asked.
	BackendBytes uint64 `json:"backend_bytes,omitempty"`
}

func (w *loadWay) cell(l *load) LoadCell {
	base := l.ways[0]
	ratios := func(of func(burst) float64) []float64 {
		out := column(w.bursts, of)
		for i, b := range base.bursts {
			out[i] /= of(b)
		}
		return out
	}
	meanOf, p99Of := func(b burst) float64 { return b.mean }, func(b burst) float64 { return b.p99 }
	rateOf := func(b burst) float64 { return b.perSecond }
	means := ratios(meanOf)
	c := LoadCell{
		Transport: l.transport, Load: l.name, Way: w.name,
		Ratio: quantile(means, 0.5), Low: quantile(means, 0.25), High: quantile(means, 0.75),
		Throughput: quantile(ratios(rateOf), 0.5), P99: quantile(ratios(p99Of), 0.5),
		PooledP99: quantile(w.times, 0.99) / quantile(base.times, 0.99),
		Micros:    quantile(column(w.bursts, meanOf), 0.5), PerSecond: quantile(column(w.bursts, rateOf), 0.5),
		Switched: -1, BackendBytes: w.most,
	}
	if w.counts != nil {
		c.Switched = float64(w.others) / float64(w.same+w.others)
	}
	return c
}

func column(bursts []burst, of func(burst) float64) []float64 {
	out := make([]float64, len(bursts))
	for i, b := range bursts {
		out[i] = of(b)
	}
	return out
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// loads prints a table of each line.
func (r *report) loads(text *strings.Builder) {
	fmt.Fprintf(text, "\nMany clients at once: medians of %d rounds of ratios to hand-written pgx in the same round.\n", r.LoadRounds)
	transport := ""
	for _, c := range r.Loads {
		if c.Transport != transport {
			transport = c.Transport
			fmt.Fprintf(text, "\n| %s: load, clients | way | mean time | throughput | p99 | p99 of all | µs | per second | switched | MB per backend |\n", transport)
			text.WriteString("| --- | --- |" + strings.Repeat(" ---: |", 8) + "\n")
		}
		fmt.Fprintf(text, "| %s | %s | %.2f (%.2f–%.2f) | %.2f | %.2f | %.2f | %.0f | %.0f | %s | %.1f |\n", c.Load, c.Way,
			c.Ratio, c.Low, c.High, c.Throughput, c.P99, c.PooledP99, c.Micros, c.PerSecond, percent(c.Switched), float64(c.BackendBytes)/1e6)
	}
}

// percent is a share for people; below 0 it is not known.
func percent(share float64) string {
	if share < 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}
