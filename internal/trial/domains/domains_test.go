package domains_test

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/redirect"
)

// limit is how long a domain may take, from its claim to its first page over TLS.
const limit = 15 * time.Second

// TestEndToEnd takes domains of two tenants from their claims to pages, six at
// once: six, and sixty with PARTYWALL_SOAK=full.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.open(t, nil)
	p.serve(t)
	who := []tenant.Tenant{p.tenant(t, "acme"), p.tenant(t, "globex")}
	many := 6
	if os.Getenv("PARTYWALL_SOAK") == "full" {
		many = 60
	}
	took, turns := make([]time.Duration, many), make(chan struct{}, 6)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			owner, host := who[i%2], fmt.Sprintf("shop%d.%s", i, zone)
			began := time.Now()
			p.claim(t, owner, host)
			p.await(t, owner, host, domain.Active)
			status, body, err := w.get(t, host, "/")
			if err != nil || status != 200 || body != "this is "+owner.Slug {
				t.Errorf("%s: %d %q %v", host, status, body, err)
			}
			took[i] = time.Since(began)
		})
	}
	all.Wait()
	slices.Sort(took)
	p95 := took[(len(took)*95+99)/100-1]
	t.Logf("%d domains, from the claim to the first page: p50 %s, p95 %s", many, took[len(took)/2].Round(time.Millisecond), p95.Round(time.Millisecond))
	if p95 > limit {
		t.Errorf("p95 %s, want %s at most", p95, limit)
	}
	if got := w.orders.Orders(); got != many {
		t.Errorf("%d orders for %d domains", got, many)
	}
}

// TestOnDemand has the first visitor get the certificate, where the worker has
// not yet.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.open(t, func(o *domain.Options) { o.Workers = -1 })
	p.serve(t)
	acme := p.tenant(t, "acme")
	host := "shop." + zone
	p.claim(t, acme, host)
	if _, _, err := w.get(t, host, "/"); err == nil {
		t.Error("an unverified host has a certificate")
	}
	if _, err := p.pool.Exec(t.Context(), `UPDATE partywall_domains.domain SET state = 'verified'`); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return p.domains.MayServe(host) }, func() string { return "not heard of" })
	if status, body, err := w.get(t, host, "/"); err != nil || status != 200 || body != "this is acme" {
		t.Errorf("%d %q %v", status, body, err)
	}
}

// TestNoHint asks for hosts that are claimed, given up, or nobody's: all get the
// same answer, and no certificate.
func TestNoHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.open(t, nil)
	p.serve(t)
	acme := p.tenant(t, "acme")
	served, gone, claimed := "served."+zone, "gone."+zone, "claimed."+zone
	for _, host := range []string{served, gone} {
		p.claim(t, acme, host)
		p.await(t, acme, host, domain.Active)
	}
	if status, body := p.ask(served); status != 200 || body != "this is acme" {
		t.Errorf("control: %d %q", status, body)
	}
	if _, err := p.domains.Claim(t.Context(), acme.ID, claimed, domain.MethodTXT); err != nil {
		t.Fatal(err)
	}
	if _, err := p.domains.Release(t.Context(), acme.ID, gone); err != nil {
		t.Fatal(err)
	}
	p.await(t, acme, gone, domain.Tombstoned)
	until(t, func() bool { return !p.domains.MayServe(gone) }, func() string { return "still served" })
	_, nobody := p.ask("nobody." + zone)
	for _, host := range []string{gone, claimed, "nobody." + zone} {
		if status, body := p.ask(host); status != 404 || body != nobody {
			t.Errorf("%s: %d %q", host, status, body)
		}
		if status, _, err := w.get(t, host, "/"); err == nil {
			t.Errorf("%s has a certificate, and answers %d", host, status)
		}
	}
	if _, err := p.tenants.Suspend(t.Context(), acme.ID, "unpaid"); err != nil {
		t.Fatal(err)
	}
	if status, _, err := w.get(t, served, "/"); err != nil || status == 200 || status == 404 {
		t.Errorf("a suspended tenant: %d %v, want its certificate and a page that says so", status, err)
	}
}

// TestRedirectsComeFirst leads the old host to the primary one before the tenant's
// handler sees it.
func TestRedirectsComeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.open(t, nil)
	p.serve(t)
	acme := p.tenant(t, "acme")
	old, main := "old."+zone, "shop."+zone
	for _, host := range []string{old, main} {
		p.claim(t, acme, host)
		p.await(t, acme, host, domain.Active)
	}
	if _, err := p.domains.MakePrimary(t.Context(), acme.ID, main); err != nil {
		t.Fatal(err)
	}
	if _, err := p.domains.SetRedirects(t.Context(), acme.ID, old, redirect.Rules{HTTPS: true, ToPrimary: true}); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		site, _ := p.domains.Site(old)
		return site.Rules.ToPrimary && site.Primary == main
	}, func() string { return "not heard of" })
	want := "https://" + main + "/a?b=c"
	if status, at, err := w.get(t, old, "/a?b=c"); status != 308 || at != want || err != nil {
		t.Errorf("%d %q %v, want %q", status, at, err, want)
	}
	if status, body, err := w.get(t, main, "/"); status != 200 || body != "this is acme" || err != nil {
		t.Errorf("%d %q %v", status, body, err)
	}
}

// TestTwoNodesOneOrder lets two nodes look after the same domains.
func TestTwoNodesOneOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := w.open(t, nil), w.open(t, nil)
	first.serve(t)
	acme := first.tenant(t, "acme")
	const many = 4
	for i := range many {
		first.claim(t, acme, fmt.Sprintf("shop%d.%s", i, zone))
	}
	var issuing sync.WaitGroup
	for i := range many {
		host := fmt.Sprintf("shop%d.%s", i, zone)
		first.await(t, acme, host, domain.Active)
		for _, node := range []*platform{first, second} {
			issuing.Go(func() {
				if err := node.certs.Issue(t.Context(), host); err != nil {
					t.Error(err)
				}
			})
		}
	}
	issuing.Wait()
	if got := w.orders.Orders(); got != many {
		t.Errorf("%d orders for %d domains on two nodes", got, many)
	}
}

// TestCatalogAway serves pages over TLS while the database is not there.
func TestCatalogAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.open(t, nil)
	p.serve(t)
	acme := p.tenant(t, "acme")
	host := "shop." + zone
	p.claim(t, acme, host)
	p.await(t, acme, host, domain.Active)
	p.pool.Close()
	for range 3 {
		if status, body, err := w.get(t, host, "/"); status != 200 || body != "this is acme" || err != nil {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
}
