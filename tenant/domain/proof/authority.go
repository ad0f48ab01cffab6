package proof

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxServers is how many servers of one zone are asked. No delegation of use has
// more than 13 (RFC 1035, section 2.3.4 by size).
const maxServers = 13

// authority is a server of a zone by its name, with its addresses.
type authority struct {
	name      string
	addresses []string // with port
}

// authorities finds the servers of the zone that a name is in, through all
// resolvers. It takes what any of them says: one that lies can add a server, but
// not take one away, and all have to agree in the end.
func (p *Prover) authorities(ctx context.Context, name string) ([]authority, error) {
	names, err := p.delegation(ctx, name)
	if err != nil {
		return nil, err
	}
	var all []authority
	for _, ns := range names {
		a := authority{name: ns}
		for _, at := range p.addresses(ctx, ns) {
			// Who runs a zone decides where its servers are said to be.
			if p.guard.check(at) == nil {
				a.addresses = append(a.addresses, net.JoinHostPort(at.String(), "53"))
			}
		}
		all = append(all, a)
	}
	return all, nil
}

// delegation climbs from a name to the zone that it is in, with each resolver on
// its own, and returns the names of all servers found: one that invents a zone
// further down does not keep the others from finding the real one.
func (p *Prover) delegation(ctx context.Context, name string) ([]string, error) {
	var names []string
	climbing, found := p.resolvers, 0
	for at := name; at != "" && len(climbing) > 0; _, at, _ = strings.Cut(at, ".") {
		var on []string
		for _, a := range p.askAll(ctx, climbing, at, dns.TypeNS) {
			if a.err != nil {
				continue
			}
			servers := records[*dns.NS](a.msg, []string{dns.Fqdn(at)})
			if len(servers) == 0 {
				on = append(on, a.server)
				continue
			}
			found++
			for _, ns := range servers {
				if host := strings.TrimSuffix(strings.ToLower(ns.Ns), "."); host != "" && !slices.Contains(names, host) {
					names = append(names, host)
				}
			}
		}
		climbing = on
	}
	switch {
	case found < p.quorum:
		return nil, fmt.Errorf("proof: %d of %d resolvers find the servers of the zone", found, len(p.resolvers))
	case len(names) == 0 || len(names) > maxServers:
		return nil, fmt.Errorf("%w: no servers of a zone, or too many", errAnswer)
	}
	return names, nil
}

// addresses are all that any resolver knows of a name.
func (p *Prover) addresses(ctx context.Context, name string) []netip.Addr {
	var all []netip.Addr
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		for _, a := range p.askAll(ctx, p.resolvers, name, kind) {
			if a.err != nil {
				continue
			}
			for _, at := range addressesIn(a.msg, name) {
				if !slices.Contains(all, at) && len(all) < maxServers {
					all = append(all, at)
				}
			}
		}
	}
	return all
}

// addressesIn reads the addresses of a name in an answer. They are not unmapped:
// an AAAA record of ::ffff:10.0.0.1 is to be refused as what it is.
func addressesIn(r *dns.Msg, name string) []netip.Addr {
	var all []netip.Addr
	names := chain(r, name)
	for _, rr := range records[*dns.A](r, names) {
		if at, ok := netip.AddrFromSlice(rr.A.To4()); ok {
			all = append(all, at)
		}
	}
	for _, rr := range records[*dns.AAAA](r, names) {
		if at, ok := netip.AddrFromSlice(rr.AAAA); ok {
			all = append(all, at)
		}
	}
	return all
}

// askAuthorities asks each server of a zone, at its addresses one after the other
// until one answers. IPv6 may not be had from here.
func (p *Prover) askAuthorities(ctx context.Context, servers []authority, name string, kind uint16) []answer {
	answers := make([]answer, len(servers))
	done := make(chan struct{})
	for i, s := range servers {
		go func() {
			defer func() { done <- struct{}{} }()
			answers[i] = answer{server: s.name, err: fmt.Errorf("%w: server has no public address", errAnswer)}
			for _, at := range s.addresses {
				answers[i].msg, answers[i].err = p.ask(ctx, at, name, kind, false)
				if answers[i].err == nil {
					return
				}
			}
		}()
	}
	for range servers {
		<-done
	}
	return answers
}
