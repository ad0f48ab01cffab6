package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/proof"
)

// The attacks on proofs of domains are played with DNS servers of the attacker's
// making. A proof that succeeds is what the attacker is after: with it the
// victim's host would be the attacker's.

func domainCases() []Case {
	return []Case{
		{ID: "51h", Name: "a redirect led to another host", On: onNaive, Once: true, Control: redirected(naiveRedirect()), Attack: redirected(redirects())},
		{ID: "53c", Name: "a host claimed by another tenant's TXT record", On: onNaive, Once: true, Control: naively(othersRecord), Attack: by(othersRecord)},
		{ID: "53r", Name: "a resolver that invents the TXT record", On: onNaive, Once: true, Control: naively(lyingResolver), Attack: by(lyingResolver)},
		{ID: "53s", Name: "a name server that still has the last owner's record", On: onNaive, Once: true, Control: naively(staleServer), Attack: by(staleServer)},
		{ID: "53z", Name: "a resolver that says the zone is served elsewhere", On: onNaive, Once: true, Control: naively(lyingDelegation), Attack: by(lyingDelegation)},
		{ID: "55", Name: "SSRF by HTTP proof: inside, ::ffff:, 169.254.169.254", On: onNaive, Once: true, Control: fetchAnything, Attack: fetchInside},
		{ID: "55b", Name: "SSRF by HTTP proof: rebinding", On: onNaive, Once: true, Control: fetchRebound, Attack: fetchRebinding},
		{ID: "55n", Name: "SSRF by DNS proof: a zone served from inside", On: onNaive, Once: true, Control: askInside, Attack: zoneInside},
	}
}

// attackerToken is what the attacker was told to publish, and cannot where the
// zone is the victim's.
const (
	attackerToken = "attackers-token-4f8a1c"
	victimToken   = "victims-token-93b7de"
	challengeName = "_partywall-challenge.shop.example.com"
)

// internet is what the attack is played in: two servers of the victim's zone and
// two resolvers.
type internet struct {
	own, resolvers [2]*dnstest.Server
	mu             sync.Mutex
	dialled        []string // by DNS, other than the above
	connected      []string // by HTTP
	stop           context.CancelFunc
}

// within opens an internet for the time of a function.
func within(play func(in *internet) error) (err error) {
	in := &internet{}
	for _, place := range []*[2]*dnstest.Server{&in.own, &in.resolvers} {
		for i := range place {
			s, err := dnstest.Open()
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }() // it has served its time
			place[i] = s
			if err := in.honest(s); err != nil {
				return err
			}
		}
	}
	return play(in)
}

// honest gives a server what is so.
func (*internet) honest(s *dnstest.Server, records ...string) error {
	return errors.Join(
		s.Load("example.com", append([]string{"@ NS ns1.dns.example.", "@ NS ns2.dns.example.", "honest TXT x"}, records...)...),
		s.Load("dns.example", "@ NS ns1", "ns1 A 45.0.0.1", "ns2 A 45.0.0.2"))
}

func (in *internet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to := map[string]string{"45.0.0.1:53": in.own[0].Addr(), "45.0.0.2:53": in.own[1].Addr()}[address]
	for _, r := range in.resolvers {
		if address == r.Addr() {
			to = address
		}
	}
	if to == "" {
		in.mu.Lock()
		in.dialled = append(in.dialled, address)
		in.mu.Unlock()
		return nil, errors.New("nobody is there")
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}

func (in *internet) prover() (*proof.Prover, error) {
	return proof.New([]string{in.resolvers[0].Addr(), in.resolvers[1].Addr()}, &proof.Options{
		Dial: in.dial, Timeout: time.Second, FetchTimeout: time.Second,
		OnConnect: func(at netip.AddrPort) {
			in.mu.Lock()
			defer in.mu.Unlock()
			in.connected = append(in.connected, at.String())
			in.stop() // before a packet leaves this machine
		},
	})
}

// went are the addresses that a proof by HTTP has connected to. A dial may outlive
// its request.
func (in *internet) went() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]string(nil), in.connected...)
}

// prove looks for the attacker's proof of the victim's host.
func (in *internet) prove(ctx context.Context, method domain.Method) error {
	p, err := in.prover()
	if err != nil {
		return err
	}
	ctx, in.stop = context.WithCancel(ctx)
	defer in.stop()
	_, err = p.Prove(ctx, domain.Challenge{Host: "shop.example.com", Method: method, Token: attackerToken})
	return err
}

