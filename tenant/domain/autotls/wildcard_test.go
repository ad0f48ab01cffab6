package autotls

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// dynamic is a libdns provider by dynamic updates (RFC 2136) that are signed
// (RFC 8945).
type dynamic struct{ server, key, secret string }

func (d dynamic) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, d.update(ctx, zone, records, (*dns.Msg).Insert)
}

func (d dynamic) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return records, d.update(ctx, zone, records, (*dns.Msg).Remove)
}

func (d dynamic) update(ctx context.Context, zone string, records []libdns.Record, change func(*dns.Msg, []dns.RR)) error {
	m := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	for _, r := range records {
		rr, err := dns.NewRR(libdns.AbsoluteName(r.RR().Name, dns.Fqdn(zone)) + " 60 IN TXT \"" + r.RR().Data + "\"")
		if err != nil {
			return err
		}
		change(m, []dns.RR{rr})
	}
	m.SetTsig(d.key, dns.HmacSHA256, 300, time.Now().Unix())
	client := &dns.Client{Net: "tcp", TsigSecret: map[string]string{d.key: d.secret}}
	answer, _, err := client.ExchangeContext(ctx, m, d.server)
	if err == nil && answer.Rcode != dns.RcodeSuccess {
		err = errors.New(dns.RcodeToString[answer.Rcode])
	}
	return err
}

// TestWildcard: hosts below a zone share one certificate, which is proven by
// DNS; a host that is nobody's is not shown it.
func TestWildcard(t *testing.T) {
	t.Parallel()
	n := settle(t)
	writer := dynamic{n.dns.Addr(), "acme.", "c2VjcmV0IG9mIHRoZSB6b25l"}
	n.dns.AllowUpdates(writer.key, writer.secret)
	m := n.node(t, func(o *Options) {
		o.Wildcards, o.DNS, o.Resolvers = []string{"App.example.test"}, writer, []string{n.dns.Addr()}
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
	if left := n.dns.Records("_acme-challenge.app.example.test", dns.TypeTXT); n.proxy.Orders() != 1 || len(left) != 0 {
		t.Errorf("%d orders, %q is left", n.proxy.Orders(), left)
	}
	if err := m.Forget(t.Context(), "acme.app.example.test", true); err != nil {
		t.Error(err)
	}
	n.wants(t, "globex.app.example.test") // it was not one tenant's to revoke
	if names := m.nameOf("deep.acme.app.example.test"); names != "deep.acme.app.example.test" {
		t.Errorf("a wildcard covers one label, not %q", names)
	}
}
