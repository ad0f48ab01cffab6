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
	oneClass bool // without a backlog: whoever came first goes first
	unsure   bool // what was ordered and not answered may have been issued
	maxPeak  int  // orders in an hour that are too many
	maxWait  time.Duration
	minSpare time.Duration // life that is left at least when a certificate is renewed
}

// site is one domain and what is known of it.
type site struct {
	name, zone string
	imported   bool
	came       time.Time
	misledTill time.Time // its DNS is wrong
	cert       int
	from       time.Time
	until      time.Time
	failures   int
	generation int // of the plan to renew it
	ordered    bool
	node       *node
	house      *house // who has issued its certificate
	place      *place // in a line
}

// node is one of ours, with room for so many orders at once. All nodes share what
// they have to do, and the ledger.
type node struct {
	free    int
	waiting []*site
	pauses  []pace.Pause // for each authority
}

// house is an authority and our account there.
type house struct {
	*authority

	account string
	budget  *pace.Budget
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
	waits         map[bool][]time.Duration // of who was imported, and who was not
	crowdWaits    []time.Duration
	misledHealed  int
	exempt, again int
	backlog       int // first certificates that became part of one
	turnedAway    int // questions for which there was no room
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
	nodes       []*node
	lines       map[string]*line
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
		byName: map[string]*site{}, lines: map[string]*line{},
		report: report{refused: map[string]int{}, waits: map[bool][]time.Duration{}, spare: s.life},
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
		w.houses = append(w.houses, &house{authority: a, account: fmt.Sprint("https://ca", i, ".example/account/1"), budget: budget})
	}
	for range w.s.nodes {
		w.nodes = append(w.nodes, &node{free: 32, pauses: make([]pace.Pause, len(w.houses))})
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
	s := &site{name: fmt.Sprint("h", n, ".", zone), zone: zone, node: w.nodes[n%len(w.nodes)]}
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
		s.house = w.houses[0]
		s.cert = s.house.issue(begin().Add(-age), []string{s.name})
		w.holds(s)
	}
	for range w.s.imported {
		s := w.site("")
		s.imported = true
		w.comes(s, begin())
	}
	for range w.s.crowdComing {
		w.comes(w.site("crowd.example"), begin().Add(3*day))
	}
	for range w.s.coming {
		at := begin().Add(time.Duration(w.random.IntN(w.s.days)) * day)
		if w.random.IntN(5) > 0 {
			at = at.Add(8*time.Hour + time.Duration(w.random.Int64N(int64(10*time.Hour))))
		} else {
			at = at.Add(time.Duration(w.random.Int64N(int64(day))))
		}
		w.comes(w.site(""), at)
	}
}

// mislead has the DNS of 2 % be wrong, for up to three days.
func (w *world) mislead(s *site) {
	if w.random.IntN(50) == 0 {
		s.misledTill = w.now.Add(time.Duration(w.random.Int64N(int64(min(3*day, w.s.life/6)))))
	}
}

// comes lets a domain come that has no certificate.
func (w *world) comes(s *site, at time.Time) {
	s.came = at
	w.at(at, func() {
		w.mislead(s)
		w.due(s)
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
			w.due(s)
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

// served notes a certificate that was got.
func (w *world) served(s *site, by *house, number int) {
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
	}
	s.failures, s.ordered, s.cert, s.house = 0, false, number, by
	w.holds(s)
}

func (w *world) firstServed(s *site) {
	wait := w.now.Sub(s.came)
	switch {
	case s.zone == "crowd.example":
		w.report.crowdWaits = append(w.report.crowdWaits, wait)
	case s.misledTill.IsZero():
		w.report.waits[s.imported] = append(w.report.waits[s.imported], wait)
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
	wait := at(r.waits[false], 0.99)
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
	for imported, who := range map[bool]string{false: "one by one", true: "all at once"} {
		w := r.waits[imported]
		fmt.Fprintf(&b, "first certificates, %s: %d, p50 %v, p95 %v, p99 %v, most %v\n", who, len(w), at(w, 0.5), at(w, 0.95), at(w, 0.99), at(w, 1))
	}
	fmt.Fprintf(&b, "crowded registered domain: %d new names, p50 %v, most %v; still waiting elsewhere %d", len(r.crowdWaits), at(r.crowdWaits, 0.5), at(r.crowdWaits, 1), r.unserved)
	fmt.Fprintf(&b, "; %d had to ask again, %d stood in a backlog", r.turnedAway, r.backlog)
	return b.String()
}