// naively asks the first resolver whether there is a record as the attacker needs
// it, or as anybody does: many a hand-written check looks for a prefix.
func naively(setup func(*internet) error) Attack {
	return func(ctx context.Context, s *scene) error {
		return within(func(in *internet) error {
			if err := setup(in); err != nil {
				return err
			}
			for _, server := range []*dnstest.Server{in.resolvers[0], in.own[0]} {
				r, _, err := new(dns.Client).ExchangeContext(ctx, new(dns.Msg).SetQuestion(challengeName+".", dns.TypeTXT), server.Addr())
				if err != nil {
					return err
				}
				if len(r.Answer) > 0 {
					s.found = append(s.found, "the victim's host is proven to be the attacker's")
				}
			}
			return nil
		})
	}
}

// by plays the same with a prover.
func by(setup func(*internet) error) Attack {
	return func(ctx context.Context, s *scene) error {
		return within(func(in *internet) error {
			// First an honest proof, which has to succeed.
			for _, server := range append(in.own[:], in.resolvers[:]...) {
				if err := in.honest(server, "_partywall-challenge.shop TXT "+attackerToken); err != nil {
					return err
				}
			}
			if err := in.prove(ctx, domain.MethodTXT); err != nil {
				return fmt.Errorf("an honest proof fails: %w", err)
			}
			for _, server := range append(in.own[:], in.resolvers[:]...) {
				if err := in.honest(server); err != nil {
					return err
				}
			}
			if err := setup(in); err != nil {
				return err
			}
			if in.prove(ctx, domain.MethodTXT) == nil {
				s.found = append(s.found, "the victim's host is proven to be the attacker's")
			}
			return nil
		})
	}
}

func othersRecord(in *internet) error {
	var all []error
	for _, server := range append(in.own[:], in.resolvers[:]...) {
		all = append(all, in.honest(server, "_partywall-challenge.shop TXT "+victimToken))
	}
	return errors.Join(all...)
}

func lyingResolver(in *internet) error {
	return errors.Join(in.honest(in.resolvers[0], "_partywall-challenge.shop TXT "+attackerToken),
		in.honest(in.resolvers[1], "_partywall-challenge.shop TXT "+attackerToken))
}

func staleServer(in *internet) error {
	return errors.Join(lyingResolver(in), in.honest(in.own[0], "_partywall-challenge.shop TXT "+attackerToken))
}

// lyingDelegation has the attacker's name server in one resolver's answers; the
// second of the zone's servers is the attacker's here.
func lyingDelegation(in *internet) error {
	err := errors.Join(lyingResolver(in), in.honest(in.own[1], "_partywall-challenge.shop TXT "+attackerToken))
	in.resolvers[0].Fail("example.com", dnstest.Fault{Lie: func(r *dns.Msg) {
		for i, rr := range r.Answer {
			if ns, ok := rr.(*dns.NS); ok {
				r.Answer[i] = &dns.NS{Hdr: ns.Hdr, Ns: "ns2.dns.example."}
			}
		}
	}})
	return err
}

// insides are addresses behind which something trusts whoever comes from here.
func insides() []string {
	return []string{"127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "168.63.129.16",
		"::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254", "fe80::1"}
}

// answering makes the resolvers answer for the victim's host as a function says.
func (in *internet) answering(address func() netip.Addr) {
	for _, r := range in.resolvers {
		r.Fail("shop.example.com", dnstest.Fault{Lie: func(m *dns.Msg) {
			at, h := address(), dns.RR_Header{Name: m.Question[0].Name, Rrtype: m.Question[0].Qtype, Class: dns.ClassINET, Ttl: 0}
			m.Rcode, m.Answer = dns.RcodeSuccess, nil
			switch {
			case m.Question[0].Qtype == dns.TypeA && at.Is4():
				m.Answer = []dns.RR{&dns.A{Hdr: h, A: at.AsSlice()}}
			case m.Question[0].Qtype == dns.TypeAAAA && at.Is6():
				m.Answer = []dns.RR{&dns.AAAA{Hdr: h, AAAA: at.AsSlice()}}
			}
		}})
	}
}

