package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// errRefused is returned for an address that this package does not go to.
var errRefused = errors.New("proof: address is not a public one")

// guard is what stands between what tenants name and what is inside. It checks
// an address before a connection is opened, and the socket's own once more when
// the kernel is about to: whatever has resolved a name, and how often, that is
// the address that counts.
type guard struct {
	refuse []netip.Prefix
	tell   func(netip.AddrPort)
	allow  func(netip.Addr) bool // nil but in tests, which show what it is good for
	// connect opens what was checked. It is replaced in tests, where public
	// addresses have to be led to loopback; the checks stand before it.
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

func newGuard(refuse []netip.Prefix, tell func(netip.AddrPort)) *guard {
	g := &guard{refuse: append(special(), refuse...), tell: tell}
	g.connect = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1, Control: g.control}).DialContext
	return g
}

// special are the networks of the IANA registries for special purposes that hold
// unicast addresses and are not globally reachable, or lead into others.
// IPv6 outside 2000::/3 is refused as a whole. One is nobody's by any registry:
// 168.63.129.16, at which Azure serves what is inside to each of its machines.
func special() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/3", "168.63.129.16/32",
		"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
	} {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// check refuses what is not a public unicast address. IPv4 in IPv6's clothes is
// refused in all of them: ::ffff:0:0/96, NAT64's 64:ff9b::/96, 6to4, Teredo.
func (g *guard) check(at netip.Addr) error {
	if g.allow != nil && g.allow(at) {
		return nil
	}
	if !at.IsValid() || at.Zone() != "" || !at.IsGlobalUnicast() || at.IsPrivate() || at.Is6() && !netip.MustParsePrefix("2000::/3").Contains(at) {
		return errRefused
	}
	for _, prefix := range g.refuse {
		if prefix.Contains(at) {
			return errRefused
		}
	}
	return nil
}

// control is called by the dialer with the address that it connects to.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return g.checkPort(at)
}

func (g *guard) checkPort(at netip.AddrPort) error {
	if at.Port() != 80 && at.Port() != 443 {
		return fmt.Errorf("%w: port is neither 80 nor 443", errRefused)
	}
	return g.check(at.Addr())
}

// dial opens a connection for HTTP to an address that was checked.
func (g *guard) dial(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	if err := g.checkPort(at); err != nil {
		return nil, err
	}
	if g.tell != nil {
		g.tell(at)
	}
	return g.connect(ctx, "tcp", at.String())
}
