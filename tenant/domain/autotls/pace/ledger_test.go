package pace_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func newClock() *clock                      { return &clock{begin()} }
func (c *clock) now() time.Time             { return c.at }
func (c *clock) ledger() *pace.MemoryLedger { return pace.NewMemoryLedger(c.now) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// waits wants an error that says how long to wait, and for what.
func waits(t *testing.T, c *clock, err error, limit pace.Limit, wait time.Duration) {
	t.Helper()
	short, ok := errors.AsType[*pace.WaitError](err)
	if !ok {
		t.Fatalf("got %v, not a WaitError", err)
	}
	if got := short.Until.Sub(c.at); short.Limit != limit || got != wait || short.Wait != wait {
		t.Fatalf("waits %v for %s, not %v for %s", got, short.Limit, wait, limit)
	}
}

func TestLedgerTakes(t *testing.T) {
	t.Parallel()
	c := newClock()
	ledger := c.ledger()
	take := pace.Take{Key: "a", Limit: pace.LimitOrders, Rate: pace.Rate{Burst: 3, Refill: time.Minute}, N: 1}
	with := func(change func(*pace.Take)) error {
		changed := take
		change(&changed)
		return ledger.Take(t.Context(), []pace.Take{changed})
	}
	same := func(*pace.Take) {}
	for range 3 {
		must(t, with(same))
	}
	waits(t, c, with(same), pace.LimitOrders, time.Minute)
	c.at = c.at.Add(59 * time.Second)
	waits(t, c, with(same), pace.LimitOrders, time.Second)
	c.at = c.at.Add(time.Second)
	must(t, with(same))
	waits(t, c, with(func(t *pace.Take) { t.N = 2 }), pace.LimitOrders, 2*time.Minute)
	waits(t, c, with(func(t *pace.Take) { t.Keep = 2 }), pace.LimitOrders, 3*time.Minute)

	// Looking takes nothing, forcing takes what isn't there, and leaves no debt.
	waits(t, c, with(func(t *pace.Take) { t.N, t.Keep = 0, 1 }), pace.LimitOrders, time.Minute)
	must(t, with(func(t *pace.Take) { t.N, t.Force = 5, true }))
	waits(t, c, with(same), pace.LimitOrders, time.Minute)

	// What is given back is there, but never more than the bucket holds.
	must(t, with(func(t *pace.Take) { t.N = -1 }))
	must(t, with(same))
	must(t, with(func(t *pace.Take) { t.N = -10 }))
	for range 3 {
		must(t, with(same))
	}
	waits(t, c, with(same), pace.LimitOrders, time.Minute)
	c.at = c.at.Add(time.Hour)
	for range 3 {
		must(t, with(same))
	}
	waits(t, c, with(same), pace.LimitOrders, time.Minute)
}

func TestLedgerTakesAllOrNone(t *testing.T) {
	t.Parallel()
	c := newClock()
	ledger := c.ledger()
	take := func(key string, burst int) pace.Take {
		return pace.Take{Key: key, Limit: pace.Limit(key), Rate: pace.Rate{Burst: burst, Refill: time.Duration(burst) * time.Minute}, N: 1}
	}
	both := []pace.Take{take("a", 2), take("b", 1)}
	must(t, ledger.Take(t.Context(), both))
	waits(t, c, ledger.Take(t.Context(), both), "b", time.Minute)
	must(t, ledger.Take(t.Context(), both[:1])) // b's refusal took nothing of a
	waits(t, c, ledger.Take(t.Context(), both), "a", 2*time.Minute)

	ended, end := context.WithCancel(t.Context())
	end()
	if err := ledger.Take(ended, both); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := pace.Draw(nil, both, c.at); err == nil {
		t.Error("drew from buckets that are not there")
	}
}

// TestLedgerKeepsTheRate takes at random times and looks that never more came out
// in any stretch of time than the bucket and its refill hold.
func TestLedgerKeepsTheRate(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	rate := pace.Rate{Burst: 7, Refill: 13 * time.Second}
	c := newClock()
	ledger := c.ledger()
	var taken []time.Time
	for range 2000 {
		c.at = c.at.Add(time.Duration(random.Int64N(int64(20 * time.Second))))
		err := ledger.Take(t.Context(), []pace.Take{{Key: "k", Rate: rate, N: 1}})
		if err == nil {
			taken = append(taken, c.at)
		} else if _, ok := errors.AsType[*pace.WaitError](err); !ok {
			t.Fatal(err)
		}
	}
	for i, from := range taken {
		for j := i; j < len(taken); j++ {
			if most := float64(rate.Burst) + float64(taken[j].Sub(from))/float64(rate.Refill); float64(j-i+1) > most+1e-6 {
				t.Fatalf("%d tokens in %v", j-i+1, taken[j].Sub(from))
			}
		}
	}
	if len(taken) < 1000 {
		t.Errorf("only %d of the tokens were to be had", len(taken))
	}
}

// TestLedgerIsSafe has many take at once what is there only in part.
func TestLedgerIsSafe(t *testing.T) {
	t.Parallel()
	ledger := newClock().ledger()
	var got atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if ledger.Take(t.Context(), []pace.Take{{Key: "k", Rate: pace.Rate{Burst: 50, Refill: time.Hour}, N: 1}}) == nil {
					got.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got.Load() != 50 {
		t.Errorf("%d took one of 50", got.Load())
	}
}

// TestLetsEncrypt looks at the numbers that the authority publishes.
func TestLetsEncrypt(t *testing.T) {
	t.Parallel()
	l := pace.LetsEncrypt()
	rates := []pace.Rate{l.Orders, l.Certificates, l.Duplicates, l.Failures, l.Consecutive, l.Accounts, l.Requests}
	want := []pace.Rate{
		{300, 36 * time.Second},
		{50, 12_096 * time.Second},
		{5, 120_960 * time.Second},
		{5, 12 * time.Minute},
		{1152, 24 * time.Hour},
		{10, 18 * time.Minute},
		{10, 50 * time.Millisecond},
	}
	if !slices.Equal(rates, want) || l.Names != 100 {
		t.Errorf("got %v, %d names", rates, l.Names)
	}
}
