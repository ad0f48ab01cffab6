package proof_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/proof"
)

func TestTXT(t *testing.T) {
	t.Parallel()
	with := func(records ...string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { t.Helper(); w.set(t, records...) }
	}
	own := func(i int, change func(*testing.T, *dnstest.Server)) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { t.Helper(); w.set(t, record+token); change(t, w.own[i]) }
	}
	resolver := func(i int, change func(*testing.T, *dnstest.Server)) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { t.Helper(); w.set(t, record+token); change(t, w.resolvers[i]) }
	}
	fail := func(f dnstest.Fault) func(*testing.T, *dnstest.Server) {
		return func(_ *testing.T, s *dnstest.Server) { s.Fail("_partywall-challenge.shop.example.com", f) }
	}
	gone := func(_ *testing.T, s *dnstest.Server) { s.Remove("_partywall-challenge.shop.example.com", dns.TypeTXT) }
	var many []string
	for i := range 150 {
		many = append(many, fmt.Sprintf(record+"noise%d", i))
	}
	giant := record + strings.TrimSpace(strings.Repeat(`"`+strings.Repeat("x", 255)+`" `, 100))
	for name, c := range map[string]struct {
		given func(*testing.T, *world)
		opts  func(*proof.Options)
		want  domain.Reason
	}{
		"the record":                 {with(record + token), nil, ""},
		"among others":               {with(record+"v=spf1", record+token), nil, ""},
		"in two strings":             {with(record + token[:7] + " " + token[7:]), nil, ""},
		"with a space":               {with(record + `" ` + token + `"`), nil, ""},
		"no name":                    {func(*testing.T, *world) {}, nil, domain.ReasonNoRecord},
		"no record, but the name":    {with("_partywall-challenge.shop.example.com. A 46.0.0.1"), nil, domain.ReasonNoRecord},
		"another's token":            {with(record + "another-tenants-token"), nil, domain.ReasonWrongRecord},
		"the token in more":          {with(record + "x" + token), nil, domain.ReasonWrongRecord},
		"the token in capitals":      {with(record + strings.ToUpper(token)), nil, domain.ReasonWrongRecord},
		"at the host itself":         {with("shop.example.com. TXT " + token), nil, domain.ReasonNoRecord},
		"too many records":           {with(append(many, record+token)...), nil, domain.ReasonDNSFailure},
		"a giant one beside it":      {with(giant, record+token), nil, ""},
		"a giant one":                {with(giant), nil, domain.ReasonWrongRecord},
		"one server is stale":        {own(0, gone), nil, domain.ReasonResolversDisagree},
		"all servers are stale":      {func(t *testing.T, w *world) { own(0, gone)(t, w); gone(t, w.own[1]) }, nil, domain.ReasonNoRecord},
		"one server fails":           {own(1, fail(dnstest.Fault{Rcode: dns.RcodeServerFailure})), nil, domain.ReasonDNSFailure},
		"one server is silent":       {own(1, fail(dnstest.Fault{Silent: true})), quick, domain.ReasonDNSFailure},
		"one server has no say":      {own(1, fail(dnstest.Fault{Lame: true})), nil, domain.ReasonDNSFailure},
		"one server says NXDOMAIN":   {own(1, fail(dnstest.Fault{Rcode: dns.RcodeNameError})), nil, domain.ReasonResolversDisagree},
		"another's answer":           {own(1, fail(dnstest.Fault{WrongQuestion: true})), nil, domain.ReasonDNSFailure},
		"a guessed number":           {own(1, fail(dnstest.Fault{WrongID: true})), quick, domain.ReasonDNSFailure},
		"TCP where UDP is too small": {own(1, fail(dnstest.Fault{Truncated: true})), nil, ""},
		"one resolver lags":          {resolver(1, gone), nil, domain.ReasonResolversDisagree},
		"one lags, two suffice":      {resolver(1, gone), func(o *proof.Options) { o.Quorum = 2 }, ""},
		"one resolver fails":         {resolver(1, fail(dnstest.Fault{Rcode: dns.RcodeServerFailure})), nil, domain.ReasonDNSFailure},
		"one fails, two suffice":     {resolver(1, fail(dnstest.Fault{Rcode: dns.RcodeRefused})), func(o *proof.Options) { o.Quorum = 2 }, ""},
		"one sees another's":         {resolver(2, func(t *testing.T, s *dnstest.Server) { s.Set(t, record+"other") }), nil, domain.ReasonResolversDisagree},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.given(t, w)
			opts := c.opts
			if opts == nil {
				opts = func(*proof.Options) {}
			}
			got, err := w.prover(t, opts).Prove(t.Context(), challenge(domain.MethodTXT))
			if reason(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			for _, seen := range got.Seen {
				if len(seen) > 103 {
					t.Errorf("%d bytes are shown", len(seen))
				}
			}
		})
	}
}

