package pace_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

const account = "https://acme.example/acct/1"

func newBudget(t *testing.T, ledger pace.Ledger, options *pace.Options) *pace.Budget {
	t.Helper()
	b, err := pace.New(ledger, options)
	must(t, err)
	return b
}

// order is an order for hosts.
func order(hosts ...string) pace.Order { return pace.Order{Account: account, Hosts: hosts} }

// host is one host of many that have nothing in common.
func host(n int) string { return fmt.Sprintf("www.customer%d.example", n) }

// orders orders until the budget is spent, for hosts that have nothing in common.
func orders(t *testing.T, c *clock, b *pace.Budget, class pace.Class) (n int, err error) {
	t.Helper()
	for ; n < 1000; n++ {
		o := order(host(n))
		o.Class = class
		if err := b.Order(t.Context(), o); err != nil {
			return n, err
		}
		c.at = c.at.Add(time.Second / 16) // at one more, requests would be what is short
	}
	return n, nil
}

func TestBudgetSpendsItsShare(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	n, err := orders(t, c, b, pace.Renewal)
	if n != 180 { // 300, of which 80 %, less a quarter
		t.Errorf("renewed %d: %v", n, err)
	}
	n, err = orders(t, c, b, pace.Waiting)
	if short, ok := errors.AsType[*pace.WaitError](err); n != 60 || !ok || short.Limit != pace.LimitOrders {
		t.Errorf("ordered %d: %v", n, err)
	}
	c.at = c.at.Add(45 * time.Second) // 36 s, of which 80 %
	must(t, b.Order(t.Context(), order("one.more")))
}

func TestBudgetOfARegisteredDomain(t *testing.T) {
	t.Parallel()
	c := newClock()
	ledger := c.ledger()
	b := newBudget(t, ledger, nil)
	for n := range 40 {
		must(t, b.Order(t.Context(), order(fmt.Sprintf("h%d.a.example", n), fmt.Sprintf("i%d.A.example", n))))
		c.at = c.at.Add(time.Second)
	}
	next := order("next.a.example")
	err := b.Order(t.Context(), next)
	waits(t, c, err, pace.LimitCertificates, 7*24*time.Hour/40-40*time.Second)

	// Others, renewals, other authorities and what came to nothing are not kept.
	must(t, b.Order(t.Context(), order("next.b.example")))
	next.Repeats = true
	must(t, b.Order(t.Context(), next))
	next.Repeats = false
	must(t, newBudget(t, ledger, &pace.Options{Authority: "other"}).Order(t.Context(), next))
	must(t, b.Unissued(t.Context(), order("h1.a.example", "i1.a.example")))
	must(t, b.Order(t.Context(), next))

	// It is the host's function that says what a registered domain is.
	suffix := newBudget(t, c.ledger(), &pace.Options{Registrable: func(string) (string, error) { return "", errors.ErrUnsupported }})
	for n := range 41 {
		c.at = c.at.Add(time.Second)
		must(t, suffix.Order(t.Context(), order(fmt.Sprintf("h%d.a.example", n))))
	}
}

func TestBudgetOfOneSetOfNames(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	for range 4 {
		must(t, b.Order(t.Context(), order("a.example", "*.a.example")))
	}
	again := order("*.A.example", "a.example", "a.example")
	waits(t, c, b.Order(t.Context(), again), pace.LimitDuplicates, 42*time.Hour)
	again.Repeats = true
	waits(t, c, b.Order(t.Context(), again), pace.LimitDuplicates, 42*time.Hour)
	must(t, b.Order(t.Context(), order("a.example")))
}

// TestBudgetEndsLoops: an authority whose windows have always passed has us renew,
// but not without end. What is renewed counts for other orders too.
func TestBudgetEndsLoops(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	renewal := order("a.example")
	renewal.Renews = true
	for range 4 {
		must(t, b.Order(t.Context(), renewal))
	}
	waits(t, c, b.Order(t.Context(), renewal), pace.LimitDuplicates, 42*time.Hour)
	waits(t, c, b.Order(t.Context(), order("a.example")), pace.LimitDuplicates, 42*time.Hour)
}

// TestBudgetExempts renews in a moment what would take days to order.
func TestBudgetExempts(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	for _, o := range []pace.Order{{Renews: true}, {Repeats: true}} {
		for n := range 1000 {
			o.Account, o.Hosts, o.Class = account, []string{host(n)}, pace.Renewal
			must(t, b.Order(t.Context(), o))
			c.at = c.at.Add(time.Second / 16)
		}
	}
	for n := range 10 {
		if err := b.Order(t.Context(), pace.Order{Account: account, Hosts: []string{host(2000 + n)}, Renews: true}); err != nil {
			waits(t, c, err, pace.LimitRequests, time.Second/16)
			return
		}
	}
	t.Error("renewals can exceed the requests per second")
}

func TestBudgetCountsFailures(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	for range 4 {
		must(t, b.Failed(t.Context(), account, "A.example"))
	}
	waits(t, c, b.Order(t.Context(), order("a.example")), pace.LimitFailures, 15*time.Minute)
	waits(t, c, b.Order(t.Context(), order("*.a.example")), pace.LimitFailures, 15*time.Minute)
	must(t, b.Order(t.Context(), order("b.example")))
	other := order("a.example")
	other.Account = "another"
	must(t, b.Order(t.Context(), other))
	must(t, b.Succeeded(t.Context(), account, "a.example")) // of a challenge that was under way
	waits(t, c, b.Order(t.Context(), order("a.example")), pace.LimitFailures, 15*time.Minute)
	c.at = c.at.Add(15 * time.Minute)
	must(t, b.Order(t.Context(), order("a.example")))
}

