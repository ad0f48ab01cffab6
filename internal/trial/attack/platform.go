package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/proof"
	"github.com/partywall/partywall/tenant/httptenant"
)

// shop is the victim's host, in a zone that its owner may forget.
const shop = "shop.example.com"

// platform is a catalog of domains, in an internet where
// everything below edge.myapp.com and myapp.com leads to the platform.
type platform struct {
	*domain.Catalog
	*scene

	net     *internet
	pool    *pgxpool.Pool
	tenants *tenants
	prover  *prover
	zone    []string // records of example.com
	owner   func(ctx context.Context, host string) (tenant.ID, error)
	// breach takes the wall away that a case is about, in its control. Nil leaves
	// it standing.
	breach move
	alter  func(s *http.Server, bare http.Handler) // what breaches do to its server
}

// move is an attack on a platform.
type move func(ctx context.Context, p *platform) error

// claimed is a case of claims. Where breach is called is the attack's to say.
func claimed(id, name string, attack, breach move) Case {
	return Case{ID: id, Name: name, On: onGap, Once: true, Control: onPlatform(attack, breach), Attack: onPlatform(attack, nil)}
}

// onPlatform plays on a platform that is there for the time of the attack.
func onPlatform(attack, breach move) Attack {
	return func(ctx context.Context, s *scene) error {
		return within(func(in *internet) (err error) {
			p := &platform{scene: s, net: in, breach: breach}
			for _, who := range []*party{&s.attacker, &s.victim} {
				if who.ID.IsZero() { // on the plain set-up they have only numbers
					who.ID, who.Status = tenant.NewID(time.Now()), tenant.Active
				}
			}
			url, err := s.house.domains(ctx)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.raze(context.WithoutCancel(ctx))) }()
			if err := p.open(ctx, url); err != nil {
				return err
			}
			return attack(ctx, p)
		})
	}
}

func (p *platform) open(ctx context.Context, url string) (err error) {
	if p.pool, err = pgxpool.New(ctx, url); err != nil {
		return err
	}
	p.prover = &prover{net: p.net}
	if p.prover.Prover, err = p.net.prover(); err != nil {
		return err
	}
	p.tenants = &tenants{all: []tenant.Tenant{p.attacker.Tenant, p.victim.Tenant}}
	p.Catalog, err = domain.New(p.pool, p.tenants, &domain.Options{
		Base: "myapp.com", Edge: "edge.myapp.com", Prover: p.prover, Sweep: 5 * time.Millisecond, Lease: 300 * time.Millisecond, Logger: silent(),
	})
	if err != nil {
		return err
	}
	p.owner = p.Owner
	return errors.Join(p.publish(), p.Open(ctx, nil))
}

// raze closes the catalog and takes its tables away.
func (p *platform) raze(ctx context.Context) error {
	if p.Catalog != nil {
		p.Close()
	}
	if p.pool == nil {
		return nil
	}
	defer p.pool.Close()
	_, err := p.pool.Exec(ctx, `DROP SCHEMA IF EXISTS partywall_domains, partywall_tls CASCADE`)
	return err
}

// breached takes the wall away in controls.
func (p *platform) breached(ctx context.Context) error {
	if p.breach == nil {
		return nil
	}
	return p.breach(ctx, p)
}

// changing is a breach that changes the catalog's tables.
func changing(statement string) move {
	return func(ctx context.Context, p *platform) error {
		_, err := p.pool.Exec(ctx, statement)
		return err
	}
}

// tenants are those of a scene.
type tenants struct {
	mu  sync.Mutex
	all []tenant.Tenant
}

// Lookup implements domain.Tenants.
func (t *tenants) Lookup(_ context.Context, key tenant.Key) (tenant.Tenant, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.all {
		if key.Matches(one) {
			return one, nil
		}
	}
	return tenant.Tenant{}, tenant.ErrNotFound
}

// lose has a tenant gone.
func (t *tenants) lose(id tenant.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = slices.DeleteFunc(t.all, func(one tenant.Tenant) bool { return one.ID == id })
}

// publish adds records to example.com, on all servers.
func (p *platform) publish(records ...string) error {
	p.zone = append(p.zone, records...)
	var all []error
	for _, server := range append(p.net.own[:], p.net.resolvers[:]...) {
		all = append(all, p.net.honest(server, p.zone...), server.Load("myapp.com", "@ A 45.0.0.9", "* A 45.0.0.9", "*.edge A 45.0.0.9"))
	}
	return errors.Join(all...)
}

// txt is the record that a domain's proof asks for.
func txt(d domain.Domain) string { return d.Challenge().Record() + ". TXT " + d.Token }

// leads is the record that makes a domain lead to the platform.
func leads(d domain.Domain) string { return d.Host + ". CNAME " + d.Target + "." }

// settle has everything looked at once, and waits for what comes of it.
func (p *platform) settle(ctx context.Context) error {
	if err := p.quiet(ctx); err != nil {
		return err
	}
	if _, err := p.pool.Exec(ctx, `UPDATE partywall_domains.domain SET due_at = $1 WHERE due_at IS NOT NULL`, time.Now()); err != nil {
		return err
	}
	return p.quiet(ctx)
}

