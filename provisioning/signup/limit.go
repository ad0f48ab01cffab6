package signup

import (
	"hash/maphash"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/partywall/partywall/provisioning"
)

// buckets is how many clients have a limit to themselves. They are told apart by
// a hash, so that memory is the same for any number of them, a megabyte, and nobody can
// come with so many addresses that the earlier ones are forgotten. Two clients
// share a limit now and then.
const buckets = 8192

// limits bounds how often clients may ask.
type limits struct {
	seed    maphash.Seed
	total   *rate.Limiter
	clients []*rate.Limiter
}

func newLimits(o *Options) *limits {
	l := &limits{
		seed: maphash.MakeSeed(), total: rate.NewLimiter(rate.Every(o.TotalEvery), o.TotalBurst),
		clients: make([]*rate.Limiter, buckets),
	}
	for i := range l.clients {
		l.clients[i] = rate.NewLimiter(rate.Every(o.Every), o.Burst)
	}
	return l
}

// wait is how long a client has to wait before it may ask, 0 if it may now. Who
// is over its own limit takes nothing from the others.
func (l *limits) wait(client string) time.Duration {
	if wait := waitFor(l.clients[maphash.String(l.seed, client)%buckets]); wait > 0 {
		return wait
	}
	return waitFor(l.total)
}

func waitFor(l *rate.Limiter) time.Duration {
	if l.Allow() { // who may not takes nothing
		return 0
	}
	missing := (1 - l.Tokens()) / float64(l.Limit())
	return max(time.Duration(missing*float64(time.Second)), time.Millisecond)
}

// address is what [Options.Client] is by default.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	at = at.Unmap().WithZone("")
	if at.Is6() { // whoever has one address of a network usually has them all
		network, _ := at.Prefix(64) // of 128 bits
		return network.String()
	}
	return at.String()
}

// followers counts those who follow operations.
type followers struct {
	most, each int

	mu    sync.Mutex
	total int
	of    map[provisioning.ID]int
}

// join counts one more, unless there are too many.
func (f *followers) join(id provisioning.ID) (leave func(), ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total >= f.most || f.of[id] >= f.each {
		return nil, false
	}
	if f.of == nil {
		f.of = map[provisioning.ID]int{}
	}
	f.total++
	f.of[id]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.total--
		if f.of[id]--; f.of[id] == 0 {
			delete(f.of, id)
		}
	}, true
}
