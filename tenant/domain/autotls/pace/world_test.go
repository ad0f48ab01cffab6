package pace_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

const day = 24 * time.Hour

// scenario is a platform and its days.
type scenario struct {
	days        int
	life        time.Duration // of a certificate
	authorities int           // that share the domains
	nodes       int           // that share the orders of each
	standing    int           // domains that have a certificate on day 0
	atOnce      int           // of them, were issued in the hour before day 0
	imported    int           // domains that come on day 0
	coming      int           // domains that come one by one, mostly in working hours
	crowd       int           // of those that stand, have one registered domain
	crowdComing int           // domains that come on day 3 under the same one

	outage   int // day on which the authorities are down for 6 hours
	recall   int // day on which they want 10 % of certificates renewed within 24 hours
	renewAt  func(notBefore, notAfter time.Time, w *pace.Window, seed string) time.Time
	unpaced  bool // without a budget
	oneClass bool // whoever waits goes last, like what is imported
	maxPeak  int  // orders in an hour that are too many
	maxWait  time.Duration
	minSpare time.Duration // life that is left at least when a certificate is renewed
}

// site is one domain and what is known of it.
type site struct {
	name, zone string
	class      pace.Class
	came       time.Time
	misledTill time.Time // its DNS is wrong
	cert       int
	from       time.Time
	until      time.Time
	failures   int
	generation int // of the plan to renew it
	ordered    bool
	repeats    bool
	house      *house
}

// house is one of our nodes with what it orders from one authority. All nodes share
// a ledger, and what they order.
type house struct {
	*authority

	account string
	budget  *pace.Budget
	queue   *pace.Queue
	free    int // workers
	wakes   time.Time
	trouble int // times in a row that it did not answer
}

// report is what came of it.
type report struct {
	refused       map[string]int
	lapsed        int
	close         int // at the end, renewals that are late
	orders        int
	peak          int // orders in an hour
	in3h          int // orders in 3 hours that count, of one account
	unserved      int // domains that wait for a first certificate at the end
	spare         time.Duration
	waits         map[pace.Class][]time.Duration
	crowdWaits    []time.Duration
	misledHealed  int
	exempt, again int
}

// world is a heap of events.
type world struct {
	t           *testing.T
	s           scenario
	random      *rand.Rand
	now         time.Time
	end         time.Time
	events      events
	planned     int
	authorities []*authority
	houses      []*house
	sites       []*site
	byName      map[string]*site
	report      report
}

type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(a, b int) bool {
	if !e[a].at.Equal(e[b].at) {
		return e[a].at.Before(e[b].at)
	}
	return e[a].order < e[b].order
}
func (e events) Swap(a, b int) { e[a], e[b] = e[b], e[a] }
func (e *events) Push(x any) {
	next, _ := x.(event)
	*e = append(*e, next)
}
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// begin is day 0.
func begin() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

// simulate lets the days of a scenario pass.
func simulate(t *testing.T, s scenario) report {
	w := &world{
		t: t, s: s, random: rand.New(rand.NewPCG(7, 45)), now: begin(), end: begin().Add(time.Duration(s.days) * day),
		byName: map[string]*site{},
		report: report{refused: map[string]int{}, waits: map[pace.Class][]time.Duration{}, spare: s.life},
	}
	w.open()
	w.populate()
	w.at(begin().Add(time.Duration(s.recall)*day), w.recall)
	for w.events.Len() > 0 {
		e, _ := heap.Pop(&w.events).(event)
		if e.at.After(w.end) {
			break
		}
		w.now = e.at
		e.do()
	}
	w.now = w.end
	w.close()
	return w.report
}

func (w *world) at(when time.Time, do func()) {
	if when.Before(w.now) {
		when = w.now
	}
	w.planned++
	heap.Push(&w.events, event{when, w.planned, do})
}