// quiet waits until nothing is due.
func (p *platform) quiet(ctx context.Context) error {
	return p.until(ctx, func() (quiet bool, err error) {
		err = p.pool.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM partywall_domains.domain WHERE due_at <= $1)`, time.Now()).Scan(&quiet)
		return quiet, err
	})
}

// until waits until something is so.
func (*platform) until(ctx context.Context, is func() (bool, error)) error {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		if ok, err := is(); ok || err != nil {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// have makes a host a party's, by an honest proof.
func (p *platform) have(ctx context.Context, who party, host string) error {
	d, err := p.Claim(ctx, who.ID, host, domain.MethodTXT)
	if err != nil {
		return err
	}
	if err := p.publish(txt(d), leads(d)); err != nil {
		return err
	}
	return p.gets(ctx, who, host)
}

// gets waits until a host is served for a party: where it has proven it, it is.
func (p *platform) gets(ctx context.Context, who party, host string) error {
	for {
		if err := p.settle(ctx); err != nil {
			return fmt.Errorf("%s is proven, and is not served: %w", host, err)
		}
		if d, err := p.Get(ctx, who.ID, host); err != nil || d.State == domain.Active {
			return errors.Join(err, p.until(ctx, func() (bool, error) { return p.MayServe(host), nil }))
		}
	}
}

// leave has the victim give its shop up, and forget what is in DNS.
func (p *platform) leave(ctx context.Context) error {
	if _, err := p.Release(ctx, p.victim.ID, shop); err != nil {
		return err
	}
	return p.left(ctx, shop)
}

// left waits until what was given up is a tombstone.
func (p *platform) left(ctx context.Context, host string) error {
	if err := p.quiet(ctx); err != nil {
		return err
	}
	d, err := p.Get(ctx, p.victim.ID, host)
	if err == nil && d.State != domain.Tombstoned {
		err = fmt.Errorf("%s is given up, and %s", host, d.State)
	}
	return err
}

// take is what the attacker is after: a host that is served for it. It has it
// looked at several times: a question to DNS may get lost.
func (p *platform) take(ctx context.Context, host string) error {
	for range 3 {
		if err := p.settle(ctx); err != nil {
			return err
		}
		d, err := p.Get(ctx, p.attacker.ID, host)
		switch {
		case errors.Is(err, domain.ErrNotFound):
			return nil
		case err != nil:
			return err
		case d.State.Serves():
			p.findf("%s is served for the attacker", host)
			return nil
		}
	}
	return nil
}

// refused is no error where a claim is refused for one of these reasons.
func refused(err error, reasons ...error) error {
	if slices.ContainsFunc(reasons, func(reason error) bool { return errors.Is(err, reason) }) {
		return nil
	}
	return err
}

// pages answers with the rows of whoever has the host, as the platform does.
func (p *platform) pages() (http.Handler, error) {
	if p.wall {
		edge, err := httptenant.New(p.house.tenants, httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.CustomDomain(p.owner)), plainOptions())
		if err != nil {
			return nil, err
		}
		return edge.Wrap(p.orders()), nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := p.owner(r.Context(), r.Host)
		for _, who := range []party{p.attacker, p.victim} {
			if err == nil && id == who.ID {
				p.answer(w, r, who)
				return
			}
		}
		http.NotFound(w, r)
	}), nil
}

// prover looks for TXT records in the attack's internet. By HTTP, which never gets
// to loopback, it finds what a platform answers that publishes for whoever claims:
// a proof, wherever the host leads to the platform.
type prover struct {
	*proof.Prover

	net  *internet
	sure atomic.Bool // calls what it does not see not there: a breach
	meet atomic.Pointer[meeting]
}

// Prove implements domain.Prover.
func (p *prover) Prove(ctx context.Context, c domain.Challenge) (domain.Evidence, error) {
	if m := p.meet.Load(); m != nil {
		m.attend(ctx)
	}
	if c.Method == domain.MethodHTTP {
		pointed, _ := p.Pointed(ctx, c.Host, c.Target) // which decides nothing
		e := domain.Evidence{Pointed: pointed}
		r, _, err := new(dns.Client).ExchangeContext(ctx, new(dns.Msg).SetQuestion(c.Host+".", dns.TypeA), p.net.resolvers[0].Addr())
		if err != nil || len(r.Answer) == 0 {
			return e, &domain.ProofError{Reason: domain.ReasonUnreachable, Err: err}
		}
		return e, nil
	}
	e, err := p.Prover.Prove(ctx, c)
	if p.sure.Load() && e.Unsure {
		e.Unsure, err = false, cmp.Or[error](&domain.ProofError{Reason: domain.ReasonNoRecord}, err)
	}
	return e, err
}

// meeting holds two looks until both are there and it begins.
type meeting struct {
	there atomic.Int32
	begun chan struct{}
}

func (m *meeting) attend(ctx context.Context) {
	m.there.Add(1)
	select {
	case <-m.begun:
	case <-ctx.Done():
	}
}

// blind has both resolvers answer nothing of a host, or see again.
func (in *internet) blind(host string, yes bool) {
	fault := dnstest.Fault{}
	if yes {
		fault.Rcode = dns.RcodeServerFailure
	}
	for _, r := range in.resolvers {
		r.Fail(host, fault)
	}
}
