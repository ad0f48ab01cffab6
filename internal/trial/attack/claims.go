package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
)

// The attacks on claims: the attacker wants a host to be served for it that is the
// victim's, was the victim's, or is nobody's to have. The control plays the same on
// a catalog that lacks the one rule that the case is about.

func claimCases() []Case {
	const (
		noTombstone = `UPDATE partywall_domains.domain SET state = 'ended', due_at = NULL WHERE state = 'tombstoned'`
		victims     = `UPDATE partywall_domains.domain c SET token = o.token FROM partywall_domains.domain o WHERE o.host = c.host AND o.state <> 'claimed' AND c.state = 'claimed'`
		first       = `UPDATE partywall_domains.domain c SET token = o.token FROM partywall_domains.domain o WHERE o.host = c.host AND o.state = 'ended' AND c.state = 'claimed'`
	)
	return []Case{
		claimed("53", "a dangling domain taken over", danglingRecord, changing(noTombstone)),
		claimed("53t", "a dangling domain, by the TXT record that was left too", danglingTXT, changing(victims)),
		claimed("53u", "a dangling domain, by the token of an earlier attempt", oldToken, changing(first)),
		claimed("53b", "a dangling domain whose DNS answers nothing for a while", blindTombstone, surely),
		claimed("53x", "one host proven by two tenants at once", claimRace, changing(`DROP INDEX partywall_domains.domain_owner`)),
		claimed("53o", "a claim of the platform's own names and other tenants'", hosts(ownZone), unruled),
		claimed("53p", "a claim of a public suffix", publicSuffix, unruled),
		claimed("53w", "a host, or an asterisk, above those of others", above, walking),
	}
}

// danglingRecord claims by HTTP what still leads to the platform: there the
// attacker's answer would be found, as anybody's.
func danglingRecord(ctx context.Context, p *platform) error {
	if err := p.have(ctx, p.victim, shop); err != nil {
		return err
	}
	if err := errors.Join(p.leave(ctx), p.breached(ctx)); err != nil {
		return err
	}
	_, err := p.Claim(ctx, p.attacker.ID, shop, domain.MethodHTTP)
	if err := errors.Join(refused(err, domain.ErrQuarantined), p.take(ctx, shop)); err != nil || p.breach != nil {
		return err
	}
	// By TXT, and then by HTTP after all.
	if _, err := p.Claim(ctx, p.attacker.ID, shop, domain.MethodTXT); err != nil {
		return err
	}
	_, err = p.Restart(ctx, p.attacker.ID, shop, domain.MethodHTTP)
	return errors.Join(refused(err, domain.ErrQuarantined), p.take(ctx, shop))
}

// danglingTXT claims by the record that the victim has left when it went. Who has
// the zone puts another one there, and gets the host.
func danglingTXT(ctx context.Context, p *platform) error {
	if err := p.have(ctx, p.victim, shop); err != nil {
		return err
	}
	p.tenants.lose(p.victim.ID)
	if err := errors.Join(p.settle(ctx), p.left(ctx, shop)); err != nil {
		return err
	}
	d, err := p.Claim(ctx, p.attacker.ID, shop, domain.MethodTXT)
	if err != nil {
		return err
	}
	if err := errors.Join(p.quiet(ctx), p.breached(ctx), p.take(ctx, shop)); err != nil || p.breach != nil {
		return err
	}
	return errors.Join(p.publish(txt(d)), p.gets(ctx, p.attacker, shop))
}

// oldToken claims a host by the record of a claim before, from when the attacker
// had the zone.
func oldToken(ctx context.Context, p *platform) error {
	before, err := p.Claim(ctx, p.attacker.ID, shop, domain.MethodTXT)
	if err != nil {
		return err
	}
	if _, err := p.Release(ctx, p.attacker.ID, shop); err != nil {
		return err
	}
	if err := p.publish(txt(before), leads(before)); err != nil {
		return err
	}
	if _, err := p.Claim(ctx, p.attacker.ID, shop, domain.MethodTXT); err != nil {
		return err
	}
	if err := errors.Join(p.quiet(ctx), p.breached(ctx), p.take(ctx, shop)); err != nil || p.breach != nil {
		return err
	}
	if _, err := p.Restart(ctx, p.attacker.ID, shop, domain.MethodTXT); err != nil {
		return err
	}
	return p.take(ctx, shop)
}

// blindTombstone makes the resolvers fail while the tombstone is looked at, and
// claims the host by HTTP when they see again.
func blindTombstone(ctx context.Context, p *platform) error {
	if err := p.have(ctx, p.victim, shop); err != nil {
		return err
	}
	if err := errors.Join(p.leave(ctx), p.breached(ctx)); err != nil {
		return err
	}
	p.net.blind(shop, true)
	err := p.settle(ctx)
	p.net.blind(shop, false)
	if err != nil {
		return err
	}
	_, err = p.Claim(ctx, p.attacker.ID, shop, domain.MethodHTTP)
	return errors.Join(refused(err, domain.ErrQuarantined), p.take(ctx, shop))
}

// surely has the prover take a failure for an answer.
func surely(_ context.Context, p *platform) error {
	p.prover.sure.Store(true)
	return nil
}

