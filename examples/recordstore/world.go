package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
)

// world is the DNS and the certificate authority that the stores' domains need.
type world struct {
	*private.Internet

	port  int    // of HTTPS
	roots string // file with whom visitors have to trust
}

// The zones of the world: every store's own domain is in the first, and what they
// point at is in the second.
const (
	zone = "test"
	edge = "edge.recordstore.test"
)

func newWorld(ctx context.Context, at *ports, folder string) (*world, error) {
	inside, err := private.StartInternet(ctx, portOf(at.plain), portOf(at.secure), []string{zone}, web.Base, edge)
	if err != nil {
		return nil, err
	}
	w := &world{Internet: inside, port: portOf(at.secure), roots: filepath.Join(folder, "ca.pem")}
	return w, os.WriteFile(w.roots, inside.PEM(), 0o600) //nolint:gosec // G703: the folder is one that we have made
}

// domains is what the chain is told of the world.
func (w *world) domains() *chain.Domains {
	return &chain.Domains{
		Base: web.Base, Edge: edge, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Resolver: w.Resolver(), Dial: w.Dial,
		Directory: w.Directory(), Server: w.Server(), HTTPSPort: w.port,
	}
}

// add adds a record to a store's zone, as its owner does at a provider.
func (w *world) add(r domain.Record) error {
	if r.Type == "CNAME" {
		r.Value += "."
	}
	return w.Set(r.String())
}

func (w *world) stop(ctx context.Context) error { return w.Stop(ctx) }

// moveIn gives the first of the newcomers a domain of its own, and prints what its
// owner would read and how long it took.
func (s *site) moveIn(ctx context.Context, out io.Writer) error {
	t, err := s.chain.Tenants.Lookup(ctx, tenant.BySlug(newcomers()[0].Slug))
	if err != nil {
		return err
	}
	host := "www." + t.Slug + "." + zone
	began := time.Now()
	d, err := s.chain.Domains.Claim(ctx, t.ID, host, domain.MethodTXT)
	if err != nil {
		return err
	}
	todo := s.chain.Domains.Instructions(d)
	if _, err := fmt.Fprintf(out, "\nA domain of its own for %s:\n%s", t.Name, todo); err != nil {
		return err
	}
	for _, r := range todo.Records {
		if err := s.world.add(r); err != nil {
			return err
		}
	}
	if _, err := s.chain.Domains.Check(ctx, t.ID, host); err != nil {
		return err
	}
	if d, err = s.settled(ctx, d); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `  The records were added: proven after %d ms, with a certificate after %d ms.
  curl --cacert %s --resolve %s:%d:127.0.0.1 https://%s/api/summary
Its domains:  http://%s.%s%s
`, d.VerifiedAt.Sub(began).Milliseconds(), d.CheckedAt.Sub(began).Milliseconds(),
		s.world.roots, host, s.world.port, host+":"+strconv.Itoa(s.world.port), t.Slug, s.host(), web.PathDomains)
	return err
}

// settled waits until a domain is in use.
func (s *site) settled(ctx context.Context, d domain.Domain) (domain.Domain, error) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for d.State != domain.Active {
		select {
		case <-ctx.Done():
			return d, context.Cause(ctx)
		case <-look.C:
		}
		var err error
		if d, err = s.chain.Domains.Get(ctx, d.Tenant, d.Host); err != nil {
			return d, err
		}
	}
	return d, nil
}
