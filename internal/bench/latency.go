package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Latency is how long something takes that is done over and over.
type Latency struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// P50, P99 and Max are in milliseconds.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// Ratio is the median over the rounds of the ratio of P99 to that of the
	// first of its kind, if it is compared with one.
	Ratio float64 `json:"p99_ratio,omitempty"`
	// Note says what was counted besides.
	Note string `json:"note,omitempty"`
}

func newLatency(name string, times []time.Duration) Latency {
	ms := make([]float64, len(times))
	for i, t := range times {
		ms[i] = float64(t.Nanoseconds()) / 1e6
	}
	return Latency{Name: name, Count: len(ms), P50: quantile(ms, 0.5), P99: quantile(ms, 0.99), Max: slices.Max(ms)}
}

// nodes says how often each thing is done that takes several nodes or tenants.
type nodes struct{ drains, changes, neighbours, births int }

func (n *nodes) flags(flags *flag.FlagSet) {
	flags.IntVar(&n.drains, "drains", 200, "`number` of drains under 32 writers; 0 leaves them out")
	flags.IntVar(&n.changes, "changes", 500, "`number` of changes of a tenant that another node sees; 0 leaves them out")
	flags.IntVar(&n.births, "births", 40, "`number` of tenants that are made of each strategy, cold and from the stock; 0 leaves them out")
	flags.IntVar(&n.neighbours, "neighbours", 20, "`number` of rounds beside a noisy neighbour; 0 leaves them out")
}

// measure does what was asked for, on a house of its own.
func (n *nodes) measure(ctx context.Context) (all []Latency, err error) {
	steps := []struct {
		times int
		run   func(*house, context.Context, int) ([]Latency, error)
	}{
		{n.drains, (*house).measureDrains},
		{n.changes, (*house).measureChanges},
		{n.neighbours, (*house).measureNeighbours},
		{n.births, (*house).measureBirths},
	}
	if max(n.drains, n.changes, n.neighbours, n.births) <= 0 {
		return nil, nil
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	h, err := openHouse(ctx, env)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	for _, step := range steps {
		if step.times <= 0 {
			continue
		}
		found, err := step.run(h, ctx, step.times)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// latencies prints the table for people.
func latencies(text *strings.Builder, all []Latency) {
	if len(all) == 0 {
		return
	}
	text.WriteString("\n| what | count | p50 ms | p99 ms | max ms | p99 ratio | |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |\n")
	for _, l := range all {
		ratio := ""
		if l.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", l.Ratio)
		}
		fmt.Fprintf(text, "| %s | %d | %.2f | %.2f | %.2f | %s | %s |\n", l.Name, l.Count, l.P50, l.P99, l.Max, ratio, l.Note)
	}
}