// claimRace has both prove a host in the same moment.
func claimRace(ctx context.Context, p *platform) error {
	if err := p.breached(ctx); err != nil {
		return err
	}
	for i := range 4 {
		host := strings.Repeat("a", i+1) + ".example.com"
		m := &meeting{begun: make(chan struct{})}
		p.prover.meet.Store(m)
		for _, who := range []party{p.attacker, p.victim} {
			d, err := p.Claim(ctx, who.ID, host, domain.MethodTXT)
			if err != nil {
				return err
			}
			if err := p.publish(txt(d)); err != nil {
				return err
			}
		}
		if err := p.until(ctx, func() (bool, error) { return m.there.Load() == 2, nil }); err != nil {
			return err
		}
		close(m.begun)
		if err := p.settle(ctx); err != nil {
			return err
		}
		var owners int
		err := p.pool.QueryRow(ctx, `SELECT count(*) FROM partywall_domains.domain WHERE host = $1 AND state NOT IN ('claimed', 'ended')`, host).Scan(&owners)
		switch {
		case err != nil:
			return err
		case owners == 0:
			return fmt.Errorf("%s is nobody's, and both have proven it", host)
		case owners > 1:
			p.findf("%s is the attacker's and the victim's", host)
		}
	}
	return nil
}

// unruled is a catalog whose claims are not looked at: they are made beside it.
func unruled(context.Context, *platform) error { return nil }

// ownZone are names that lead to the platform because they are its own.
func ownZone(p *platform) []string {
	return []string{
		"myapp.com", "www.myapp.com", "MYAPP.com.", p.victim.Slug + ".myapp.com", "a." + p.victim.Slug + ".myapp.com", p.attacker.Slug + ".myapp.com",
		"edge.myapp.com", "k3j9x2.edge.myapp.com", "ｍyapp.com",
	}
}

// hosts claims them all, by HTTP.
func hosts(of func(p *platform) []string) move {
	return func(ctx context.Context, p *platform) error {
		for _, host := range of(p) {
			if err := p.seize(ctx, host, domain.MethodHTTP); err != nil {
				return err
			}
		}
		return nil
	}
}

// publicSuffix claims names under which others have theirs, with all of their DNS
// in the attacker's hands.
func publicSuffix(ctx context.Context, p *platform) error {
	for _, suffix := range []string{"com", "co.uk", "github.io", "GitHub.io.", "xn--p1ai", "рф", "s3.amazonaws.com"} {
		for _, r := range p.net.resolvers {
			if err := r.Load(strings.ToLower(strings.TrimSuffix(suffix, ".")), "@ A 45.0.0.9"); suffix != "рф" && err != nil {
				return err
			}
		}
		if err := p.seize(ctx, suffix, domain.MethodHTTP); err != nil {
			return err
		}
	}
	return nil
}

// seize claims a host that nobody may have: with the rule, or past it.
func (p *platform) seize(ctx context.Context, host string, method domain.Method) error {
	if p.breach == nil {
		if _, err := p.Claim(ctx, p.attacker.ID, host, method); err != nil {
			return refused(err, domain.ErrInvalid)
		}
		p.findf("%s may be claimed", host)
		return p.take(ctx, host)
	}
	if strings.ToLower(host) != host || strings.HasSuffix(host, ".") || strings.ContainsFunc(host, func(r rune) bool { return r > 127 }) {
		return nil // another spelling of one of the others
	}
	_, err := p.pool.Exec(ctx, `WITH t AS (INSERT INTO partywall_domains.target VALUES ($1, 'attackers') ON CONFLICT DO NOTHING)
		INSERT INTO partywall_domains.domain (tenant_id, host, state, method, token, claimed_at, due_at)
		VALUES ($1, $2, 'claimed', $3, $4, now(), now())`, p.attacker.ID, host, string(method), attackerToken)
	return errors.Join(err, p.take(ctx, host))
}

// above has the attacker prove example.com, and asks for hosts below that are the
// victim's, are only claimed or given up, or are nobody's.
func above(ctx context.Context, p *platform) error {
	err := errors.Join(p.have(ctx, p.victim, "www.example.com"), p.have(ctx, p.victim, shop))
	if err == nil {
		err = p.leave(ctx)
	}
	if err != nil {
		return err
	}
	d, err := p.Claim(ctx, p.attacker.ID, "example.com", domain.MethodTXT)
	if err != nil {
		return err
	}
	if err := errors.Join(p.publish(txt(d)), p.gets(ctx, p.attacker, "example.com")); err != nil {
		return err
	}
	for _, host := range []string{"*.example.com", "*.com", "*"} {
		if _, err := p.Claim(ctx, p.attacker.ID, host, domain.MethodTXT); !errors.Is(err, domain.ErrInvalid) {
			p.findf("%s may be claimed: %v", host, err)
		}
	}
	if err := p.breached(ctx); err != nil {
		return err
	}
	h, err := p.pages()
	if err != nil {
		return err
	}
	addr, stop, err := listening(ctx, h)
	if err != nil {
		return err
	}
	defer stop()
	for host, of := range map[string]string{
		"example.com": p.attacker.canary, "www.example.com": p.victim.canary,
		shop: "", "x.example.com": "", "a.www.example.com": "", "*.example.com": "", "new.example.com": "",
	} {
		body, err := p.send(ctx, addr, request{"Host: " + host})
		switch {
		case err != nil:
			return err
		case of != "" && !strings.Contains(body, of):
			return fmt.Errorf("%s is answered %q", host, body)
		case of == "" && strings.Contains(body, p.attacker.canary):
			p.findf("%s is served for the attacker", host)
		case of == "" && strings.Contains(body, p.victim.canary):
			p.findf("%s is served for the victim", host)
		}
	}
	return nil
}

// walking serves a host for whoever has one above it.
func walking(_ context.Context, p *platform) error {
	p.owner = func(ctx context.Context, host string) (tenant.ID, error) {
		for {
			id, err := p.Owner(ctx, host)
			_, up, ok := strings.Cut(host, ".")
			if err == nil || !ok {
				return id, err
			}
			host = up
		}
	}
	return nil
}
