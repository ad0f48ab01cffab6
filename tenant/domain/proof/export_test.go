package proof

import (
	"context"
	"net"
	"net/netip"
)

// Lead replaces the last step of connections for HTTP: what has passed all checks
// is led to where the function says. The checks stand as they are.
func (p *Prover) Lead(to func(at netip.AddrPort) string) {
	p.guard.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, to(netip.MustParseAddrPort(address)))
	}
}

// Unguard takes the wall away: the tests of it must fail then.
func (p *Prover) Unguard() { p.guard.allow = func(netip.Addr) bool { return true } }

// CheckAddress asks the guard.
func (p *Prover) CheckAddress(at netip.Addr) error { return p.guard.check(at) }

// DialHTTP opens a connection as for HTTP, with no check but the socket's.
func (p *Prover) DialHTTP(ctx context.Context, at string) error {
	conn, err := p.guard.connect(ctx, "tcp", at)
	if err == nil {
		_ = conn.Close() // it was opened, which is what is asked
	}
	return err
}

// ErrRefused is what the guard says.
var ErrRefused = errRefused
