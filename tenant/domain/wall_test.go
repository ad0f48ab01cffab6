package domain_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/redirect"
)

// TestOneHostOneTenant lets two tenants prove one host at the same moment, many
// times over.
func TestOneHostOneTenant(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	if both := race(t, h); both > 0 {
		t.Errorf("%d hosts have two owners", both)
	}
}

// TestOneHostTwoTenants is the control: without the index two tenants have it.
func TestOneHostTwoTenants(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	if _, err := h.pool.Exec(t.Context(), `DROP INDEX partywall_domains.domain_owner`); err != nil {
		t.Fatal(err)
	}
	if both := race(t, h); both == 0 {
		t.Error("no host has two owners without the index: the test above proves nothing")
	}
}

// race returns how many of the hosts that two tenants prove at once are both
// theirs then.
func race(t *testing.T, h *house) (both int) {
	t.Helper()
	const rounds = 20
	for i := range rounds {
		host := strings.Repeat("a", i+1) + ".example"
		for _, slug := range []string{"acme", "globex"} {
			h.dns.prove(h.claim(t, slug, host, domain.MethodTXT))
		}
		due, err := h.Take(t.Context())
		if err != nil || len(due) < 2 {
			t.Fatalf("%d due: %v", len(due), err)
		}
		var done sync.WaitGroup
		for _, do := range due {
			done.Go(do)
		}
		done.Wait()
		var owners int
		err = h.pool.QueryRow(t.Context(), `SELECT count(*) FROM partywall_domains.domain WHERE host = $1 AND state NOT IN ('claimed', 'ended')`, host).Scan(&owners)
		if err != nil {
			t.Fatal(err)
		}
		if owners == 0 {
			t.Errorf("%s is nobody's", host)
		}
		if owners > 1 {
			both++
		}
	}
	return both
}

// TestDanglingRecord is the takeover: a tenant goes and forgets its record in
// DNS, and another one claims the host that leads here still.
func TestDanglingRecord(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	const host = "shop.acme.example"
	old := h.serve(t, "acme", host)
	if _, err := h.Release(t.Context(), h.who["acme"].ID, host); err != nil {
		t.Fatal(err)
	}
	h.settle(t)
	if _, err := h.Claim(t.Context(), h.who["globex"].ID, host, domain.MethodHTTP); !errors.Is(err, domain.ErrQuarantined) {
		t.Errorf("claimed by HTTP: %v", err)
	}
	d := h.claim(t, "globex", host, domain.MethodTXT)
	if _, err := h.Restart(t.Context(), h.who["globex"].ID, host, domain.MethodHTTP); !errors.Is(err, domain.ErrQuarantined) {
		t.Errorf("tried again by HTTP: %v", err)
	}
	if d.Target == old.Target || d.Token == old.Token {
		t.Error("the second tenant has the first one's target or token")
	}
	h.pass(t, time.Hour) // the old record and the old token are in DNS
	h.is(t, "globex", host, domain.Claimed, domain.ReasonWrongRecord)
	if h.owner(t, host) != "" {
		t.Errorf("%q is served under what acme has left behind", h.owner(t, host))
	}
	h.dns.prove(d) // whoever can do that has the zone
	h.pass(t, time.Hour)
	h.is(t, "globex", host, domain.Issuing, domain.ReasonNotPointed)
	h.is(t, "acme", host, domain.Ended, domain.ReasonFreed)
	h.dns.point(d)
	h.pass(t, time.Hour)
	if h.owner(t, host) != "globex" {
		t.Errorf("served for %q", h.owner(t, host))
	}
}

// TestHTTPClaimBecomesQuarantined claims by HTTP before the host is used and left
// by somebody else.
func TestHTTPClaimBecomesQuarantined(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	const host = "acme.example"
	d := h.claim(t, "globex", host, domain.MethodHTTP)
	h.serve(t, "acme", host)
	h.dns.set(func() { h.dns.txt["http://"+host] = []string{d.Token} })
	h.pass(t, time.Hour)
	h.is(t, "globex", host, domain.Claimed, domain.ReasonTaken)
	if _, err := h.Release(t.Context(), h.who["acme"].ID, host); err != nil {
		t.Fatal(err)
	}
	h.pass(t, 5*time.Hour)
	h.is(t, "globex", host, domain.Claimed, domain.ReasonTaken)
}

