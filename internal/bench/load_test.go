package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// counted is a way that notes whom it was asked for.
type counted struct {
	loadWay

	mu   sync.Mutex
	seen []int
	nth  map[int]bool
}

func newCounted(name string) *counted {
	c := &counted{nth: map[int]bool{}}
	c.loadWay = loadWay{name: name, visit: func(who, i int) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen, c.nth[i] = append(c.seen, who), true
		return nil
	}}
	return c
}

// TestLoadRound gives all ways the same tenants, no two statements one number,
// and counts no statement that was to warm up.
func TestLoadRound(t *testing.T) {
	t.Parallel()
	const clients, each, rounds = 8, 16, 3
	one, two := newCounted("one"), newCounted("two")
	two.counts = func() (same, others uint64) { // read before and after each burst
		two.mu.Lock()
		defer two.mu.Unlock()
		n := uint64(len(two.seen))
		return n / 4, n - n/4
	}
	l := &load{transport: "unix", name: "point", clients: clients, each: each, draw: uniform(1000), ways: []*loadWay{&one.loadWay, &two.loadWay}}
	cells, err := measureLoads(t.Context(), []*load{l}, rounds)
	if err != nil || len(cells) != 2 {
		t.Fatalf("measureLoads = %d cells, %v, want 2", len(cells), err)
	}
	if len(one.nth) != rounds*clients*(warm+each) {
		t.Errorf("%d different numbers, want %d", len(one.nth), rounds*clients*(warm+each))
	}
	if len(one.times) != rounds*clients*each {
		t.Errorf("%d statements timed, want %d", len(one.times), rounds*clients*each)
	}
	if a, b := slices.Sorted(slices.Values(one.seen)), slices.Sorted(slices.Values(two.seen)); !slices.Equal(a, b) {
		t.Error("the ways met different tenants")
	}
	if c := cells[0]; c.Ratio != 1 || c.P99 != 1 || c.PooledP99 != 1 || c.Throughput != 1 || c.Switched != -1 {
		t.Errorf("over itself: %+v", c)
	}
	if c := cells[1]; c.Switched != 0.75 || c.Ratio <= 0 {
		t.Errorf("switched %v with a ratio of %v, want 0.75 and more than 0", c.Switched, c.Ratio)
	}
}

var errVisit = errors.New("a visit that failed")

func TestLoadFails(t *testing.T) {
	t.Parallel()
	broken := &loadWay{name: "broken", visit: func(_, i int) error {
		if i == 7 {
			return errVisit
		}
		return nil
	}}
	l := &load{transport: "unix", name: "point", clients: 2, each: 8, draw: alone, ways: []*loadWay{broken}}
	if err := l.round(rand.New(rand.NewPCG(1, 2))); !errors.Is(err, errVisit) || !strings.HasPrefix(err.Error(), "unix/point/broken: ") {
		t.Errorf("round = %v, want %v", err, errVisit)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measureLoads(ctx, nil, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("measureLoads = %v, want %v", err, context.Canceled)
	}
}

// TestCell works a cell out of bursts by hand.
func TestCell(t *testing.T) {
	t.Parallel()
	base := &loadWay{
		bursts: []burst{{10, 40, 1000}, {20, 50, 500}, {10, 60, 800}},
		times:  []float64{1, 2, 3, 4},
	}
	other := &loadWay{
		name:   "other",
		bursts: []burst{{20, 40, 500}, {30, 100, 500}, {40, 240, 200}},
		times:  []float64{2, 4, 6, 10},
		counts: func() (same, others uint64) { return 0, 0 }, same: 1, others: 3, most: 5e6,
	}
	want := LoadCell{
		Transport: "unix", Load: "Zipf", Way: "other", Ratio: 2, Low: 2, High: 4, Throughput: 0.5,
		P99: 2, PooledP99: 2.5, Micros: 30, PerSecond: 500, Switched: 0.75, BackendBytes: 5e6,
	}
	if got := other.cell(&load{transport: "unix", name: "Zipf", ways: []*loadWay{base, other}}); got != want {
		t.Errorf("cell = %+v, want %+v", got, want)
	}
}

func TestKeepLoad(t *testing.T) {
	t.Parallel()
	for only, want := range map[string]string{"": "one two three", "unix/zipf/two": "one two", "tcp": "", "one": "one"} {
		l := &load{transport: "unix", name: "zipf", ways: []*loadWay{{name: "one"}, {name: "two"}, {name: "three"}}}
		kept := l.keep(only)
		var names []string
		for _, w := range l.ways {
			names = append(names, w.name)
		}
		if got := strings.Join(names, " "); kept != (want != "") || kept && got != want {
			t.Errorf("keep(%q) = %v with %q, want %q", only, kept, got, want)
		}
	}
}
