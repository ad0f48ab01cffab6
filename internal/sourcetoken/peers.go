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
// prefix at all, one that is not valid, one that holds every address.
func NewPeers(prefixes ...netip.Prefix) (Peers, error) {
	if len(prefixes) == 0 {
		return Peers{}, errors.New("no trusted networks are given")
	}
	var mistakes []error
	var p Peers
	for _, prefix := range prefixes {
		switch {
		case !prefix.IsValid():
			mistakes = append(mistakes, errors.New("a trusted network is not valid"))
		case prefix.Bits() == 0:
			// Trusting everybody is what the caller wanted to prevent by
			// naming networks; it is never meant.
			mistakes = append(mistakes, fmt.Errorf("trusted network %s holds every address", prefix))
		default:
			p.prefixes = append(p.prefixes, prefix.Masked())
		}
	}
	return p, errors.Join(mistakes...)
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
