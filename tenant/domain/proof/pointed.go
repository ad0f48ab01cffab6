package proof

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"

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
	views := make([]view, len(p.resolvers))
	var all sync.WaitGroup
	for i, resolver := range p.resolvers {
		all.Go(func() { views[i] = p.pointedBy(ctx, resolver, host, target) })
	}
	all.Wait()
	for _, v := range views {
		seen = merge(seen, v.seen)
		switch {
		case v.err != nil:
			failed, last = failed+1, v.err
		case v.pointed:
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

// view is what one resolver says of where a host leads.
type view struct {
	pointed bool
	seen    []string
	err     error
}

func (p *Prover) pointedBy(ctx context.Context, resolver, host, target string) view {
	var seen []string
	var all []netip.Addr
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		r, err := p.ask(ctx, resolver, host, kind, true)
		if err != nil {
			return view{seen: seen, err: err}
		}
		for _, name := range chain(r, host)[1:] {
			seen = merge(seen, []string{visible(strings.TrimSuffix(name, "."))})
			if target != "" && strings.EqualFold(strings.TrimSuffix(name, "."), target) {
				return view{pointed: true, seen: seen}
			}
		}
		all = append(all, addressesIn(r, host)...)
	}
	edge := len(all) > 0
	for _, at := range all {
		seen = merge(seen, []string{at.String()})
		edge = edge && p.onEdge(at)
	}
	return view{pointed: edge, seen: seen}
}

func (p *Prover) onEdge(at netip.Addr) bool {
	for _, prefix := range p.edge {
		if prefix.Contains(at) {
			return true
		}
	}
	return false
}
