package domain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
)

// TestLife takes a domain from its claim to its end.
func TestLife(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	const host = "shop.acme.example"
	d := h.claim(t, "acme", "Shop.Acme.Example.", domain.MethodTXT)
	if d.Host != host || d.State != domain.Claimed || d.Token == "" || !strings.HasSuffix(d.Target, ".edge.myapp.com") {
		t.Errorf("claimed: %+v", d)
	}
	h.settle(t)
	h.is(t, "acme", host, domain.Claimed, domain.ReasonNoRecord)
	if h.owner(t, host) != "" || h.MayServe(host) {
		t.Error("a claim is served")
	}

	h.dns.prove(d)
	h.pass(t, 3*time.Minute)
	h.is(t, "acme", host, domain.Issuing, domain.ReasonNotPointed)
	if h.ca.orders != 0 {
		t.Error("a certificate was ordered for a host that leads elsewhere")
	}
	if h.owner(t, host) != "acme" || !h.MayServe(host) {
		t.Error("a verified host is not served: its first visitor may be who gets the certificate")
	}

	h.dns.point(d)
	h.pass(t, time.Hour)
	h.is(t, "acme", host, domain.Active, "")
	if got := h.get(t, "acme", host).CertificateUntil.Sub(h.clock.time()); got != 45*24*time.Hour {
		t.Errorf("its certificate is good for %s", got)
	}

	if _, err := h.Release(t.Context(), h.who["acme"].ID, host); err != nil {
		t.Fatal(err)
	}
	h.settle(t)
	h.is(t, "acme", host, domain.Tombstoned, domain.ReasonReleased)
	if h.owner(t, host) != "" || h.MayServe(host) || !slices.Equal(h.ca.revoked, []string{host}) {
		t.Errorf("released: owner %q, served %v, revoked %v", h.owner(t, host), h.MayServe(host), h.ca.revoked)
	}
	h.pass(t, 25*time.Hour)
	h.is(t, "acme", host, domain.Tombstoned, domain.ReasonReleased) // it leads here still
	h.dns.unprove(d)
	h.dns.set(func() { h.dns.blind = true })
	h.pass(t, 25*time.Hour)
	h.is(t, "acme", host, domain.Tombstoned, domain.ReasonReleased) // it may
	h.dns.set(func() { h.dns.blind = false })
	h.dns.unpoint(d)
	h.pass(t, 25*time.Hour)
	h.is(t, "acme", host, domain.Ended, domain.ReasonFreed)

	want := []string{"domain.claimed", "domain.verified", "domain.issuing", "domain.active", "domain.released", "domain.tombstoned", "domain.ended"}
	if got := h.told(t, host); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// TestClaimExpires waits for a proof that does not come, and counts the looks.
func TestClaimExpires(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	h.claim(t, "acme", "acme.example", domain.MethodTXT)
	for range 20 {
		h.pass(t, time.Minute)
	}
	if h.dns.looks < 9 || h.dns.looks > 12 {
		t.Errorf("%d looks in the first twenty minutes, want ten or so", h.dns.looks)
	}
	for range 7 * 24 * 4 {
		h.pass(t, 15*time.Minute)
	}
	h.is(t, "acme", "acme.example", domain.Ended, domain.ReasonNeverProven)
	if h.dns.looks < 40 || h.dns.looks > 90 {
		t.Errorf("%d looks in a week", h.dns.looks)
	}
	h.claim(t, "acme", "acme.example", domain.MethodTXT) // and again
}

// limited is an issuer's error for which it wants to be asked later.
type limited struct{ retry time.Time }

func (limited) Error() string      { return "limited" }
func (limited) Reason() string     { return "rate-limited" }
func (l limited) Retry() time.Time { return l.retry }

// TestIssuerIsAskedWhenItWants: at its time, and for what may have changed else
// each hour.
func TestIssuerIsAskedWhenItWants(t *testing.T) {
	t.Parallel()
	const host = "acme.example"
	h := build(t, nil)
	d := h.claim(t, "acme", host, domain.MethodTXT)
	h.dns.prove(d)
	h.dns.point(d)
	for asked, pause := range []time.Duration{20 * time.Minute, 3 * time.Hour, 0} {
		now := h.clock.time()
		h.ca.set(func() { h.ca.fail = limited{now.Add(pause)} })
		h.settle(t)
		h.is(t, "acme", host, domain.Issuing, domain.ReasonRateLimited)
		due := h.get(t, "acme", host).DueAt.Sub(now)
		switch pause {
		case 20 * time.Minute:
			if due != pause {
				t.Errorf("asked again after %v, want %v", due, pause)
			}
		default:
			if due < 50*time.Second || due > time.Hour {
				t.Errorf("asked again after %v, want at most an hour", due)
			}
		}
		if h.ca.orders != asked+1 {
			t.Errorf("asked %d times, want %d", h.ca.orders, asked+1)
		}
		h.clock.pass(due)
	}
	h.ca.set(func() { h.ca.fail = nil })
	h.settle(t)
	h.is(t, "acme", host, domain.Active, "")
}

// TestGrace lets a domain go wrong in ways that end it and ways that do not.
func TestGrace(t *testing.T) {
	t.Parallel()
	const host = "acme.example"
	week := func(t *testing.T, h *house) {
		for range 8 * 24 {
			h.pass(t, time.Hour)
		}
	}
	t.Run("moved away", func(t *testing.T) {
		t.Parallel()
		h := build(t, nil)
		d := h.serve(t, "acme", host)
		h.dns.unprove(d)
		h.pass(t, 25*time.Hour)
		h.is(t, "acme", host, domain.Active, "") // the record is gone, the host leads here
		h.dns.unpoint(d)
		h.pass(t, 25*time.Hour)
		h.is(t, "acme", host, domain.Degraded, domain.ReasonNoRecord)
		for range 71 {
			h.pass(t, time.Hour)
		}
		if h.owner(t, host) != "acme" {
			t.Error("not served within the grace")
		}
		h.pass(t, 2*time.Hour)
		if h.owner(t, host) != "" {
			t.Error("served after the grace")
		}
		h.is(t, "acme", host, domain.Tombstoned, domain.ReasonNoRecord)
	})
	t.Run("comes back", func(t *testing.T) {
		t.Parallel()
		h := build(t, nil)
		d := h.serve(t, "acme", host)
		h.dns.unprove(d)
		h.dns.unpoint(d)
		h.pass(t, 25*time.Hour)
		h.is(t, "acme", host, domain.Degraded, domain.ReasonNoRecord)
		h.dns.point(d)
		h.pass(t, 2*time.Hour)
		h.is(t, "acme", host, domain.Active, "")
	})
	t.Run("our resolvers are down", func(t *testing.T) {
		t.Parallel()
		h := build(t, nil)
		h.serve(t, "acme", host)
		h.dns.set(func() { h.dns.fail = domain.ReasonDNSFailure })
		week(t, h)
		h.is(t, "acme", host, domain.Active, domain.ReasonDNSFailure)
	})
	t.Run("the certificate lapses", func(t *testing.T) {
		t.Parallel()
		h := build(t, nil)
		d := h.serve(t, "acme", host)
		h.ca.set(func() { h.ca.fail, h.ca.until = errors.New("refused"), map[string]time.Time{} })
		week(t, h)
		h.is(t, "acme", host, domain.Degraded, domain.ReasonCertificateExpired)
		h.dns.unprove(d)
		h.dns.unpoint(d)
		h.pass(t, 2*time.Hour) // which has a grace of its own
		h.is(t, "acme", host, domain.Degraded, domain.ReasonNoRecord)
		h.dns.prove(d)
		h.dns.point(d)
		h.ca.set(func() { h.ca.fail = nil })
		h.pass(t, 2*time.Hour)
		h.is(t, "acme", host, domain.Active, "")
	})
}

// TestTenantEnds gives up what a tenant has when it goes, and not before.
func TestTenantEnds(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	h.serve(t, "acme", "acme.example")
	h.claim(t, "acme", "acme.test", domain.MethodTXT)
	acme := h.who["acme"]
	acme, err := h.tenants.Suspend(t.Context(), acme.ID, "unpaid")
	if err != nil {
		t.Fatal(err)
	}
	h.pass(t, 25*time.Hour)
	h.is(t, "acme", "acme.example", domain.Active, "")
	if !h.MayServe("acme.example") || !h.MayServe("acme.myapp.com") {
		t.Error("a suspended tenant has no certificate")
	}
	for range 2 { // it may be repeated
		if err := h.Deprovision(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
		h.settle(t)
	}
	h.is(t, "acme", "acme.example", domain.Tombstoned, domain.ReasonTenantGone)
	h.is(t, "acme", "acme.test", domain.Ended, domain.ReasonTenantGone)

	h.serve(t, "globex", "globex.example") // and if nobody tells the catalog
	if _, err := h.tenants.Delete(t.Context(), h.who["globex"].ID, 0); err != nil {
		t.Fatal(err)
	}
	h.pass(t, 25*time.Hour)
	h.is(t, "globex", "globex.example", domain.Tombstoned, domain.ReasonTenantGone)
	if h.MayServe("globex.myapp.com") {
		t.Error("the subdomain of a tenant that is deleted may have a certificate")
	}
	if _, err := h.Claim(t.Context(), h.who["globex"].ID, "again.example", domain.MethodTXT); !errors.Is(err, tenant.ErrDeleted) {
		t.Errorf("claimed by one that is deleted: %v", err)
	}
}
