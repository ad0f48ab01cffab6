package pace_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// next is what the queue lets go, by host.
func next(t *testing.T, c *clock, q *pace.Queue, most int) (hosts []string, wake time.Duration) {
	t.Helper()
	orders, at, err := q.Next(t.Context(), c.at, most)
	must(t, err)
	for _, o := range orders {
		hosts = append(hosts, o.Hosts[0])
	}
	if at.IsZero() {
		return hosts, -1
	}
	return hosts, at.Sub(c.at)
}

func add(t *testing.T, q *pace.Queue, host string, class pace.Class, due, lapse time.Time) {
	t.Helper()
	o := order(host)
	o.Class, o.Renews = class, class == pace.Renewal
	must(t, q.Add(pace.Item{Order: o, Due: due, Lapse: lapse}))
}

func TestQueueOrders(t *testing.T) {
	t.Parallel()
	c := newClock()
	q := pace.NewQueue(newBudget(t, c.ledger(), &pace.Options{Limits: &pace.Limits{}}))
	var none time.Time
	ago := func(d time.Duration) time.Time { return c.at.Add(-d) }
	add(t, q, "import", pace.Import, ago(time.Hour), none)
	add(t, q, "second", pace.Waiting, ago(time.Minute), none)
	add(t, q, "later-lapse", pace.Renewal, ago(time.Hour), c.at.Add(5*day))
	add(t, q, "sooner-lapse", pace.Renewal, ago(time.Minute), c.at.Add(4*day))
	add(t, q, "first", pace.Waiting, ago(2*time.Minute), none)
	add(t, q, "urgent", pace.Renewal, ago(0), c.at.Add(23*time.Hour))
	add(t, q, "due-later", pace.Waiting, c.at.Add(time.Minute), none)
	if q.Len() != 7 {
		t.Errorf("%d in the queue", q.Len())
	}
	hosts, wake := next(t, c, q, 3)
	if want := []string{"urgent", "first", "second"}; !slices.Equal(hosts, want) || wake != 0 {
		t.Errorf("got %q, then %v", hosts, wake)
	}
	hosts, wake = next(t, c, q, 10)
	if want := []string{"sooner-lapse", "later-lapse", "import"}; !slices.Equal(hosts, want) || wake != time.Minute {
		t.Errorf("got %q, then %v", hosts, wake)
	}
	c.at = c.at.Add(time.Minute)
	hosts, wake = next(t, c, q, 10)
	if want := []string{"due-later"}; !slices.Equal(hosts, want) || wake != -1 || q.Len() != 0 {
		t.Errorf("got %q, then %v", hosts, wake)
	}
}

// spend leaves the account no order, or as many as are kept for who waits.
func spend(t *testing.T, c *clock, b *pace.Budget, class pace.Class) {
	t.Helper()
	if _, err := orders(t, c, b, class); err == nil {
		t.Fatal("the budget has no end")
	}
}

// TestQueueGoesAround has orders that a limit keeps, and others that it doesn't.
func TestQueueGoesAround(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	q := pace.NewQueue(b)
	spend(t, c, b, pace.Import)
	var none time.Time
	for n := range 5 {
		add(t, q, fmt.Sprintf("import%d.example", n), pace.Import, c.at, none)
	}
	add(t, q, "renewal.example", pace.Renewal, c.at, c.at.Add(9*day))
	add(t, q, "customer.example", pace.Waiting, c.at, none)
	for range 4 {
		must(t, b.Failed(t.Context(), account, "failing.example"))
	}
	add(t, q, "failing.example", pace.Waiting, c.at.Add(-time.Second), none)
	c.at = c.at.Add(time.Second)
	hosts, wake := next(t, c, q, 10)
	if want := []string{"customer.example", "renewal.example"}; !slices.Equal(hosts, want) {
		t.Errorf("got %q", hosts)
	}
	// An import may go when the reserve and one more are there: one is missing, and
	// what the customer has taken.
	if wake <= 45*time.Second || wake > 90*time.Second {
		t.Errorf("comes again after %v", wake)
	}
	c.at = c.at.Add(wake)
	if hosts, _ := next(t, c, q, 10); !slices.Equal(hosts, []string{"import0.example"}) {
		t.Errorf("got %q", hosts)
	}
	c.at = c.at.Add(15 * time.Minute)
	if hosts, _ := next(t, c, q, 1); !slices.Equal(hosts, []string{"failing.example"}) {
		t.Errorf("got %q", hosts)
	}
}