func TestBudgetCountsFailuresInARow(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	fail := func(times int) {
		for range times {
			must(t, b.Failed(t.Context(), account, "a.example"))
		}
		c.at = c.at.Add(2 * time.Hour)
	}
	fail(900)
	must(t, b.Order(t.Context(), order("a.example")))
	must(t, b.Succeeded(t.Context(), account, "a.example"))
	fail(900)
	must(t, b.Order(t.Context(), order("a.example")))
	fail(900)
	waits(t, c, b.Order(t.Context(), order("a.example")), pace.LimitConsecutive, 30*time.Hour-2*time.Hour)
}

func TestBudgetRegisters(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	for range 8 {
		must(t, b.Register(t.Context()))
		c.at = c.at.Add(time.Second)
	}
	waits(t, c, b.Register(t.Context()), pace.LimitAccounts, 18*time.Minute*10/8-8*time.Second)
}

func TestBudgetRefusesWhatIsNoOrder(t *testing.T) {
	t.Parallel()
	b := newBudget(t, newClock().ledger(), nil)
	many := make([]string, 101)
	for i := range many {
		many[i] = host(i)
	}
	orders := map[string]pace.Order{
		"no host":           order(),
		"empty":             order(""),
		"too many":          order(many...),
		"too long":          order(strings.Repeat("a", 256)),
		"slash":             order("a/b"),
		"comma":             order("a,b"),
		"control":           order("a\nb"),
		"not ASCII":         order("bücher.example"),
		"account":           {Account: strings.Repeat("a", 513), Hosts: []string{"a"}},
		"account's letters": {Account: "a\x00", Hosts: []string{"a"}},
		"class":             {Account: account, Hosts: []string{"a"}, Class: 7},
		"class too low":     {Account: account, Hosts: []string{"a"}, Class: -1},
	}
	for name, o := range orders {
		if err := b.Order(t.Context(), o); !errors.Is(err, pace.ErrOrder) {
			t.Errorf("%s: %v", name, err)
		}
		if err := b.Unissued(t.Context(), o); !errors.Is(err, pace.ErrOrder) {
			t.Errorf("%s, unissued: %v", name, err)
		}
	}
	if err := errors.Join(b.Failed(t.Context(), account, "a/b"), b.Succeeded(t.Context(), account, "")); !errors.Is(err, pace.ErrOrder) {
		t.Errorf("failures of no host: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	bad := &pace.Options{
		Authority: "a/b", Share: math.NaN(), Reserve: 1,
		Limits: &pace.Limits{Orders: pace.Rate{Burst: -1, Refill: 1}, Failures: pace.Rate{Burst: 1 << 40, Refill: time.Hour}, Names: -1},
	}
	_, err := pace.New(nil, bad)
	for _, want := range []string{"ledger", "authority", "share", "reserve", "new-orders", "failures", "names"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't say %q", err, want)
		}
	}
	// Nothing is limited, and everything is passed.
	free := newBudget(t, broken{}, &pace.Options{Limits: &pace.Limits{}, Share: 1, Reserve: -1})
	must(t, free.Order(t.Context(), order("a")))
}

// broken is a ledger that cannot be had.
type broken struct{}

func (broken) Take(context.Context, []pace.Take) error { return errors.ErrUnsupported }

// seen is a ledger that keeps what it was asked.
type seen struct{ takes []pace.Take }

func (s *seen) Take(_ context.Context, takes []pace.Take) error {
	s.takes = takes
	return nil
}

// TestBudgetTellsTheLedger looks at what a ledger relies on.
func TestBudgetTellsTheLedger(t *testing.T) {
	t.Parallel()
	var ledger seen
	b := newBudget(t, &ledger, nil)
	must(t, b.Order(t.Context(), order("b.example", "a.example", "www.a.example", "*.a.example")))
	var keys []string
	for _, take := range ledger.takes {
		keys = append(keys, take.Key)
	}
	if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
		t.Errorf("keys not sorted, or not different: %q", keys)
	}
	// requests, orders, the set, 2 registered domains, and twice 3 names
	if len(keys) != 11 {
		t.Errorf("%d takes: %q", len(keys), keys)
	}
	if err := newBudget(t, broken{}, nil).Order(t.Context(), order("a")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a broken ledger gives %v", err)
	}
}

// FuzzOrder looks that no names, however odd, reach the ledger as keys that it
// couldn't hold, or that mean another's bucket.
func FuzzOrder(f *testing.F) {
	f.Add(account, "a.example", "*.b.example")
	f.Add("", "..", "A")
	f.Add("a/b", "x/y", "\xff\x00")
	f.Fuzz(func(t *testing.T, account, a, b string) {
		var ledger seen
		budget := newBudget(t, &ledger, nil)
		err := budget.Order(t.Context(), pace.Order{Account: account, Hosts: []string{a, b}})
		if err != nil && !errors.Is(err, pace.ErrOrder) {
			t.Fatal(err)
		}
		for i, take := range ledger.takes {
			if len(take.Key) > 1024 || strings.ContainsFunc(take.Key, func(r rune) bool { return r <= ' ' || r > '~' }) || i > 0 && take.Key <= ledger.takes[i-1].Key {
				t.Fatalf("key %q", take.Key)
			}
			if take.Limit == pace.LimitFailures {
				if parts := strings.SplitN(take.Key, "/", 4); len(parts) != 4 || parts[3] != account {
					t.Fatalf("key %q is not of one name and account", take.Key)
				}
			}
		}
	})
}
