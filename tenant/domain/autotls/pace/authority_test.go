package pace_test

import (
	"slices"
	"strings"
	"time"
)

// authority is a certificate authority that keeps Let's Encrypt's limits as its
// page describes them. It shares no code with the package and believes nothing
// that a client says of itself: whether an order renews, it looks up.
type authority struct {
	life    time.Duration
	buckets map[string]*bucket
	issued  map[string]bool // sets of names
	certs   map[int]cert
	row     map[string]bucket // failures in a row, per name and account
	down    [2]time.Time
	refused map[string]int // limits that it had to enforce

	perHour map[int64]int // all orders
	counted []time.Time   // the orders that count against the account
	in3h    int           // the most of them in three hours
	exempt  int
}

type cert struct {
	names             []string
	notBefore, before time.Time
	replaced          bool
}

// bucket counts tokens as they are, unlike the package.
type bucket struct {
	tokens, size float64
	at           time.Time
}

func newAuthority(life time.Duration) *authority {
	return &authority{
		life: life, buckets: map[string]*bucket{}, issued: map[string]bool{}, certs: map[int]cert{},
		row: map[string]bucket{}, refused: map[string]int{}, perHour: map[int64]int{},
	}
}

// answer is what an order comes to.
type answer int

const (
	issued answer = iota
	invalid
	limited
	replacedAlready
	unavailable
)

// left is how many tokens there are at a time.
func (b *bucket) left(now time.Time, every time.Duration) float64 {
	b.tokens = min(b.size, b.tokens+float64(now.Sub(b.at))/float64(every))
	b.at = now
	return b.tokens
}

type charge struct {
	limit string
	key   string
	size  float64
	every time.Duration
	spend float64
}

// order is a request for a certificate that arrives now. wellPointed says which
// names the authority can validate. replaces is zero, or a certificate's number,
// of which it may believe by mistake that it was replaced.
func (a *authority) order(
	now time.Time, account string, names []string, domain func(string) string, replaces int, wellPointed, mistaken bool,
) (answer, int) {
	if !now.Before(a.down[0]) && now.Before(a.down[1]) {
		return unavailable, 0
	}
	a.perHour[now.Unix()/3600]++
	if !a.pay(now, []charge{{"requests", "requests", 10, time.Second / 20, 1}}) {
		return limited, 0
	}
	if replaces != 0 {
		old := a.certs[replaces]
		if old.replaced || mistaken {
			return replacedAlready, 0
		}
		if !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(old.names, name) }) {
			return limited, 0
		}
		a.exempt++
	} else if !a.pay(now, a.charges(account, names, domain)) {
		return limited, 0
	}
	if !wellPointed {
		a.fail(now, account, names)
		return invalid, 0
	}
	set := strings.Join(names, " ")
	if replaces != 0 {
		old := a.certs[replaces]
		old.replaced = true
		a.certs[replaces] = old
	} else if !a.issued[set] {
		a.spend(now, a.ofDomains(names, domain))
	}
	a.spend(now, []charge{ofSet(set)})
	for _, name := range names {
		delete(a.row, name+" "+account)
	}
	return issued, a.issue(now, names)
}

// issue makes a certificate.
func (a *authority) issue(now time.Time, names []string) int {
	number := len(a.certs) + 1
	a.certs[number] = cert{names: names, notBefore: now, before: now.Add(a.life)}
	a.issued[strings.Join(names, " ")] = true
	return number
}

const week = 7 * 24 * time.Hour

// charges are what an order that is not exempt by ARI is measured by. What has no
// spend is spent on issuance, or on failure.
func (a *authority) charges(account string, names []string, domain func(string) string) []charge {
	set := strings.Join(names, " ")
	charges := []charge{ofSet(set)}
	for _, name := range names {
		charges = append(charges, charge{"failures", name + " " + account, 5, 12 * time.Minute, 0})
	}
	if a.issued[set] {
		return charges
	}
	charges = append(charges, charge{"new-orders", account, 300, 36 * time.Second, 1})
	return append(charges, a.ofDomains(names, domain)...)
}

func ofSet(set string) charge { return charge{"exact-set", set, 5, week / 5, 0} }

func (a *authority) ofDomains(names []string, domain func(string) string) (charges []charge) {
	domains := map[string]bool{}
	for _, name := range names {
		if d := domain(name); !domains[d] {
			domains[d] = true
			charges = append(charges, charge{"new-certificates", d, 50, week / 50, 0})
		}
	}
	return charges
}

// spend takes one token of each, as far as there is one.
func (a *authority) spend(now time.Time, charges []charge) {
	for _, c := range charges {
		b := a.bucket(now, c)
		b.tokens = max(0, b.left(now, c.every)-1)
	}
}

// pay measures all charges and takes what they spend, or counts a refusal.
func (a *authority) pay(now time.Time, charges []charge) bool {
	ok := true
	for _, c := range charges {
		if a.bucket(now, c).left(now, c.every) < 1-1e-6 {
			a.refused[c.limit]++
			ok = false
		}
	}
	if !ok {
		return false
	}
	for _, c := range charges {
		a.bucket(now, c).tokens -= c.spend
		if c.limit == "new-orders" {
			a.count(now)
		}
	}
	return true
}

func (a *authority) bucket(now time.Time, c charge) *bucket {
	key := c.limit + " " + c.key
	b := a.buckets[key]
	if b == nil {
		b = &bucket{tokens: c.size, size: c.size, at: now}
		a.buckets[key] = b
	}
	return b
}

// count keeps the times of the orders of the last three hours.
func (a *authority) count(now time.Time) {
	a.counted = append(a.counted, now)
	for a.counted[0].Before(now.Add(-3 * time.Hour)) {
		a.counted = a.counted[1:]
	}
	a.in3h = max(a.in3h, len(a.counted))
}

// fail counts failed authorizations, the last hour's and those in a row.
func (a *authority) fail(now time.Time, account string, names []string) {
	for _, name := range names {
		key := name + " " + account
		a.spend(now, []charge{{"failures", key, 5, 12 * time.Minute, 0}})
		row, ok := a.row[key]
		if !ok {
			row = bucket{tokens: 1152, size: 1152, at: now}
		}
		if row.left(now, 24*time.Hour) < 1 {
			a.refused["consecutive-failures"]++
		}
		row.tokens--
		a.row[key] = row
	}
}