// open makes the authorities.
func (w *world) open() {
	outage := begin().Add(time.Duration(w.s.outage)*day + 9*time.Hour)
	ledger := pace.NewMemoryLedger(func() time.Time { return w.now })
	for i := range w.s.authorities {
		a := newAuthority(w.s.life)
		a.down = [2]time.Time{outage, outage.Add(6 * time.Hour)}
		options := &pace.Options{Authority: fmt.Sprint("ca", i), Registrable: func(host string) (string, error) { return w.zone(host), nil }}
		if w.s.unpaced {
			options.Limits = &pace.Limits{}
		}
		budget, err := pace.New(ledger, options)
		if err != nil {
			w.t.Fatal(err)
		}
		w.authorities = append(w.authorities, a)
		for range w.s.nodes {
			w.houses = append(w.houses, &house{
				authority: a, account: fmt.Sprint("https://ca", i, ".example/account/1"),
				budget: budget, queue: pace.NewQueue(budget), free: 32,
			})
		}
	}
}

func (w *world) zone(host string) string { return w.byName[host].zone }

// site makes a domain. A fifth of all share their registered domain with three more.
func (w *world) site(zone string) *site {
	n := len(w.sites)
	if zone == "" {
		zone = fmt.Sprint("customer", n, ".example")
		if n%5 == 0 {
			zone = fmt.Sprint("family", n/20, ".example")
		}
	}
	s := &site{name: fmt.Sprint("h", n, ".", zone), zone: zone, house: w.houses[n%len(w.houses)]}
	w.sites = append(w.sites, s)
	w.byName[s.name] = s
	return s
}

// populate makes the domains, those that have certificates and those that come.
func (w *world) populate() {
	for i := range w.s.standing {
		zone := ""
		if i < w.s.crowd {
			zone = "crowd.example"
		}
		s := w.site(zone)
		age := time.Duration(w.random.Int64N(int64(w.s.life / 2)))
		if i >= w.s.standing-w.s.atOnce {
			age = time.Duration(w.random.Int64N(int64(time.Hour)))
		}
		s.cert = s.house.issue(begin().Add(-age), []string{s.name})
		w.holds(s)
	}
	for range w.s.imported {
		w.comes(w.site(""), pace.Import, begin())
	}
	for range w.s.crowdComing {
		w.comes(w.site("crowd.example"), pace.Waiting, begin().Add(3*day))
	}
	for range w.s.coming {
		at := begin().Add(time.Duration(w.random.IntN(w.s.days)) * day)
		if w.random.IntN(5) > 0 {
			at = at.Add(8*time.Hour + time.Duration(w.random.Int64N(int64(10*time.Hour))))
		} else {
			at = at.Add(time.Duration(w.random.Int64N(int64(day))))
		}
		w.comes(w.site(""), pace.Waiting, at)
	}
}

// mislead has the DNS of 2 % be wrong, for up to three days.
func (w *world) mislead(s *site) {
	if w.random.IntN(50) == 0 {
		s.misledTill = w.now.Add(time.Duration(w.random.Int64N(int64(min(3*day, w.s.life/6)))))
	}
}

// comes lets a domain come that has no certificate.
func (w *world) comes(s *site, class pace.Class, at time.Time) {
	s.class, s.came = class, at
	w.at(at, func() {
		w.mislead(s)
		w.queue(s, w.now)
	})
}

// holds plans the renewal of a certificate. Of one in ten the authority's window
// could not be read.
func (w *world) holds(s *site) {
	c := s.house.certs[s.cert]
	s.from, s.until = c.notBefore, c.before
	var window *pace.Window
	if w.random.IntN(10) > 0 {
		centre := c.notBefore.Add(w.s.life / 3 * 2)
		half := min(day, w.s.life/45)
		if w.s.life < 10*day {
			centre = c.notBefore.Add(w.s.life / 2)
		}
		window = &pace.Window{Start: centre.Add(-half), End: centre.Add(half)}
	}
	w.plan(s, window)
}

func (w *world) plan(s *site, window *pace.Window) {
	s.generation++
	generation := s.generation
	w.at(w.s.renewAt(s.from, s.until, window, s.name), func() {
		if s.generation == generation && !s.ordered {
			w.mislead(s)
			w.queue(s, w.now)
		}
	})
}

