package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/partywall/partywall/internal/hostname"
	"github.com/partywall/partywall/tenant/domain"
)

// Options change how a [Prover] works. The zero value is right for most.
type Options struct {
	// Quorum is how many resolvers must show a proof; 0 is all of them. The
	// zone's own servers must agree in any case.
	Quorum int
	// Timeout is how long one question to one server may take; 0 is 3 seconds.
	// UDP is tried twice.
	Timeout time.Duration
	// FetchTimeout is how long a look by HTTP may take, with its redirects; 0 is
	// 10 seconds.
	FetchTimeout time.Duration
	// Edge are the addresses that the platform serves tenants from. An apex, which
	// can have no CNAME, has to lead to these.
	Edge []netip.Prefix
	// Refuse are networks to keep away from beside all that are not public: the
	// host's own public addresses behind which something trusts it.
	Refuse []netip.Prefix
	// Issuers are the CAs as CAA records name them, such as "letsencrypt.org".
	Issuers []string
	// Dial opens connections to DNS servers; nil is a net.Dialer. It is not used
	// for HTTP. Addresses of the zones' own servers have been checked by then. A
	// connection for "udp" has to be a net.PacketConn as well, as net's are.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// OnConnect, if not nil, is told of each address that a proof by HTTP connects
	// to, after the checks: to log or count it. Calls may come at the same time.
	OnConnect func(at netip.AddrPort)
}

// Prover looks whether challenges are met. It is a domain.Prover, has no state
// but its settings, and is safe for concurrent use.
type Prover struct {
	resolvers []string
	quorum    int
	timeout   time.Duration
	edge      []netip.Prefix
	issuers   []string
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	guard     *guard
	fetchTime time.Duration
}

var _ domain.Prover = (*Prover)(nil)

// New returns a Prover that asks these recursive resolvers, each an IP address
// with a port. Take several that do not share an operator or a network: one that
// lies, or is lied to, is then found out. It asks nobody yet.
func New(resolvers []string, opts *Options) (*Prover, error) {
	if opts == nil {
		opts = &Options{}
	}
	p := &Prover{
		resolvers: append([]string(nil), resolvers...), quorum: opts.Quorum, timeout: opts.Timeout, fetchTime: opts.FetchTimeout,
		edge: append([]netip.Prefix(nil), opts.Edge...), dial: opts.Dial, guard: newGuard(opts.Refuse, opts.OnConnect),
	}
	if p.quorum == 0 {
		p.quorum = len(resolvers)
	}
	if p.timeout == 0 {
		p.timeout = 3 * time.Second
	}
	if p.fetchTime == 0 {
		p.fetchTime = 10 * time.Second
	}
	if p.dial == nil {
		p.dial = new(net.Dialer).DialContext
	}
	all := []error{p.validate(opts)}
	for _, name := range opts.Issuers {
		one, err := hostname.Normalize(name)
		if err != nil {
			all = append(all, fmt.Errorf("proof: issuer: %w", err))
		}
		p.issuers = append(p.issuers, one)
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Prover) validate(opts *Options) error {
	var all []error
	if len(p.resolvers) == 0 {
		all = append(all, errors.New("proof: at least one resolver is needed"))
	}
	seen := map[string]bool{}
	for _, r := range p.resolvers {
		if _, err := netip.ParseAddrPort(r); err != nil || seen[r] {
			all = append(all, fmt.Errorf("proof: resolver %q is no IP address with a port, or there twice", r))
		}
		seen[r] = true
	}
	if p.quorum < 0 || p.quorum > len(p.resolvers) {
		all = append(all, fmt.Errorf("proof: a quorum of %d among %d resolvers", p.quorum, len(p.resolvers)))
	}
	if p.timeout < 0 || p.fetchTime < 0 {
		all = append(all, errors.New("proof: a timeout is negative"))
	}
	for _, prefix := range append(append([]netip.Prefix(nil), opts.Edge...), opts.Refuse...) {
		if !prefix.IsValid() {
			all = append(all, errors.New("proof: a network of Edge or Refuse is invalid"))
		}
	}
	return errors.Join(all...)
}

// Prove looks whether a challenge is met, once. It returns nil only if it is, and
// a [domain.ProofError] that says what is missing otherwise. Whether the host
// leads here is looked at in both cases, and decides nothing.
func (p *Prover) Prove(ctx context.Context, c domain.Challenge) (domain.Evidence, error) {
	if host, err := hostname.Normalize(c.Host); err != nil || host != c.Host || len(c.Record()) > 253 {
		return domain.Evidence{}, fmt.Errorf("proof: host is not in its one spelling, or too long: %w", errors.Join(err, hostname.ErrMalformed))
	}
	if len(c.Token) < 16 || len(c.Token) > maxToken {
		return domain.Evidence{}, errors.New("proof: challenge without a token of sensible length")
	}
	var evidence domain.Evidence
	var err error
	switch c.Method {
	case domain.MethodTXT:
		evidence.Seen, err = p.proveTXT(ctx, c)
	case domain.MethodHTTP:
		evidence.Seen, err = p.proveHTTP(ctx, c)
	default:
		return domain.Evidence{}, fmt.Errorf("proof: no method %q", c.Method)
	}
	var led error
	evidence.Pointed, led = p.Pointed(ctx, c.Host, c.Target)
	failure, ok := errors.AsType[*domain.ProofError](led)
	evidence.Unsure = led != nil && (!ok || failure.Reason != domain.ReasonNotPointed)
	return evidence, err
}
