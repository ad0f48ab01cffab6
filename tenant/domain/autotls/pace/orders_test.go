package pace_test

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// What autotls does with an order, in the simulation: one after the other asks
// each authority, as far as there is room; what comes to nothing is tried again
// when package pace says so.

// attempt is an order under way: the slot of a node.
type attempt struct {
	*site

	began   time.Time
	at      int             // the authority whose turn it is
	refused bool            // by one at least, for a reason of the order's own
	wait    *pace.WaitError // the one that is over first
	pause   time.Time       // of the authority that is asked again first
}

// place is where a site stands in a line.
type place struct {
	key     string
	backlog bool
	since   time.Time
	number  int
}

func (p *place) before(o *place) int {
	if p.backlog != o.backlog {
		if o.backlog {
			return -1
		}
		return 1
	}
	return cmp.Or(p.since.Compare(o.since), cmp.Compare(p.number, o.number))
}

// line are those who wait for one bucket.
type line struct{ places []*place }

func (l *line) find(p *place) int {
	at, _ := slices.BinarySearchFunc(l.places, p, (*place).before)
	return at
}

// due begins an attempt as soon as the node has room.
func (w *world) due(s *site) {
	s.ordered = true
	if s.node.free == 0 {
		s.node.waiting = append(s.node.waiting, s)
		return
	}
	s.node.free--
	// What the database takes to say that nobody else is at it.
	w.at(w.now.Add(time.Duration(5+w.random.IntN(20))*time.Millisecond), func() { w.ask(&attempt{site: s, began: w.now}) })
}

// over frees the slot.
func (w *world) over(a *attempt) {
	n := a.node
	n.free++
	if len(n.waiting) > 0 {
		next := n.waiting[0]
		n.waiting = n.waiting[1:]
		w.due(next)
	}
}

// cost is what an order costs at an authority.
func (w *world) cost(a *attempt, h *house) pace.Order {
	o := pace.Order{Account: h.account, Hosts: []string{a.name}}
	switch {
	case a.cert != 0:
		o.Class = pace.Renewing(a.until.Sub(w.now), a.until.Sub(a.from))
	case a.place != nil && a.place.backlog:
		o.Class = pace.Backlog
	}
	o.Renews = a.cert != 0 && a.house == h
	o.Repeats = o.Renews
	return o
}

// shortWait is as in autotls.
const shortWait = 5 * time.Second

// ask asks the authority whose turn it is.
func (w *world) ask(a *attempt) {
	if a.at == len(w.houses) {
		w.failed(a)
		return
	}
	h := w.houses[a.at]
	if until, paused := a.node.pauses[a.at].Until(w.now); paused {
		if a.pause.IsZero() || until.Before(a.pause) {
			a.pause = until
		}
		w.next(a)
		return
	}
	cost := w.cost(a, h)
	err := h.budget.Order(w.t.Context(), cost)
	if wait, ok := errors.AsType[*pace.WaitError](err); ok {
		if wait.Until.Sub(a.began) <= shortWait {
			w.at(wait.Until, func() { w.ask(a) })
			return
		}
		if a.wait == nil || wait.Until.Before(a.wait.Until) {
			a.wait = wait
		}
		w.next(a)
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.at(w.now.Add(20*time.Millisecond+time.Duration(w.random.Int64N(int64(80*time.Millisecond)))), func() { w.arrive(a, h, cost) })
}

func (w *world) next(a *attempt) {
	a.at++
	w.ask(a)
}

// arrive has the authority answer, some seconds later. acmez orders at once without
// the certificate that an order replaces where the authority believes that it was
// replaced before.
func (w *world) arrive(a *attempt, h *house, cost pace.Order) {
	replaces := 0
	if cost.Renews {
		replaces = a.cert
	}
	pointed := !w.now.Before(a.misledTill)
	got, number := h.order(w.now, cost.Account, cost.Hosts, w.zone, replaces, pointed, cost.Renews && w.random.IntN(50) == 0)
	if got == replacedAlready {
		w.report.again++
		got, number = h.order(w.now, cost.Account, cost.Hosts, w.zone, 0, pointed, false)
	}
	w.report.orders++
	w.at(w.now.Add(3*time.Second+time.Duration(w.random.Int64N(int64(9*time.Second)))), func() { w.answered(a, h, cost, got, number) })
}

// answered does what autotls does with an answer.
func (w *world) answered(a *attempt, h *house, cost pace.Order, got answer, number int) {
	pause := &a.node.pauses[a.at]
	if got == unavailable {
		for range 3 { // as often acmez tries
			pause.Trouble(w.now, 0)
		}
		a.pause, _ = pause.Until(w.now)
		if !w.s.unsure {
			if err := h.budget.Unissued(w.t.Context(), cost); err != nil {
				w.t.Fatal(err)
			}
		}
		w.next(a)
		return
	}
	pause.Answered()
	err := error(nil)
	switch got {
	case issued:
		err = h.budget.Succeeded(w.t.Context(), h.account, a.name)
		w.leave(a.site)
		w.served(a.site, h, number)
		w.over(a)
	case invalid:
		a.refused = true
		err = errors.Join(h.budget.Unissued(w.t.Context(), cost), h.budget.Failed(w.t.Context(), h.account, a.name))
		w.next(a)
	case limited, replacedAlready, unavailable:
		a.refused = true
		err = h.budget.Unissued(w.t.Context(), cost)
		w.next(a)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// failed plans the next attempt after one that came to nothing.
func (w *world) failed(a *attempt) {
	var again time.Time
	switch {
	case a.refused:
		w.leave(a.site)
		a.failures++
		again = pace.RetryAt(w.now, a.failures, a.until, a.name)
	case a.wait != nil && (a.pause.IsZero() || a.wait.Until.Before(a.pause)):
		again = w.lineUp(a.site, a.wait)
	default:
		again = a.pause
	}
	w.at(again, func() { w.due(a.site) })
	w.over(a)
}

// lineUp gives a site its place in the line of a bucket, and says when it asks
// again.
func (w *world) lineUp(s *site, wait *pace.WaitError) time.Time {
	l := w.lines[wait.Key]
	if l == nil {
		l = &line{}
		w.lines[wait.Key] = l
	}
	p := s.place
	w.leave(s)
	if s.place = p; p == nil {
		w.planned++
		s.place = &place{since: w.now, number: w.planned}
		if s.place.backlog = s.cert == 0 && !w.s.oneClass && wait.Crowded(l.find(s.place)); s.place.backlog {
			w.report.backlog++
		}
	}
	s.place.key = wait.Key
	l.places = slices.Insert(l.places, l.find(s.place), s.place)
	w.report.turnedAway++
	return wait.Again(l.find(s.place), s.name)
}

// leave takes a site out of its line.
func (w *world) leave(s *site) {
	if s.place == nil {
		return
	}
	l := w.lines[s.place.key]
	at := l.find(s.place)
	l.places = slices.Delete(l.places, at, at+1)
	s.place = nil
}
