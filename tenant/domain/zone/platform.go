package zone

import (
	"errors"
	"net/netip"
	"time"
)

// Platform says what a platform serves, for [Platform.Sets].
type Platform struct {
	// Edge are the addresses that tenants are served from.
	Edge []netip.Addr
	// EdgeName is the name of a load balancer instead, for those that have no
	// fixed addresses. One of the two is needed.
	EdgeName string
	// Targets is the name, relative to the zone, below which tenants have their
	// CNAME targets; "" is "edge".
	Targets string
	// Issuers are the CAs that may issue certificates, as CAA records name them.
	// Without any the zone gets no CAA record, and all may.
	Issuers []string
	// Challenges is where _acme-challenge leads by CNAME, if wildcard certificates
	// are proven in another zone (RFC 8555, section 8.4).
	Challenges string
	// TTL is that of all sets; 0 is the provider's own.
	TTL time.Duration
}

// Sets returns the records that a platform needs in its zone: its subdomains and
// targets as wildcards, so that a tenant that comes or goes changes no record. It
// does not touch the zone's own name, which is mostly the company's.
func (p Platform) Sets() ([]Set, error) {
	if (len(p.Edge) == 0) == (p.EdgeName == "") {
		return nil, errors.New("zone: either addresses or the name of the edge is needed")
	}
	targets := p.Targets
	if targets == "" {
		targets = "edge"
	}
	var sets []Set
	for _, name := range []string{"*", targets, "*." + targets} {
		if p.EdgeName != "" {
			sets = append(sets, Set{Name: name, Type: "CNAME", Data: []string{p.EdgeName}, TTL: p.TTL})
			continue
		}
		four, six := Set{Name: name, Type: "A", TTL: p.TTL}, Set{Name: name, Type: "AAAA", TTL: p.TTL}
		for _, at := range p.Edge {
			if at.Unmap().Is4() {
				four.Data = append(four.Data, at.Unmap().String())
			} else {
				six.Data = append(six.Data, at.String())
			}
		}
		for _, s := range []Set{four, six} {
			if len(s.Data) > 0 {
				sets = append(sets, s)
			}
		}
	}
	caa := Set{Name: "@", Type: "CAA", TTL: p.TTL}
	for _, issuer := range p.Issuers {
		caa.Data = append(caa.Data, `0 issue "`+issuer+`"`, `0 issuewild "`+issuer+`"`)
	}
	if len(caa.Data) > 0 {
		sets = append(sets, caa)
	}
	if p.Challenges != "" {
		sets = append(sets, Set{Name: "_acme-challenge", Type: "CNAME", Data: []string{p.Challenges}, TTL: p.TTL})
	}
	return sets, nil
}
