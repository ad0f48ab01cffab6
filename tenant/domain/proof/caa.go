package proof

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/tenant/domain"
)

// CAA looks whether one of [Options.Issuers] may issue a certificate for a host,
// or for all names one label below it if wildcard is set (RFC 8659). It is worth
// asking before an order: a CA that refuses counts that as a failure. The CA asks
// again, and decides.
//
// It fails with a [domain.ProofError]: caa-forbids, or dns-failure where no CA
// would issue either. Parameters, such as accounturi (RFC 8657), are not read.
func (p *Prover) CAA(ctx context.Context, host string, wildcard bool) error {
	for at := host; at != ""; _, at, _ = strings.Cut(at, ".") {
		set := map[string]*dns.CAA{}
		for _, a := range p.askAll(ctx, p.resolvers, at, dns.TypeCAA) {
			if a.err != nil {
				return &domain.ProofError{Reason: domain.ReasonDNSFailure, Err: fmt.Errorf("proof: looking for CAA records: %w", a.err)}
			}
			for _, rr := range records[*dns.CAA](a.msg, chain(a.msg, at)) {
				set[rr.String()] = rr
			}
		}
		if len(set) > 0 { // the closest set counts, and no other
			return p.judge(set, wildcard)
		}
	}
	return nil
}

// judge reads one set of records.
func (p *Prover) judge(set map[string]*dns.CAA, wildcard bool) error {
	var seen, issue, issueWild []string
	critical, restricts, restrictsWild := false, false, false
	for _, rr := range set {
		seen = append(seen, visible(rr.Tag+" "+rr.Value))
		// Only a domain name counts; what follows a semicolon are parameters.
		issuer, _, _ := strings.Cut(rr.Value, ";")
		issuer = strings.ToLower(strings.TrimSpace(issuer))
		switch strings.ToLower(rr.Tag) {
		case "issue":
			restricts, issue = true, append(issue, issuer)
		case "issuewild":
			restrictsWild, issueWild = true, append(issueWild, issuer)
		case "iodef", "issuemail", "issuevmc", "contactemail", "contactphone":
		default:
			critical = critical || rr.Flag&0x80 != 0
		}
	}
	slices.Sort(seen)
	seen = merge(nil, seen)
	if wildcard && restrictsWild {
		restricts, issue = true, issueWild
	}
	allowed := !restricts || slices.ContainsFunc(issue, func(name string) bool { return slices.Contains(p.issuers, name) })
	if critical || !allowed {
		return &domain.ProofError{Reason: domain.ReasonCAAForbids, Seen: seen}
	}
	return nil
}
