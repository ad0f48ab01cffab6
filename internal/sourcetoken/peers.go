package sourcetoken

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Peers is a set of networks whose hosts are believed. The zero Peers believes
// nobody. It never changes, and may be used by many goroutines at once.
type Peers struct {
	prefixes []netip.Prefix
}

// NewPeers returns the set of prefixes. It reports all mistakes at once: no
// prefix at all, one that is not valid, one that holds every address. A network
// of IPv4 may be written in IPv6, as ::ffff:10.0.0.0/104.
func NewPeers(prefixes ...netip.Prefix) (Peers, error) {
	if len(prefixes) == 0 {
		return Peers{}, errors.New("no trusted networks are given")
	}
	var mistakes []error
	var p Peers
	for _, prefix := range prefixes {
		prefix = unmapped(prefix)
		switch {
		case !prefix.IsValid():
			mistakes = append(mistakes, errors.New("a trusted network is not valid"))
		case prefix.Bits() == 0:
			// Trusting everybody is what the caller wanted to prevent by
			// naming networks; it is never meant.
			mistakes = append(mistakes, fmt.Errorf("trusted network %s holds every address", prefix))
		case prefix.Addr().Is4In6(): // and more than IPv4
			mistakes = append(mistakes, fmt.Errorf("trusted network %s is neither of IPv4 nor of IPv6", prefix))
		default:
			p.prefixes = append(p.prefixes, prefix.Masked())
		}
	}
	return p, errors.Join(mistakes...)
}

// unmapped returns a network of IPv4 that is written in IPv6 as what it is:
// Contain compares addresses in that form, and would never find one in it.
func unmapped(prefix netip.Prefix) netip.Prefix {
	if bits := prefix.Bits() - 96; prefix.Addr().Is4In6() && bits >= 0 {
		return netip.PrefixFrom(prefix.Addr().Unmap(), bits)
	}
	return prefix
}

// Contain reports whether addr, an address with its port as [net.Conn] has it,
// lies in one of the networks. What is not such an address, as with a Unix
// socket, does not.
func (p Peers) Contain(addr string) bool {
	peer, err := netip.ParseAddrPort(addr)
	if err != nil {
		return false
	}
	// A dual-stack listener sees IPv4 peers as ::ffff:a.b.c.d, and link-local
	// ones with a zone; Prefix.Contains matches neither.
	ip := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(p.prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}
