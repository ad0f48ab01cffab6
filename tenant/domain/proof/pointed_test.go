package proof_test

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/proof"
)

func TestPointed(t *testing.T) {
	t.Parallel()
	edge := func(o *proof.Options) { o.Edge = []netip.Prefix{netip.MustParsePrefix("46.0.0.0/24")} }
	for name, c := range map[string]struct {
		records [][]string
		want    domain.Reason
	}{
		"an alias":                 {[][]string{{"shop.example.com. CNAME k3j9.edge.example."}}, ""},
		"an alias of an alias":     {[][]string{{"shop.example.com. CNAME www.example.com."}, {"www.example.com. CNAME K3J9.edge.example."}}, ""},
		"an apex":                  {[][]string{{"shop.example.com. A 46.0.0.7"}}, ""},
		"nothing":                  {nil, domain.ReasonNotPointed},
		"another tenant's target":  {[][]string{{"shop.example.com. CNAME other.edge.example."}, {"other.edge.example. A 47.0.0.1"}}, domain.ReasonNotPointed},
		"elsewhere":                {[][]string{{"shop.example.com. A 47.0.0.1"}}, domain.ReasonNotPointed},
		"here and elsewhere":       {[][]string{{"shop.example.com. A 46.0.0.7", "shop.example.com. A 47.0.0.1"}}, domain.ReasonNotPointed},
		"here, and elsewhere by 6": {[][]string{{"shop.example.com. A 46.0.0.7"}, {"shop.example.com. AAAA 2a00::1"}}, domain.ReasonNotPointed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, set := range c.records {
				w.set(t, set...)
			}
			ok, err := w.prover(t, edge).Pointed(t.Context(), "shop.example.com", "k3j9.edge.example")
			if ok != (c.want == "") || reason(err) != c.want {
				t.Errorf("got %v, %v", ok, err)
			}
		})
	}
	w := newWorld(t)
	w.set(t, "shop.example.com. A 46.0.0.7")
	w.resolvers[0].Fail("", dnstest.Fault{Rcode: dns.RcodeServerFailure})
	if ok, err := w.prover(t, edge).Pointed(t.Context(), "shop.example.com", ""); ok || reason(err) != domain.ReasonDNSFailure {
		t.Errorf("got %v, %v", ok, err)
	}
}

// TestUnsure tells a host that leads elsewhere from one of which nobody says where
// it leads: the second may lead here.
func TestUnsure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at            string
		blind         bool // the first resolver does not answer
		pointed, sure bool
	}{
		"here":                    {"CNAME k3j9.edge.example.", false, true, true},
		"elsewhere":               {"A 47.0.0.1", false, false, true},
		"here, and nobody says":   {"CNAME k3j9.edge.example.", true, false, false},
		"elsewhere, nobody knows": {"A 47.0.0.1", true, false, true}, // the others have said so
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.set(t, "shop.example.com. "+c.at)
			if c.blind {
				w.resolvers[0].Fail("shop.example.com", dnstest.Fault{Rcode: dns.RcodeServerFailure})
			}
			e, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT))
			if e.Pointed != c.pointed || e.Unsure == c.sure {
				t.Errorf("pointed %v, unsure %v, %v", e.Pointed, e.Unsure, err)
			}
		})
	}
}

func TestCAA(t *testing.T) {
	t.Parallel()
	const at, above = "shop.example.com. CAA ", "example.com. CAA "
	for name, c := range map[string]struct {
		records [][]string
		wild    bool
		want    domain.Reason
	}{
		"none":                      {nil, false, ""},
		"ours":                      {[][]string{{at + `0 issue "letsencrypt.org"`}}, false, ""},
		"ours, in capitals, spaced": {[][]string{{at + `0 ISSUE " LetsEncrypt.org ; validationmethods=dns-01"`}}, false, ""},
		"ours among others":         {[][]string{{at + `0 issue "pki.goog"`, at + `0 issue "letsencrypt.org"`}}, false, ""},
		"another's":                 {[][]string{{at + `0 issue "pki.goog"`}}, false, domain.ReasonCAAForbids},
		"nobody's":                  {[][]string{{at + `0 issue ";"`}}, false, domain.ReasonCAAForbids},
		"another's, above":          {[][]string{{above + `0 issue "pki.goog"`}}, false, domain.ReasonCAAForbids},
		"the closest counts":        {[][]string{{above + `0 issue "pki.goog"`}, {at + `0 issue "letsencrypt.org"`}}, false, ""},
		"only a mail address":       {[][]string{{at + `0 iodef "mailto:a@example.com"`}}, false, ""},
		"the closest, though mute":  {[][]string{{above + `0 issue "pki.goog"`}, {at + `0 iodef "mailto:a@example.com"`}}, false, ""},
		"unknown and critical":      {[][]string{{at + `128 future "x"`, at + `0 issue "letsencrypt.org"`}}, false, domain.ReasonCAAForbids},
		"unknown":                   {[][]string{{at + `0 future "x"`}}, false, ""},
		"wildcards are another's":   {[][]string{{at + `0 issuewild "pki.goog"`, at + `0 issue "letsencrypt.org"`}}, true, domain.ReasonCAAForbids},
		"only wildcards are":        {[][]string{{at + `0 issuewild "pki.goog"`}}, false, ""},
		"wildcards by issue":        {[][]string{{at + `0 issue "letsencrypt.org"`}}, true, ""},
		"no wildcards by issue":     {[][]string{{at + `0 issue "pki.goog"`}}, true, domain.ReasonCAAForbids},
		"through an alias":          {[][]string{{"shop.example.com. CNAME k3j9.edge.example."}, {`k3j9.edge.example. CAA 0 issue "pki.goog"`}}, false, domain.ReasonCAAForbids},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, set := range c.records {
				w.set(t, set...)
			}
			if err := w.prover(t).CAA(t.Context(), "shop.example.com", c.wild); reason(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	w := newWorld(t)
	w.resolvers[1].Fail("example.com", dnstest.Fault{Rcode: dns.RcodeServerFailure})
	if err := w.prover(t).CAA(t.Context(), "shop.example.com", false); reason(err) != domain.ReasonDNSFailure {
		t.Errorf("got %v", err)
	}
}
