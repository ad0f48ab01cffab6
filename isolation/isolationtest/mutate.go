package isolationtest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
)

// Mutation is one wall that is knocked out.
type Mutation struct {
	Name string
	// Knock knocks the wall out, and returns what puts it back.
	Knock func(ctx context.Context) (restore func(context.Context) error, err error)
}

// Watch is something that has to notice when a wall is gone: a proof, or
// tests.
type Watch struct {
	Name string
	// Look returns findings, or an error, for what it notices.
	Look func(ctx context.Context) (*prove.Report, error)
}

// Watching is a host as a [Watch]: the findings of [Drive].
func Watching(h Host) Watch {
	return Watch{"tests", func(ctx context.Context) (*prove.Report, error) {
		r, err := Drive(ctx, h)
		if err != nil {
			return nil, err
		}
		return &r.Report, nil
	}}
}

// Proving is a proof as a [Watch].
func Proving(p prove.Prover) Watch { return Watch{"proof", p.Prove} }

// Probing is what prove.Probe tries with two canary tenants as a [Watch].
func Probing(db prove.DB, a, b tenant.Tenant) Watch {
	return Watch{"probe", func(ctx context.Context) (*prove.Report, error) { return prove.Probe(ctx, db, a, b) }}
}

// Mutant is what became of a mutation.
type Mutant struct {
	Name string
	// By is the watch that noticed it, and Said what it said first. Both are
	// "" if it survived.
	By, Said string
}

// Mutate knocks out one wall after another, and fails the test for each that no
// watch notices: there the tests are not worth anything. The watches are asked
// in order, the quick ones should come first. As long as all walls stand they
// have to be silent. Never let it near a database that is in use.
func Mutate(t TB, mutations []Mutation, watches ...Watch) {
	t.Helper()
	mutants, err := Mutants(t.Context(), mutations, watches...)
	killed := 0
	for _, m := range mutants {
		if m.By == "" {
			t.Errorf("isolationtest: nobody notices when the wall falls: %s", m.Name)
			continue
		}
		killed++
		t.Logf("%s: noticed by the %s: %s", m.Name, m.By, m.Said)
	}
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	t.Logf("mutation score: %d of %d", killed, len(mutants))
}

// Mutants is [Mutate] as a function: what became of each mutation. It fails
// when a watch is not silent while all walls stand, and when a wall cannot be
// knocked out or put back: what follows would be noticed for the wrong reason.
func Mutants(ctx context.Context, mutations []Mutation, watches ...Watch) ([]Mutant, error) {
	if len(mutations) == 0 || len(watches) == 0 {
		return nil, errors.New("isolationtest: Mutants needs mutations and watches")
	}
	if err := silent(ctx, watches); err != nil {
		return nil, fmt.Errorf("isolationtest: before any mutation: %w", err)
	}
	var mutants []Mutant
	for _, m := range mutations {
		mutant, err := m.play(ctx, watches)
		if err != nil {
			return mutants, fmt.Errorf("isolationtest: mutation %q: %w", m.Name, err)
		}
		mutants = append(mutants, mutant)
	}
	if err := silent(ctx, watches); err != nil {
		return mutants, fmt.Errorf("isolationtest: after all mutations: %w", err)
	}
	return mutants, nil
}

// play knocks the wall out, asks the watches until one notices, and puts it
// back, whatever happens. Then that watch has nothing to notice any more.
func (m Mutation) play(ctx context.Context, watches []Watch) (Mutant, error) {
	mutant := Mutant{Name: m.Name}
	restore, err := m.Knock(ctx)
	if err != nil {
		return mutant, err
	}
	var noticed []Watch
	for _, w := range watches {
		if said := w.says(ctx); said != "" {
			mutant.By, mutant.Said, noticed = w.Name, said, []Watch{w}
			break
		}
	}
	if err := restore(context.WithoutCancel(ctx)); err != nil {
		return mutant, fmt.Errorf("putting it back: %w", err)
	}
	if err := silent(ctx, noticed); err != nil {
		return mutant, fmt.Errorf("after putting it back: %w", err)
	}
	return mutant, ctx.Err()
}

// says is the first thing that a watch notices, "" if it notices nothing.
func (w Watch) says(ctx context.Context) string {
	report, err := w.Look(ctx)
	switch {
	case err != nil:
		first, _, _ := strings.Cut(err.Error(), "\n")
		return first
	case report.Clean():
		return ""
	}
	return report.Findings[0].Code
}

// silent is what a watch notices where there is nothing to notice.
func silent(ctx context.Context, watches []Watch) error {
	var errs []error
	for _, w := range watches {
		if said := w.says(ctx); said != "" {
			errs = append(errs, fmt.Errorf("the %s is not silent: %s", w.Name, said))
		}
	}
	return errors.Join(errs...)
}