// recall has the authorities ask for a tenth of the certificates to be renewed
// within a day. We look once in six hours.
func (w *world) recall() {
	window := &pace.Window{Start: w.now, End: w.now.Add(day)}
	for _, s := range w.sites {
		if s.cert == 0 || w.random.IntN(10) > 0 {
			continue
		}
		w.at(w.now.Add(time.Duration(w.random.Int64N(int64(6*time.Hour)))), func() {
			if !s.ordered {
				w.plan(s, window)
			}
		})
	}
}

// queue hands an order to its authority's queue.
func (w *world) queue(s *site, due time.Time) {
	s.ordered = true
	o := pace.Order{Account: s.house.account, Hosts: []string{s.name}, Class: s.class}
	if s.cert != 0 {
		o.Class, o.Renews, o.Repeats = pace.Renewal, !s.repeats, s.repeats
	}
	if w.s.oneClass {
		o.Class = pace.Import
	}
	if err := s.house.queue.Add(pace.Item{Order: o, Due: due, Lapse: s.until}); err != nil {
		w.t.Fatal(err)
	}
	w.wake(s.house, due)
}

// wake has the house work at a time, or before.
func (w *world) wake(h *house, at time.Time) {
	if !h.wakes.IsZero() && !at.Before(h.wakes) {
		return
	}
	if at.Before(w.now) {
		at = w.now
	}
	h.wakes = at
	w.at(at, func() {
		if h.wakes.Equal(at) {
			h.wakes = time.Time{}
			w.work(h)
		}
	})
}

// work sends what may be sent, as far as workers are free.
func (w *world) work(h *house) {
	if h.free == 0 {
		return
	}
	orders, next, err := h.queue.Next(w.t.Context(), w.now, h.free)
	if err != nil {
		w.t.Fatal(err)
	}
	h.free -= len(orders)
	for _, o := range orders {
		latency := 20*time.Millisecond + time.Duration(w.random.Int64N(int64(80*time.Millisecond)))
		w.at(w.now.Add(latency), func() { w.arrive(h, o) })
	}
	if !next.IsZero() && h.free > 0 {
		w.wake(h, next)
	}
}

// arrive has the authority answer, some seconds later.
func (w *world) arrive(h *house, o pace.Order) {
	s := w.byName[o.Hosts[0]]
	replaces := 0
	if o.Renews {
		replaces = s.cert
	}
	var got answer
	var number int
	if o.Renews && w.random.IntN(50) == 0 {
		got = replacedAlready // it believes so, by mistake
	} else {
		got, number = h.order(w.now, o.Account, o.Hosts, w.zone, replaces, !w.now.Before(s.misledTill))
	}
	w.report.orders++
	w.at(w.now.Add(3*time.Second+time.Duration(w.random.Int64N(int64(9*time.Second)))), func() {
		h.free++
		w.answered(s, o, got, number)
		w.wake(h, w.now)
	})
}

// answered does what autotls does with an answer.
func (w *world) answered(s *site, o pace.Order, got answer, number int) {
	h := s.house
	if got != issued {
		if err := h.budget.Unissued(w.t.Context(), o); err != nil {
			w.t.Fatal(err)
		}
	}
	if got != unavailable {
		h.trouble = 0
	}
	switch got {
	case issued:
		w.served(s, number)
	case invalid:
		s.failures++
		if err := h.budget.Failed(w.t.Context(), h.account, s.name); err != nil {
			w.t.Fatal(err)
		}
		w.queue(s, pace.RetryAt(w.now, s.failures, s.until, s.name))
	case replacedAlready:
		s.repeats = true
		w.report.again++
		w.queue(s, w.now)
	case limited:
		w.queue(s, w.now.Add(6*time.Hour))
	case unavailable:
		h.trouble++
		h.queue.Pause(w.now.Add(min(10*time.Minute, time.Minute<<min(h.trouble, 5))))
		w.queue(s, w.now)
	}
}

