package chain

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/autotls"
	"github.com/partywall/partywall/tenant/domain/proof"
)

// Domains says how stores have domains of their own.
type Domains struct {
	// Base is what stores' subdomains are below, and Edge what the targets of
	// their own domains are.
	Base, Edge string
	// Addresses are where the edge is.
	Addresses []netip.Addr
	// Resolver is the host:port of the DNS server to ask, and Dial how to get to
	// it and to those that it names.
	Resolver string
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	// Directory is the certificate authority's, and Server who vouches for it.
	Directory string
	Server    *x509.CertPool
	// HTTPSPort is where the stores are served over TLS.
	HTTPSPort int
}

// openDomains opens what gives stores their domains and certificates.
func (c *Chain) openDomains(ctx context.Context, config Config) error {
	d := config.Domains
	if d == nil {
		return nil
	}
	var edge []netip.Prefix
	for _, a := range d.Addresses {
		edge = append(edge, netip.PrefixFrom(a, a.BitLen()))
	}
	prover, err := proof.New([]string{d.Resolver}, &proof.Options{Dial: d.Dial, Edge: edge})
	if err != nil {
		return err
	}
	// A visitor of the example does not wait for what is once a day elsewhere.
	const often = 200 * time.Millisecond
	domains, err := domain.New(c.catalog, c.Tenants, &domain.Options{
		Base: d.Base, Edge: d.Edge, Addresses: d.Addresses, Prover: prover, Sweep: often, Logger: config.Logger,
	})
	if err != nil {
		return err
	}
	key := make([]byte, autotlsKey) // the certificates are gone with the program
	rand.Read(key)                  // never fails; it ends the program instead
	c.Certificates, err = autotls.New(c.catalog, domains, &autotls.Options{
		Key: key, Agreed: true, HTTPSPort: d.HTTPSPort, Sweep: often, Logger: config.Logger,
		CAs: []autotls.CA{{Directory: d.Directory, Roots: d.Server, Profile: "default"}},
	})
	if err != nil {
		return err
	}
	c.Domains = domains
	if err := c.Certificates.Open(ctx); err != nil {
		return err
	}
	return domains.Open(ctx, c.Certificates)
}

// autotlsKey is how long the key is that certificates are kept under.
const autotlsKey = 32
