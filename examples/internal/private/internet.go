package private

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/partywall/partywall/internal/acmetest"
	"github.com/partywall/partywall/internal/dnstest"
)

// Internet is what a host needs of the world to serve its tenants' domains: a DNS
// server and a certificate authority, both of the example's own. Every name in it
// is at 127.0.0.1.
type Internet struct {
	dns *dnstest.Server
	ca  *acmetest.CA
}

// nameServer is the address that the zones give for their server. Proofs are not
// looked for at addresses that are not public, so it is one, and dialling it leads
// here.
const nameServer = "45.0.0.1"

// StartInternet starts a DNS server with these zones, in which the names of at are
// at 127.0.0.1, and Pebble, which looks for challenges at two ports of 127.0.0.1.
// The caller stops it.
func StartInternet(ctx context.Context, httpPort, tlsPort int, zones []string, at ...string) (_ *Internet, err error) {
	n := &Internet{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("private: %w", err), n.Stop(context.WithoutCancel(ctx)))
		}
	}()
	if n.dns, err = dnstest.Open(); err != nil {
		return nil, err
	}
	if err := n.dns.Load("dns.test", "@ NS ns.dns.test.", "ns A "+nameServer); err != nil {
		return nil, err
	}
	for _, zone := range zones {
		if err := n.dns.Load(zone, "@ NS ns.dns.test."); err != nil {
			return nil, err
		}
	}
	for _, name := range at {
		if err := n.dns.Load(name, "@ NS ns.dns.test.", "@ A 127.0.0.1", "* A 127.0.0.1"); err != nil {
			return nil, err
		}
	}
	if n.ca, err = acmetest.Start(ctx, n.dns.Addr(), httpPort, tlsPort); err != nil {
		return nil, err
	}
	return n, nil
}

// Resolver is the host:port to ask.
func (n *Internet) Resolver() string { return n.dns.Addr() }

// Directory is where the authority's clients begin, Server whom they have to trust.
func (n *Internet) Directory() string { return n.ca.Directory() }

// Server returns who has signed the authority's own server.
func (n *Internet) Server() *x509.CertPool { return n.ca.Server() }

// Roots returns who has signed what the authority has issued, for clients in this
// process, and PEM the same for others.
func (n *Internet) Roots() *x509.CertPool { return n.ca.Roots() }

// PEM returns Roots as a file.
func (n *Internet) PEM() []byte { return n.ca.PEM() }

// Set sets the record of a name and type, as a line of a zone file.
func (n *Internet) Set(record string) error { return n.dns.Replace(record) }

// Dial opens connections to name servers.
func (n *Internet) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasPrefix(address, nameServer+":") {
		address = n.dns.Addr()
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// Stop ends both.
func (n *Internet) Stop(ctx context.Context) error {
	var errs []error
	if n.ca != nil {
		errs = append(errs, n.ca.Stop(ctx))
	}
	if n.dns != nil {
		errs = append(errs, n.dns.Close())
	}
	return errors.Join(errs...)
}