// What resolvers alone say does not prove anything: those who run the zone decide.
func TestTXTLies(t *testing.T) {
	t.Parallel()
	invent := func(w *world, t *testing.T, from int) {
		for _, r := range w.resolvers[from:] {
			r.Set(t, record+token)
		}
	}
	// A resolver that says the zone is served elsewhere, by who has the record.
	elsewhere := func(w *world, t *testing.T, r *dnstest.Server) {
		r.Set(t, "example.com. NS ns.evil.example.")
		r.Zone(t, "evil.example", "ns A 45.0.0.3", "@ NS ns")
		evil := dnstest.Start(t)
		evil.Zone(t, "example.com", "_partywall-challenge.shop TXT "+token)
		w.own = append(w.own, evil)
	}
	t.Run("all resolvers invent it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		invent(w, t, 0)
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonNoRecord {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one resolver has another zone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		elsewhere(w, t, w.resolvers[0])
		invent(w, t, 0)
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonResolversDisagree {
			t.Errorf("got %v", err)
		}
		// Control: where all resolvers lie, nothing holds.
		for _, r := range w.resolvers[1:] {
			r.Set(t, "example.com. NS ns.evil.example.")
			r.Zone(t, "evil.example", "ns A 45.0.0.3", "@ NS ns")
		}
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); err != nil {
			t.Errorf("control: %v", err)
		}
	})
	t.Run("one resolver has a zone further down", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		elsewhere(w, t, w.resolvers[0])
		w.resolvers[0].Remove("example.com", dns.TypeNS)
		w.resolvers[0].Set(t, "example.com. NS ns1.dns.example.")
		w.resolvers[0].Set(t, "shop.example.com. NS ns.evil.example.")
		invent(w, t, 0)
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonResolversDisagree {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the zone is served from inside", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.set(t, record+token)
		w.set(t, "ns1.dns.example. A 10.0.0.1")
		w.set(t, "ns2.dns.example. A 127.0.0.1")
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonDNSFailure {
			t.Errorf("got %v", err)
		}
	})
}

func TestTXTAlias(t *testing.T) {
	t.Parallel()
	const alias = "_partywall-challenge.shop.example.com. CNAME "
	t.Run("to another zone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.set(t, alias+"proofs.edge.example.")
		w.set(t, "proofs.edge.example. TXT "+token)
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); err != nil {
			t.Error(err)
		}
		// It is that zone's servers who are asked for it, and must agree.
		for _, r := range w.resolvers {
			r.Set(t, "edge.example. NS ns2.dns.example.")
		}
		w.own[1].Remove("proofs.edge.example", dns.TypeTXT)
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonNoRecord {
			t.Errorf("got %v", err)
		}
	})
	t.Run("in a circle", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.set(t, alias+"proofs.edge.example.")
		w.set(t, "proofs.edge.example. CNAME _partywall-challenge.shop.example.com.")
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonDNSFailure {
			t.Errorf("got %v", err)
		}
	})
	t.Run("at one server only", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.set(t, record+token)
		w.own[0].Remove("_partywall-challenge.shop.example.com", dns.TypeTXT)
		w.own[0].Set(t, alias+"proofs.edge.example.")
		if _, err := w.prover(t).Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonResolversDisagree {
			t.Errorf("got %v", err)
		}
	})
}

// Nothing is kept: what has changed is seen at once.
func TestTXTIsNotCached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.prover(t)
	for range 2 {
		if _, err := p.Prove(t.Context(), challenge(domain.MethodTXT)); reason(err) != domain.ReasonNoRecord {
			t.Fatal(err)
		}
		w.set(t, record+token)
		if _, err := p.Prove(t.Context(), challenge(domain.MethodTXT)); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.all() {
			s.Remove("_partywall-challenge.shop.example.com", dns.TypeTXT)
		}
	}
}

func TestProveRefuses(t *testing.T) {
	t.Parallel()
	p := newWorld(t).prover(t)
	for name, change := range map[string]func(*domain.Challenge){
		"capitals":      func(c *domain.Challenge) { c.Host = "Shop.example.com" },
		"an address":    func(c *domain.Challenge) { c.Host = "10.0.0.1" },
		"a long host":   func(c *domain.Challenge) { c.Host = strings.Repeat("a.", 120) + "com" },
		"no token":      func(c *domain.Challenge) { c.Token = "" },
		"a short token": func(c *domain.Challenge) { c.Token = "1" },
		"no method":     func(c *domain.Challenge) { c.Method = "" },
	} {
		c := challenge(domain.MethodTXT)
		change(&c)
		if _, err := p.Prove(t.Context(), c); err == nil {
			t.Errorf("%s: proven", name)
		}
	}
}
