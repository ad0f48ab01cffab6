// Package check drives a chain of record stores over the wire, as its visitors
// and as its attackers do, and counts what does not add up and what leaks.
//
// It knows nothing of how the stores are kept. What must come back it works
// out from the records; what must not, it tries to get. Only what no attempt
// can show it looks up in the database's catalogue, and in Redis what keys are
// called there. Raids on caches and buckets are led against a naive host, too.
package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/tenant"
)

// Config says what to check.
type Config struct {
	// Addr is where the chain is served, with its playground.
	Addr string
	// Data is what the chain was filled with.
	Data *records.Chain
	// App is the URL of the role that serves tenants, for attacks past the
	// library. Databases are the other databases that it can reach.
	App       string
	Databases []string
	// Redis leads to the server of the stores' caches, for attackers who know
	// what keys are called there.
	Redis *redis.UniversalOptions
	// GatewayKey is what the chain's gateway signs with.
	GatewayKey []byte
	// Found is told of each finding at once, one at a time, with its kind:
	// [Leak] or [Mismatch]. Defaults to nobody being told before the end.
	Found func(kind, finding string)
}

// The kinds of findings; see [Result].
const (
	Leak     = "leak"
	Mismatch = "mismatch"
)

// Result is what a check has found.
type Result struct {
	// Tenants, Invoices and Total are what was read through the wall.
	Tenants, Invoices int
	Total             money.Amount
	// Attacks is how many requests and statements tried to cross the wall.
	Attacks int
	// Raids are those attacks that went for caches and buckets.
	Raids []Raid
	// Leaks are rows, cached values and files of one tenant that another one,
	// or nobody, got to see or to change. Mismatches are answers that are not
	// what they should be.
	Leaks, Mismatches []string
}

// OK reports whether all is well.
func (r *Result) OK() bool { return len(r.Leaks) == 0 && len(r.Mismatches) == 0 }

// String is the result in one line, with the first reason of a failure.
func (r *Result) String() string {
	line := fmt.Sprintf("check: %d tenants, %d invoices, %s total, %d leaks", r.Tenants, r.Invoices, r.Total, len(r.Leaks))
	if r.OK() {
		return line + ", ok"
	}
	reason := slices.Concat(r.Leaks, r.Mismatches)[0]
	return fmt.Sprintf("%s, %d mismatches, FAILED: %s", line, len(r.Mismatches), strings.ReplaceAll(reason, "\n", " "))
}

// run is a check under way.
type run struct {
	config Config
	client *client
	want   *tally
	stores []*store

	mu     sync.Mutex
	result Result
}

// store is a store as the check comes to know it.
type store struct {
	slug     string
	country  string
	strategy tenant.Strategy
	want     *expected
	number   int64 // what its rows carry, as a leaky query tells
	canary   string
	seen     Summary
	till     string // what it hides its canary under, in its cache and its bucket
	whole    string // what Redis calls that
	file     string // and what the object store does
	shelf    string // the path of signed addresses to its bucket
}

// Run checks a chain and writes what it finds to out, the result in the last
// line. It fails only when ctx ends; everything else is in the result.
func Run(ctx context.Context, config Config, out io.Writer) (*Result, error) {
	r := &run{config: config, client: newClient(config.Addr), want: newTally(config.Data)}
	defer r.client.close()
	r.discover(ctx)
	r.each(ctx, r.prepare)
	r.each(ctx, r.visit)
	r.attackDirectly(ctx)
	r.raidNaive(ctx)
	r.each(ctx, r.attack)
	r.each(ctx, r.revisit)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	r.conclude()
	r.print(out)
	return &r.result, nil
}

// workers is how many stores are at work at once, so that connections change
// hands all the time.
const workers = 4

// each calls fn with every store.
func (r *run) each(ctx context.Context, fn func(context.Context, *store)) {
	work := make(chan *store)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for s := range work {
				fn(ctx, s)
			}
		})
	}
	for _, s := range r.stores {
		work <- s
	}
	close(work)
	working.Wait()
}

func (r *run) leakf(format string, args ...any) {
	r.note(Leak, &r.result.Leaks, fmt.Sprintf(format, args...))
}

func (r *run) mismatchf(format string, args ...any) {
	r.note(Mismatch, &r.result.Mismatches, fmt.Sprintf(format, args...))
}

func (r *run) note(kind string, findings *[]string, finding string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*findings = append(*findings, finding)
	if r.config.Found != nil {
		r.config.Found(kind, finding)
	}
}

// failed notes an error, unless it is the end of the check itself.
func (r *run) failed(ctx context.Context, what string, err error) bool {
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		r.mismatchf("%s: %v", what, err)
	}
	return err != nil
}

// conclude adds the stores up.
func (r *run) conclude() {
	var missing []string
	for country := range r.want.stores {
		if !slices.ContainsFunc(r.stores, func(s *store) bool { return s.country == country }) {
			missing = append(missing, country)
		}
	}
	slices.Sort(missing)
	for _, country := range missing {
		r.mismatchf("%s: there is no such store", country)
	}
	for _, s := range r.stores {
		r.result.Tenants++
		r.result.Invoices += int(s.seen.Invoices)
		r.result.Total += s.seen.Total
	}
	if r.result.Total != r.want.total || r.result.Invoices != r.want.invoices {
		r.mismatchf("all: %s over %d invoices, want %s over %d", r.result.Total, r.result.Invoices, r.want.total, r.want.invoices)
	}
	slices.Sort(r.result.Leaks)
	slices.Sort(r.result.Mismatches)
}

// maxPrinted bounds how many findings of a kind are printed: a wall that is
// down altogether has thousands.
const maxPrinted = 10

func (r *run) print(out io.Writer) {
	slices.SortFunc(r.stores, func(a, b *store) int { return int(b.seen.Total - a.seen.Total) })
	var text strings.Builder
	for _, s := range r.stores {
		fmt.Fprintf(&text, "%-16s %9s  %3d invoices  %3d customers  %s\n", s.country, s.seen.Total, s.seen.Invoices, s.seen.Customers, s.strategy)
	}
	fmt.Fprintf(&text, "%-48s a naive host  this one\n", "raids on caches and buckets")
	for _, d := range r.result.Raids {
		fmt.Fprintf(&text, "  %-46s %-12s  %s\n", d.Name, outcome(d.Naive), outcome(d.Here))
	}
	fmt.Fprintf(&text, "%d attempts to cross the wall\n", r.result.Attacks)
	list(&text, Leak, r.result.Leaks)
	list(&text, Mismatch, r.result.Mismatches)
	_, _ = fmt.Fprintf(out, "%s%s\n", text.String(), &r.result) // the exit status says it too
}

func outcome(robbed bool) string {
	if robbed {
		return "is robbed"
	}
	return "holds"
}

func list(text *strings.Builder, kind string, findings []string) {
	for i, finding := range findings {
		if i == maxPrinted {
			fmt.Fprintf(text, "%s: … and %d more\n", kind, len(findings)-maxPrinted)
			return
		}
		fmt.Fprintf(text, "%s: %s\n", kind, finding)
	}
}