// fetchInside proves a host by HTTP that leads inside.
func fetchInside(ctx context.Context, s *scene) error {
	return within(func(in *internet) error {
		for _, inside := range insides() {
			in.answering(func() netip.Addr { return netip.MustParseAddr(inside) })
			if err := in.prove(ctx, domain.MethodHTTP); reasonOf(err) != domain.ReasonAddressRefused {
				s.found = append(s.found, fmt.Sprintf("%s is not refused: %v", inside, err))
			}
		}
		for _, at := range in.went() {
			s.found = append(s.found, "connects to "+at)
		}
		return nil
	})
}

// fetchRebinding proves a host that is outside when it is looked up first, and
// inside from then on.
func fetchRebinding(ctx context.Context, s *scene) error {
	return within(func(in *internet) error {
		var asked atomic.Int32
		in.answering(func() netip.Addr {
			if asked.Add(1) > 4 { // two resolvers, A and AAAA
				return netip.MustParseAddr("127.0.0.1")
			}
			return netip.MustParseAddr("45.0.0.9")
		})
		for range 2 {
			_ = in.prove(ctx, domain.MethodHTTP) // where it goes is what counts
		}
		went := in.went()
		if asked.Load() <= 4 || len(went) == 0 {
			return fmt.Errorf("%d questions, and connects to %q: nothing was rebound", asked.Load(), went)
		}
		for _, at := range went {
			if at != "45.0.0.9:80" {
				s.found = append(s.found, "connects to "+at)
			}
		}
		return nil
	})
}

// zoneInside has a zone whose servers are inside.
func zoneInside(ctx context.Context, s *scene) error {
	return within(func(in *internet) error {
		for _, inside := range []string{"A 127.0.0.1", "A 10.0.0.1", "A 169.254.169.254", "AAAA ::1", "AAAA fd00:ec2::254", "AAAA 64:ff9b::7f00:1"} {
			for _, r := range in.resolvers {
				if err := r.Load("dns.example", "@ NS ns1", "ns1 "+inside, "ns2 "+inside); err != nil {
					return err
				}
			}
			if err := in.prove(ctx, domain.MethodTXT); reasonOf(err) != domain.ReasonDNSFailure {
				s.found = append(s.found, fmt.Sprintf("%s is not refused: %v", inside, err))
			}
		}
		for _, at := range in.dialled {
			s.found = append(s.found, "asks "+at)
		}
		return nil
	})
}

func reasonOf(err error) domain.Reason {
	if failed, ok := errors.AsType[*domain.ProofError](err); ok {
		return failed.Reason
	}
	return ""
}

// fetchAnything is a handler that fetches what it is told, here from a listener
// that stands for what is inside.
func fetchAnything(ctx context.Context, s *scene) error {
	return s.inside(ctx, func(port string) (string, error) {
		return s.send(ctx, net.JoinHostPort("::ffff:127.0.0.1", port), request{"Host: inside"})
	})
}

// fetchRebound checks the address that it has looked up, and lets the dialer look
// again.
func fetchRebound(ctx context.Context, s *scene) error {
	return s.inside(ctx, func(port string) (string, error) {
		answers := []string{"45.0.0.1", "127.0.0.1"}
		lookup := func() string {
			at := answers[0]
			answers = answers[1:]
			return at
		}
		if netip.MustParseAddr(lookup()).IsLoopback() {
			return "", nil
		}
		return s.send(ctx, net.JoinHostPort(lookup(), port), request{"Host: inside"})
	})
}

// inside serves the canary on loopback, and hears what a function gets of it.
func (s *scene) inside(ctx context.Context, get func(port string) (string, error)) error {
	addr, stop, err := listening(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, s.victim.canary) // a client that has gone hears nothing
	}))
	if err != nil {
		return err
	}
	defer stop()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	body, err := get(port)
	s.hear(body)
	return err
}

// askInside asks whichever server a zone is said to have: one inside, whose names
// are nobody's business.
func askInside(ctx context.Context, s *scene) error {
	server, err := dnstest.Open()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }() // it has served its time
	if err := server.Load("example.com", `_partywall-challenge.shop TXT "`+s.victim.canary+`"`); err != nil {
		return err
	}
	r, _, err := new(dns.Client).ExchangeContext(ctx, new(dns.Msg).SetQuestion(challengeName+".", dns.TypeTXT), server.Addr())
	if err != nil {
		return err
	}
	for _, rr := range r.Answer {
		s.hear(strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return nil
}
