package proof

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/tenant/domain"
)

const (
	maxToken = 255  // what one string of a TXT record holds
	maxTXT   = 1024 // longer records are no proofs of ours
)

// proveTXT looks for the token in the challenge's record. Each server of the zone
// must have it, so that a stale one, or one that somebody else runs, is seen; and
// a quorum of resolvers must see it, so that a lie on the way to us does not do.
func (p *Prover) proveTXT(ctx context.Context, c domain.Challenge) ([]string, error) {
	var tally tally
	name := c.Record()
	for range maxChain {
		servers, err := p.authorities(ctx, name)
		if err != nil {
			return nil, &domain.ProofError{Reason: domain.ReasonDNSFailure, Err: err}
		}
		alias := ""
		for _, a := range p.askAuthorities(ctx, servers, name, dns.TypeTXT) {
			alias = tally.authority(a, name, c.Token, alias)
		}
		if alias == "" || tally.mixed {
			return p.decide(ctx, c, &tally)
		}
		// A challenge may be delegated by an alias, which says the same everywhere.
		if err := tally.enough(); err != nil {
			return tally.seen, &domain.ProofError{Reason: domain.ReasonDNSFailure, Seen: tally.seen, Err: err}
		}
		tally = tallied(tally.seen)
		name = strings.TrimSuffix(alias, ".")
	}
	return tally.seen, &domain.ProofError{Reason: domain.ReasonDNSFailure, Seen: tally.seen, Err: fmt.Errorf("%w: too many aliases", errAnswer)}
}

// decide asks the resolvers as well, and says what all this means.
func (p *Prover) decide(ctx context.Context, c domain.Challenge, t *tally) ([]string, error) {
	if err := t.enough(); err != nil {
		return t.seen, &domain.ProofError{Reason: domain.ReasonDNSFailure, Seen: t.seen, Err: err}
	}
	var resolvers tally
	for _, a := range p.askAll(ctx, p.resolvers, c.Record(), dns.TypeTXT) {
		resolvers.count(a, c.Record(), c.Token)
	}
	resolvers.seen = merge(t.seen, resolvers.seen)
	fail := func(reason domain.Reason, err error) ([]string, error) {
		return resolvers.seen, &domain.ProofError{Reason: reason, Seen: resolvers.seen, Err: err}
	}
	switch {
	case t.present == 0 && t.others == 0 && !t.mixed:
		return fail(domain.ReasonNoRecord, nil)
	case t.present == 0 && !t.mixed:
		return fail(domain.ReasonWrongRecord, nil)
	case t.absent > 0 || t.mixed:
		return fail(domain.ReasonResolversDisagree, fmt.Errorf("proof: %d of the zone's servers have the record, %d do not", t.present, t.absent))
	case resolvers.present >= p.quorum:
		return resolvers.seen, nil
	case resolvers.present+resolvers.failed >= p.quorum:
		return fail(domain.ReasonDNSFailure, resolvers.err)
	}
	return fail(domain.ReasonResolversDisagree, fmt.Errorf("proof: %d of %d resolvers show the record", resolvers.present, len(p.resolvers)))
}

// tally counts what servers say of one record.
type tally struct {
	present, absent, failed int
	others                  int  // records that are not the token
	aliases                 int  // servers that say it is an alias
	mixed                   bool // servers name different aliases, or some none
	seen                    []string
	err                     error // why one failed
}

func tallied(seen []string) tally { return tally{seen: seen} }

// authority counts the answer of a zone's server, which may be an alias, and
// returns the alias so far.
func (t *tally) authority(a answer, name, token, alias string) string {
	if a.err == nil {
		if names := chain(a.msg, name); len(names) > 1 {
			t.mixed = t.mixed || alias != "" && alias != names[1] || t.aliases == 0 && t.present+t.absent > 0
			t.aliases++
			return names[1]
		}
		t.mixed = t.mixed || t.aliases > 0
	}
	t.count(a, name, token)
	return alias
}

func (t *tally) count(a answer, name, token string) {
	if a.err != nil {
		t.failed, t.err = t.failed+1, a.err
		return
	}
	found := false
	for _, rr := range records[*dns.TXT](a.msg, chain(a.msg, name)) {
		value := strings.Join(rr.Txt, "")
		if len(value) <= maxTXT && strings.TrimSpace(value) == token {
			found = true
			continue
		}
		t.others++
		t.seen = merge(t.seen, []string{visible(value)})
	}
	if found {
		t.present++
	} else {
		t.absent++
	}
}

// enough reports whether more than half of the servers have answered, and one at
// least.
func (t *tally) enough() error {
	if answered := t.present + t.absent + t.aliases; answered > t.failed {
		return nil
	}
	return errors.Join(errors.New("proof: too few of the zone's servers answer"), t.err)
}

// Limits of what is shown to people.
const (
	maxSeen      = 5
	maxSeenBytes = 100
)

// merge adds what is not there yet, up to the limit.
func merge(seen, more []string) []string {
	for _, s := range more {
		if len(seen) < maxSeen && !slices.Contains(seen, s) {
			seen = append(seen, s)
		}
	}
	return seen
}

// visible cuts short what came from outside, and leaves visible ASCII.
func visible(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), maxSeenBytes+1)])
	if len(text) > maxSeenBytes {
		return text[:maxSeenBytes] + "..."
	}
	return text
}
