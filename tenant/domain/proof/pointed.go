package proof

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/tenant/domain"
)

// Pointed reports whether a host leads here: by a chain of CNAMEs through target,
// or, as an apex has to, by addresses that are all the edge's. A quorum of
// resolvers must say so. The error is a [domain.ProofError] that says what was
// seen instead; a host that leads elsewhere is not-pointed.
func (p *Prover) Pointed(ctx context.Context, host, target string) (bool, error) {
	var seen []string
	pointed, failed := 0, 0
	var last error
	for i := range p.resolvers {
		ok, what, err := p.pointedBy(ctx, p.resolvers[i], host, target)
		seen = merge(seen, what)
		switch {
		case err != nil:
			failed, last = failed+1, err
		case ok:
			pointed++
		}
	}
	switch {
	case pointed >= p.quorum:
		return true, nil
	case pointed+failed >= p.quorum:
		return false, &domain.ProofError{Reason: domain.ReasonDNSFailure, Seen: seen, Err: last}
	}
	return false, &domain.ProofError{Reason: domain.ReasonNotPointed, Seen: seen, Err: fmt.Errorf("proof: %d of %d resolvers lead here", pointed, len(p.resolvers))}
}

// pointedBy is what one resolver says.
func (p *Prover) pointedBy(ctx context.Context, resolver, host, target string) (bool, []string, error) {
	var seen []string
	var all []netip.Addr
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		r, err := p.ask(ctx, resolver, host, kind, true)
		if err != nil {
			return false, seen, err
		}
		for _, name := range chain(r, host)[1:] {
			seen = merge(seen, []string{visible(strings.TrimSuffix(name, "."))})
			if target != "" && strings.EqualFold(strings.TrimSuffix(name, "."), target) {
				return true, seen, nil
			}
		}
		all = append(all, addressesIn(r, host)...)
	}
	edge := len(all) > 0
	for _, at := range all {
		seen = merge(seen, []string{at.String()})
		edge = edge && p.onEdge(at)
	}
	return edge, seen, nil
}

func (p *Prover) onEdge(at netip.Addr) bool {
	for _, prefix := range p.edge {
		if prefix.Contains(at) {
			return true
		}
	}
	return false
}