// served notes a certificate that was got.
func (w *world) served(s *site, number int) {
	if s.cert == 0 {
		w.firstServed(s)
	} else {
		if w.now.After(s.until) {
			w.report.lapsed++
		}
		w.report.spare = min(w.report.spare, s.until.Sub(w.now))
	}
	if s.failures > 0 {
		w.report.misledHealed++
		if err := s.house.budget.Succeeded(w.t.Context(), s.house.account, s.name); err != nil {
			w.t.Fatal(err)
		}
	}
	s.failures, s.repeats, s.ordered, s.cert = 0, false, false, number
	w.holds(s)
}

func (w *world) firstServed(s *site) {
	wait := w.now.Sub(s.came)
	switch {
	case s.zone == "crowd.example":
		w.report.crowdWaits = append(w.report.crowdWaits, wait)
	case s.misledTill.IsZero():
		w.report.waits[s.class] = append(w.report.waits[s.class], wait)
	}
}

// close counts what the end shows.
func (w *world) close() {
	r := &w.report
	hours := map[int64]int{}
	for _, h := range w.authorities {
		for limit, n := range h.refused {
			r.refused[limit] += n
		}
		for hour, n := range h.perHour {
			hours[hour] += n
		}
		r.in3h = max(r.in3h, h.in3h)
		r.exempt += h.exempt
	}
	for _, n := range hours {
		r.peak = max(r.peak, n)
	}
	for _, s := range w.sites {
		switch {
		case s.cert == 0 && s.misledTill.Before(w.end.Add(-day)) && s.came.Before(w.end.Add(-day)):
			r.unserved++
		case s.cert != 0 && s.until.Before(w.end):
			r.lapsed++
		case s.cert != 0 && s.until.Before(w.end.Add(w.s.minSpare)):
			r.close++
		}
	}
	for _, waits := range r.waits {
		slices.Sort(waits)
	}
	slices.Sort(r.crowdWaits)
}

// faults are what must not be.
func (r report) faults(s scenario) (faults []string) {
	fault := func(is bool, format string, args ...any) {
		if is {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(len(r.refused) > 0, "rate-limit errors: %v", r.refused)
	fault(r.lapsed > 0, "lapsed: %d", r.lapsed)
	fault(r.close > 0, "about to lapse: %d", r.close)
	fault(r.spare < s.minSpare, "spare: a certificate had %v left", r.spare)
	fault(r.unserved > 0, "unserved: %d", r.unserved)
	fault(r.peak > s.maxPeak, "peak: %d orders in an hour, of at most %d", r.peak, s.maxPeak)
	wait := at(r.waits[pace.Waiting], 0.99)
	fault(wait > s.maxWait, "wait: p99 of a first certificate is %v, of at most %v", wait, s.maxWait)
	return faults
}

// at is a quantile of sorted times.
func at(times []time.Duration, part float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[int(part*float64(len(times)-1))].Round(time.Second)
}

// String is the report for people.
func (r report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d orders, peak %d in an hour; most that count in 3 hours: %d, of 600 that the bucket could let through\n", r.orders, r.peak, r.in3h)
	fmt.Fprintf(&b, "rate-limit errors %v, lapsed %d, least life left at a renewal %v\n", r.refused, r.lapsed, r.spare.Round(time.Minute))
	fmt.Fprintf(&b, "%d orders exempt by ARI, %d ordered again without; %d recovered from wrong DNS\n", r.exempt, r.again, r.misledHealed)
	for _, class := range []pace.Class{pace.Waiting, pace.Import} {
		w := r.waits[class]
		fmt.Fprintf(&b, "first certificates, %v: %d, p50 %v, p95 %v, p99 %v, most %v\n", class, len(w), at(w, 0.5), at(w, 0.95), at(w, 0.99), at(w, 1))
	}
	fmt.Fprintf(&b, "crowded registered domain: %d new names, p50 %v, most %v; still waiting elsewhere %d", len(r.crowdWaits), at(r.crowdWaits, 0.5), at(r.crowdWaits, 1), r.unserved)
	return b.String()
}
