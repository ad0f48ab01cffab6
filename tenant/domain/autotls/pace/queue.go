package pace

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"slices"
	"time"
)

// Item is an order that is due at some time.
type Item struct {
	Order Order
	// Due is when it should be sent, at the earliest.
	Due time.Time
	// Lapse is when the certificate ends that it renews; zero for a first one.
	Lapse time.Time

	since time.Time // when it was due at first
}

// urgent is how long before its lapse a renewal gets the class Waiting. It is
// less than what is left of a six-day certificate when that is renewed.
const urgent = 24 * time.Hour

// Queue says which orders are sent now and which later. In this order go: what
// lapses within a day, those of class Waiting as they came, those of
// class Renewal by the time of their lapse, and those of class Import as they
// came. Who is kept from it by a limit on its own, such as that of a
// registered domain, does not keep the others.
//
// A queue is for the due orders of one node, such as were claimed from a table.
// It is not safe for concurrent use.
type Queue struct {
	budget *Budget
	later  items // by Due
	lanes  []*lane
	paused time.Time
}

// lane holds orders that are due and that the shared limits treat alike.
type lane struct {
	laneKey
	items

	until time.Time // a shared limit keeps it till then
}

// laneKey is in the order in which lanes are served.
type laneKey struct {
	class   Class
	exempt  bool
	account string
}

// NewQueue makes an empty queue that orders from the budget.
func NewQueue(budget *Budget) *Queue { return &Queue{budget: budget, later: items{less: byDue}} }

// Add adds an order. The error is [ErrOrder] if it is none.
func (q *Queue) Add(item Item) error {
	if _, err := q.budget.hosts(item.Order); err != nil {
		return err
	}
	item.since = item.Due
	heap.Push(&q.later, item)
	return nil
}

// Len is how many orders there are, due or not.
func (q *Queue) Len() int {
	n := q.later.Len()
	for _, lane := range q.lanes {
		n += lane.Len()
	}
	return n
}

// Pause lets no order go until then, for instance when the authority has
// refused one with a Retry-After, or does not answer. A later pause
// replaces it.
func (q *Queue) Pause(until time.Time) { q.paused = until }

// Next takes at most the given number of orders out of the queue, for which the
// budget is taken, and says when to come again; zero if the queue is empty. An error
// is the ledger's; what was taken till then is returned with it.
func (q *Queue) Next(ctx context.Context, now time.Time, most int) (orders []Order, wake time.Time, err error) {
	if now.Before(q.paused) {
		return nil, q.paused, nil
	}
	q.sort(now)
	for _, lane := range q.lanes {
		for lane.Len() > 0 && !now.Before(lane.until) && len(orders) < most {
			item, _ := heap.Pop(&lane.items).(Item)
			err := q.budget.Order(ctx, item.Order)
			wait, ok := errors.AsType[*WaitError](err)
			switch {
			case err == nil:
				orders = append(orders, item.Order)
			case !ok:
				heap.Push(&lane.items, item)
				return orders, now, err
			case wait.Limit == LimitOrders || wait.Limit == LimitRequests:
				heap.Push(&lane.items, item)
				lane.until = now.Add(wait.Wait)
			default:
				item.Due = now.Add(wait.Wait)
				heap.Push(&q.later, item)
			}
		}
	}
	return orders, q.wake(now), nil
}

// sort moves what has become due into its lane, and what has become urgent to
// the front.
func (q *Queue) sort(now time.Time) {
	for q.later.Len() > 0 && !q.later.list[0].Due.After(now) {
		item, _ := heap.Pop(&q.later).(Item)
		q.lane(item, now)
	}
	for _, lane := range slices.Clone(q.lanes) {
		for lane.class == Renewal && lane.Len() > 0 && isUrgent(lane.list[0], now) {
			item, _ := heap.Pop(&lane.items).(Item)
			q.lane(item, now)
		}
	}
}

func isUrgent(item Item, now time.Time) bool {
	return !item.Lapse.IsZero() && item.Lapse.Sub(now) < urgent
}

// lane puts the item into its lane.
func (q *Queue) lane(item Item, now time.Time) {
	if isUrgent(item, now) {
		item.Order.Class = Waiting
	}
	o := item.Order
	key := laneKey{o.Class, o.Renews || o.Repeats, o.Account}
	at, found := slices.BinarySearchFunc(q.lanes, key, func(l *lane, key laneKey) int {
		return cmp.Or(cmp.Compare(l.class, key.class), boolCompare(l.exempt, key.exempt), cmp.Compare(l.account, key.account))
	})
	if !found {
		q.lanes = slices.Insert(q.lanes, at, &lane{laneKey: key, items: items{less: byLapse}})
	}
	heap.Push(&q.lanes[at].items, item)
}

// wake is when there may be something to send.
func (q *Queue) wake(now time.Time) (at time.Time) {
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if q.later.Len() > 0 {
		sooner(q.later.list[0].Due)
	}
	q.lanes = slices.DeleteFunc(q.lanes, func(l *lane) bool { return l.Len() == 0 && !now.Before(l.until) })
	for _, lane := range q.lanes {
		if lane.Len() == 0 {
			continue
		}
		if now.Before(lane.until) {
			sooner(lane.until)
		} else {
			sooner(now)
		}
	}
	return at
}

// boolCompare sorts true first.
func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// items is a heap.
type items struct {
	less func(a, b Item) bool
	list []Item
}

func byDue(a, b Item) bool { return a.Due.Before(b.Due) }

// byLapse puts what lapses first, by when it does, and then what has no
// certificate yet, as it came.
func byLapse(a, b Item) bool {
	switch {
	case a.Lapse.IsZero() != b.Lapse.IsZero():
		return b.Lapse.IsZero()
	case !a.Lapse.Equal(b.Lapse):
		return a.Lapse.Before(b.Lapse)
	default:
		return a.since.Before(b.since)
	}
}

// Len implements [heap.Interface].
func (i *items) Len() int { return len(i.list) }

// Less implements [heap.Interface].
func (i *items) Less(a, b int) bool { return i.less(i.list[a], i.list[b]) }

// Swap implements [heap.Interface].
func (i *items) Swap(a, b int) { i.list[a], i.list[b] = i.list[b], i.list[a] }

// Push implements [heap.Interface].
func (i *items) Push(x any) {
	item, _ := x.(Item)
	i.list = append(i.list, item)
}

// Pop implements [heap.Interface].
func (i *items) Pop() any {
	last := len(i.list) - 1
	item := i.list[last]
	i.list[last] = Item{}
	i.list = i.list[:last]
	return item
}