// TestTokens tries those of an earlier attempt and of another tenant.
func TestTokens(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	const host = "acme.example"
	first := h.claim(t, "acme", host, domain.MethodTXT)
	second, err := h.Restart(t.Context(), h.who["acme"].ID, host, domain.MethodTXT)
	if err != nil || second.Token == first.Token || second.Attempt != 2 {
		t.Fatalf("%+v %v", second, err)
	}
	theirs := h.claim(t, "globex", host, domain.MethodTXT)
	h.dns.prove(first)
	h.settle(t)
	h.is(t, "acme", host, domain.Claimed, domain.ReasonWrongRecord)
	h.dns.prove(second)
	h.pass(t, time.Hour)
	h.is(t, "globex", host, domain.Claimed, domain.ReasonWrongRecord)
	if h.owner(t, host) != "acme" {
		t.Errorf("served for %q", h.owner(t, host))
	}
	h.dns.prove(theirs) // both prove it: who has it keeps it
	h.pass(t, 5*time.Hour)
	h.is(t, "globex", host, domain.Claimed, domain.ReasonTaken)
	if h.owner(t, host) != "acme" {
		t.Errorf("served for %q", h.owner(t, host))
	}
}

// TestSoldDomain changes hands: the new owner's record is there, the old one's is
// not, and the host leads here all the time.
func TestSoldDomain(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	const host = "acme.example"
	old := h.serve(t, "acme", host)
	d := h.claim(t, "globex", host, domain.MethodTXT)
	h.dns.prove(d)
	h.pass(t, time.Hour)
	h.is(t, "globex", host, domain.Claimed, domain.ReasonTaken)
	h.dns.unprove(old)
	h.dns.point(d)
	for range 3 {
		h.pass(t, 5*time.Hour)
	}
	h.is(t, "acme", host, domain.Ended, domain.ReasonFreed)
	h.is(t, "globex", host, domain.Active, "")
	if h.owner(t, host) != "globex" || len(h.ca.revoked) != 1 {
		t.Errorf("served for %q, %d certificates revoked", h.owner(t, host), len(h.ca.revoked))
	}
}

