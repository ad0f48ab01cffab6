package autotls

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/acmetest"
	"github.com/partywall/partywall/tenant/domain/autotls/pace"
)

// setback has a host ask for a certificate and get none.
func setback(t *testing.T, m *Manager, host string) *IssueError {
	t.Helper()
	err := m.Issue(t.Context(), host)
	failed, ok := errors.AsType[*IssueError](err)
	if !ok {
		t.Fatalf("%s: %v", host, err)
	}
	return failed
}

// TestTroubledCA: a CA in trouble is left alone, its trouble is nobody's fault,
// and what it has not issued is not spent.
func TestTroubledCA(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, nil)
	n.serve(t, m)
	var asked atomic.Int64
	var breaks atomic.Bool
	trouble := acmetest.Problem(http.StatusServiceUnavailable, "serverInternal")
	n.proxy.Instead(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if breaks.Load() {
			panic(http.ErrAbortHandler) // and with it the connection
		}
		trouble(w, r)
	})
	for i := range 8 { // of one name, four may be ordered in a week
		breaks.Store(i%3 > 0)
		before := asked.Load()
		failed := setback(t, m, "acme.example.test")
		left := failed.RetryAt.Sub(m.opts.Clock())
		if failed.Why != ReasonCAUnavailable || left < 30*time.Second || left > 11*time.Minute {
			t.Errorf("time %d: %v, again in %v", i, failed, left)
		}
		if asked.Load() == before {
			t.Errorf("time %d: not asked", i)
		}
		before = asked.Load()
		if failed := setback(t, m, fmt.Sprintf("other%d.example.test", i)); failed.Why != ReasonCAUnavailable || asked.Load() != before {
			t.Errorf("%v, and asked %d times more", failed, asked.Load()-before)
		}
		n.ahead.Add(int64(left + time.Second))
	}
	n.proxy.Instead(nil)
	for _, host := range []string{"acme.example.test", "other0.example.test"} {
		if err := m.Issue(t.Context(), host); err != nil {
			t.Errorf("after the trouble: %v", err)
		}
	}
}

// TestUnknownOutcome: a CA that breaks down when it was asked to issue may have
// issued, so that the order stays spent.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, nil)
	n.serve(t, m)
	n.proxy.Issuing(acmetest.Problem(http.StatusServiceUnavailable, "serverInternal"))
	for i := range 4 { // as many as may be ordered of one name in a week
		failed := setback(t, m, "acme.example.test")
		if failed.Why != ReasonCAUnavailable {
			t.Errorf("time %d: %v", i, failed)
		}
		n.ahead.Add(int64(failed.RetryAt.Sub(m.opts.Clock()) + time.Second))
	}
	n.proxy.Issuing(nil)
	if failed := setback(t, m, "acme.example.test"); failed.Why != ReasonRateLimited {
		t.Errorf("after the trouble: %v", failed)
	}
}

// TestLimitedByCA: a CA's own word on when to ask again is kept, for the host that
// it was said of.
func TestLimitedByCA(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, nil)
	n.serve(t, m)
	limited := acmetest.Problem(http.StatusTooManyRequests, "rateLimited")
	n.proxy.Instead(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7200")
		limited(w, r)
	})
	failed := setback(t, m, "acme.example.test")
	if left := failed.RetryAt.Sub(m.opts.Clock()); failed.Why != ReasonRateLimited || left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("%v, again in %v", failed, left)
	}
	n.proxy.Instead(nil)
	if err := m.Issue(t.Context(), "other.example.test"); err != nil {
		t.Errorf("another host: %v", err)
	}
	n.ahead.Add(int64(2*time.Hour + time.Second))
	if err := m.Issue(t.Context(), "acme.example.test"); err != nil {
		t.Errorf("two hours later: %v", err)
	}
}

// TestLine: those for whom there is no room come back in the order in which they
// came, what is too much for the bucket stands behind the others, and a place is
// kept until it is over.
func TestLine(t *testing.T) {
	t.Parallel()
	n := settle(t)
	limits := pace.LetsEncrypt()
	limits.Orders = pace.Rate{Burst: 4, Refill: time.Hour}
	m := n.node(t, func(o *Options) {
		o.Share = 1
		o.CAs = []CA{{Directory: n.proxy.Directory(), Roots: n.proxy.Server(), Profile: acmetest.Classic, Limits: &limits}}
	})
	n.serve(t, m)
	name := func(i int) string { return fmt.Sprintf("h%d.example.test", i) }
	for i := range 4 {
		if err := m.Issue(t.Context(), name(i)); err != nil {
			t.Fatal(err)
		}
	}
	backlog := func(host string) (is bool) {
		if err := n.pool.QueryRow(t.Context(), `SELECT backlog FROM partywall_tls.rest WHERE host = $1`, host).Scan(&is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	wants := func(i int, ahead int, behind bool) {
		t.Helper()
		failed := setback(t, m, name(i))
		until := failed.wait.Until
		least, most := until.Add(time.Duration(ahead)*30*time.Minute), until.Add(time.Duration(ahead)*time.Hour)
		if at := failed.RetryAt; failed.Why != ReasonRateLimited || at.Before(least) || at.After(most) {
			t.Errorf("%s: %v, again after %v of %v to %v", name(i), failed, at.Sub(until), least.Sub(until), most.Sub(until))
		}
		if is := backlog(name(i)); is != behind {
			t.Errorf("%s: in the backlog: %v", name(i), is)
		}
	}
	for i := range 7 {
		wants(4+i, i, i > 4)
	}
	for _, i := range []int{6, 4, 10, 5} { // whose time has come
		if _, err := n.pool.Exec(t.Context(), `UPDATE partywall_tls.rest SET rests_until = now() WHERE host = $1`, name(i)); err != nil {
			t.Fatal(err)
		}
		m.rests.drop(name(i))
		wants(i, i-4, i > 8)
	}
	if _, err := n.pool.Exec(t.Context(), `DELETE FROM partywall_tls.bucket`); err != nil { // time has passed
		t.Fatal(err)
	}
	n.ahead.Add(int64(24 * time.Hour))
	for _, i := range []int{5, 4} {
		if err := m.Issue(t.Context(), name(i)); err != nil {
			t.Errorf("an order that somebody waits for: %v", err)
		}
	}
	if err := m.Issue(t.Context(), name(10)); err == nil {
		t.Error("an order of a backlog took from the reserve")
	}
	if err := m.Issue(t.Context(), name(6)); err != nil {
		t.Errorf("an order that somebody waits for: %v", err)
	}
}
