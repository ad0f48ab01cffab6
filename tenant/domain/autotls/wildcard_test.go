package autotls

import (
	"context"
	"testing"

	"github.com/libdns/libdns"

	"github.com/partywall/partywall/internal/acmetest"
)

// provider is a libdns provider for the zone of the town's DNS.
type provider struct{ dns *acmetest.DNS }

func (p provider) AppendRecords(_ context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	for _, r := range records {
		p.dns.AddText(libdns.AbsoluteName(r.RR().Name, zone), r.RR().Data)
	}
	return records, nil
}

func (p provider) DeleteRecords(_ context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	for _, r := range records {
		p.dns.DropText(libdns.AbsoluteName(r.RR().Name, zone), r.RR().Data)
	}
	return records, nil
}

// TestWildcard: hosts below a zone share one certificate, which is proven by
// DNS; a host that is nobody's is not shown it.
func TestWildcard(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, func(o *Options) {
		o.Wildcards, o.DNS, o.Resolvers = []string{"App.example.test"}, provider{n.ca.DNS}, []string{n.ca.DNS.Addr()}
		o.NoHTTP01, o.NoTLSALPN01 = true, true
	})
	n.serve(t, m)
	for _, host := range []string{"acme.app.example.test", "globex.app.example.test", "deep.acme.app.example.test"} {
		n.hosts.set(host, true)
	}
	if err := m.Issue(t.Context(), "acme.app.example.test"); err != nil {
		t.Fatal(err)
	}
	n.wants(t, "acme.app.example.test")
	n.wants(t, "globex.app.example.test")
	if names := n.leaf(t, "globex.app.example.test").DNSNames; len(names) != 1 || names[0] != "*.app.example.test" {
		t.Errorf("the certificate is for %q", names)
	}
	if _, err := n.dial(t.Context(), "other.app.example.test"); !refused(err) {
		t.Errorf("a host that is nobody's, though the certificate covers it: %v", err)
	}
	if n.proxy.Orders() != 1 || n.ca.DNS.Texts() != 0 {
		t.Errorf("%d orders, %d records are left", n.proxy.Orders(), n.ca.DNS.Texts())
	}
	if err := m.Forget(t.Context(), "acme.app.example.test", true); err != nil {
		t.Error(err)
	}
	n.wants(t, "globex.app.example.test") // it was not one tenant's to revoke
	if names := m.nameOf("deep.acme.app.example.test"); names != "deep.acme.app.example.test" {
		t.Errorf("a wildcard covers one label, not %q", names)
	}
}