// TestStaleWorker lets a worker finish after its lease is over and another one
// has looked.
func TestStaleWorker(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	d := h.claim(t, "acme", "acme.example", domain.MethodTXT)
	stale, err := h.Take(t.Context())
	if err != nil || len(stale) != 1 {
		t.Fatalf("%d due: %v", len(stale), err)
	}
	if n, err := h.LookOnce(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d looked at beside the one that has the lease: %v", n, err)
	}
	if _, err := h.pool.Exec(t.Context(), `UPDATE partywall_domains.domain SET lease_until = clock_timestamp() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	h.dns.prove(d)
	h.settle(t)
	before := h.get(t, "acme", "acme.example")
	h.dns.unprove(d)
	stale[0]()
	if after := h.get(t, "acme", "acme.example"); after.Version != before.Version || after.State != before.State {
		t.Errorf("a stale worker has made %s version %d of %s version %d", after.State, after.Version, before.State, before.Version)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	h := build(t, func(o *domain.Options) { o.MaxDomains, o.MaxClaims = 2, 1 })
	h.claim(t, "acme", "a.example", domain.MethodTXT)
	if _, err := h.Claim(t.Context(), h.who["globex"].ID, "a.example", domain.MethodTXT); !errors.Is(err, domain.ErrLimit) {
		t.Errorf("one claim of a host too many: %v", err)
	}
	if _, err := h.Claim(t.Context(), h.who["acme"].ID, "a.example", domain.MethodTXT); err == nil {
		t.Error("claimed twice")
	}
	var wait sync.WaitGroup
	for _, host := range []string{"b.example", "c.example", "d.example", "e.example"} {
		wait.Go(func() { _, _ = h.Claim(t.Context(), h.who["acme"].ID, host, domain.MethodTXT) })
	}
	wait.Wait()
	if all, err := h.Domains(t.Context(), h.who["acme"].ID); len(all) != 2 || err != nil {
		t.Errorf("%d claims at once, with room for 2: %v", len(all), err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	ctx, acme := t.Context(), h.who["acme"].ID
	h.serve(t, "acme", "acme.example")
	h.serve(t, "acme", "www.acme.example")
	if _, err := h.MakePrimary(ctx, acme, "www.acme.example"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetRedirects(ctx, acme, "acme.example", redirect.Rules{HTTPS: true, ToPrimary: true}); err != nil {
		t.Fatal(err)
	}
	loop, err := h.SetRedirects(ctx, acme, "www.acme.example", redirect.Rules{WWW: redirect.WWWDrop})
	if _, ok := errors.AsType[*redirect.LoopError](err); !ok {
		t.Errorf("www to apex and apex to www: %+v %v", loop, err)
	}
	if _, err := h.SetRedirects(ctx, acme, "acme.example", redirect.Rules{Paths: []redirect.PathRule{{From: "/a", To: "evil.example/a"}}}); err == nil {
		t.Error("a redirect to somebody else's host is saved")
	}
	if err := h.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	site, ok := h.Site("acme.example")
	if !ok || site.Primary != "www.acme.example" || !site.Rules.ToPrimary || len(site.Hosts) != 3 {
		t.Errorf("%+v %v", site, ok)
	}
	if site, ok := h.Site("acme.myapp.com"); !ok || site.Primary != "www.acme.example" || len(site.Hosts) != 3 {
		t.Errorf("%+v %v", site, ok)
	}
	for host, may := range map[string]bool{
		"myapp.com": true, "www.myapp.com": true, "acme.myapp.com": true,
		"api.myapp.com": false, "www.acme.myapp.com": false, "xmyapp.com": false, "www.other.example": false,
	} {
		if h.MayServe(host) != may {
			t.Errorf("%s may have a certificate: %v", host, !may)
		}
	}
	for _, host := range []string{"globex.example", "www.myapp.com", "nobody.myapp.com", "a.acme.myapp.com"} {
		if site, ok := h.Site(host); ok {
			t.Errorf("%s has a site: %+v", host, site)
		}
	}
	if _, err := h.MakePrimary(ctx, h.who["globex"].ID, "acme.example"); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("another tenant's host made primary: %v", err)
	}
	h.claim(t, "acme", "new.example", domain.MethodTXT)
	if _, err := h.MakePrimary(ctx, acme, "new.example"); !errors.Is(err, domain.ErrState) {
		t.Errorf("a claim made primary: %v", err)
	}
	if _, err := h.Release(ctx, acme, "www.acme.example"); err != nil {
		t.Fatal(err)
	}
	h.settle(t)
	if site, _ := h.Site("acme.example"); site.Primary != "" || len(site.Hosts) != 2 {
		t.Errorf("after the primary was given up: %+v", site)
	}
}

// TestCatalogAway serves what is known while the database is not reached, and
// says so.
func TestCatalogAway(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	h.serve(t, "acme", "acme.example")
	if err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	h.pool.Close()
	h.clock.pass(4 * time.Hour) // more than the house's Sweep allows for
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.CatchUp(ctx); err == nil {
		t.Fatal("the database is there")
	}
	if h.owner(t, "acme.example") != "acme" || !h.MayServe("acme.example") {
		t.Error("not served any more")
	}
	if err := h.Ready(ctx); err == nil {
		t.Error("ready without a catalog")
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	_, err := domain.New(nil, nil, &domain.Options{Base: "local host", Own: []string{"a.b"}, Grace: -1})
	if !errors.Is(err, domain.ErrInvalid) {
		t.Fatal(err)
	}
	for _, mistake := range []string{"pool", "tenants", "Edge", "Base", "Own", "Prover", "Grace"} {
		if !strings.Contains(err.Error(), mistake) {
			t.Errorf("%q says nothing of %s", err, mistake)
		}
	}
}

// TestNobodysTenant claims for one that there is not.
func TestNobodysTenant(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	if _, err := h.Claim(t.Context(), tenant.NewID(time.Now()), "a.example", domain.MethodTXT); !errors.Is(err, tenant.ErrNotFound) {
		t.Error(err)
	}
}

// TestRoundsComeOneAfterTheOther reads changes from two places at once, as a
// notification and a sweep do: what one has seen, the other does not take back.
func TestRoundsComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	const host = "acme.example"
	h.claim(t, "acme", host, domain.MethodTXT)
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				_ = h.CatchUp(ctx) // which is over at the end
			}
		})
	}
	for i := range 300 {
		state, served := "claimed", i%2 == 0
		if served {
			state = "verified"
		}
		if _, err := h.pool.Exec(ctx, `UPDATE partywall_domains.domain SET state = $1`, state); err != nil {
			t.Fatal(err)
		}
		if err := h.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if h.MayServe(host) != served {
				t.Errorf("change %d: served %v, want %v", i, !served, served)
				break
			}
			runtime.Gosched()
		}
	}
	stop()
	others.Wait()
}