// TestQueueServesOtherAccounts has one account whose budget is spent.
func TestQueueServesOtherAccounts(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	q := pace.NewQueue(b)
	spend(t, c, b, pace.Waiting)
	c.at = c.at.Add(time.Second)
	add(t, q, "first.example", pace.Waiting, c.at.Add(-time.Hour), time.Time{})
	must(t, q.Add(pace.Item{Order: pace.Order{Account: "second", Hosts: []string{"second.example"}}, Due: c.at}))
	if hosts, _ := next(t, c, q, 10); !slices.Equal(hosts, []string{"second.example"}) {
		t.Errorf("got %q", hosts)
	}
}

// TestQueueHurries has a renewal wait for the reserve until it is urgent.
func TestQueueHurries(t *testing.T) {
	t.Parallel()
	c := newClock()
	limits := pace.Limits{Orders: pace.Rate{Burst: 4, Refill: 30 * day}}
	b := newBudget(t, c.ledger(), &pace.Options{Limits: &limits, Share: 1, Reserve: 0.5})
	q := pace.NewQueue(b)
	for n := range 2 {
		must(t, b.Order(t.Context(), order(host(n))))
	}
	o := order("renewal.example") // at an authority that has not issued it before
	o.Class = pace.Renewal
	must(t, q.Add(pace.Item{Order: o, Due: c.at, Lapse: c.at.Add(2 * day)}))
	if hosts, _ := next(t, c, q, 1); len(hosts) > 0 {
		t.Errorf("%q took from the reserve", hosts)
	}
	c.at = c.at.Add(day + time.Second)
	if hosts, _ := next(t, c, q, 1); !slices.Equal(hosts, []string{"renewal.example"}) {
		t.Errorf("got %q", hosts)
	}
}

// TestQueueOfAFastClock is on a node whose clock is ahead of the ledger's. It waits
// as long as it has to, and doesn't ask again and again.
func TestQueueOfAFastClock(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := newBudget(t, c.ledger(), nil)
	q := pace.NewQueue(b)
	spend(t, c, b, pace.Waiting)
	ahead := clock{c.at.Add(time.Hour)}
	add(t, q, "a.example", pace.Waiting, ahead.at, time.Time{})
	hosts, wake := next(t, &ahead, q, 1)
	if len(hosts) > 0 || wake <= 0 || wake > 45*time.Second {
		t.Errorf("got %q, then %v", hosts, wake)
	}
	c.at, ahead.at = c.at.Add(wake), ahead.at.Add(wake)
	if hosts, _ := next(t, &ahead, q, 1); len(hosts) != 1 {
		t.Error("waits on")
	}
}

func TestQueuePauses(t *testing.T) {
	t.Parallel()
	c := newClock()
	q := pace.NewQueue(newBudget(t, c.ledger(), nil))
	add(t, q, "a.example", pace.Waiting, c.at, time.Time{})
	q.Pause(c.at.Add(time.Hour))
	if hosts, wake := next(t, c, q, 1); len(hosts) > 0 || wake != time.Hour {
		t.Errorf("got %q, then %v", hosts, wake)
	}
	c.at = c.at.Add(time.Hour)
	if hosts, _ := next(t, c, q, 1); len(hosts) != 1 {
		t.Error("still paused")
	}
}

// TestQueueWithoutLedger loses nothing while the ledger cannot be had.
func TestQueueWithoutLedger(t *testing.T) {
	t.Parallel()
	q := pace.NewQueue(newBudget(t, broken{}, nil))
	add(t, q, "a.example", pace.Waiting, begin(), time.Time{})
	if err := q.Add(pace.Item{}); !errors.Is(err, pace.ErrOrder) {
		t.Errorf("got %v", err)
	}
	orders, _, err := q.Next(t.Context(), begin(), 1)
	if !errors.Is(err, errors.ErrUnsupported) || len(orders) > 0 || q.Len() != 1 {
		t.Errorf("got %v, %v, and %d are left", orders, err, q.Len())
	}
}
