package dnstest_test

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
)

const secret = "c2VjcmV0IG9mIGEgdGVzdA=="

func ask(t *testing.T, s *dnstest.Server, network, name string, kind uint16) *dns.Msg {
	t.Helper()
	r, _, err := (&dns.Client{Net: network}).ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(name, kind), s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	s.Zone(t, "example.com", "www CNAME host", "host A 192.0.2.1", "*.wild TXT any", "a.b A 192.0.2.2")
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]struct{ answers, rcode int }{
			"www.example.com.":     {2, dns.RcodeSuccess},
			"HOST.example.com.":    {1, dns.RcodeSuccess},
			"x.wild.example.com.":  {0, dns.RcodeSuccess},
			"b.example.com.":       {0, dns.RcodeSuccess}, // nothing is there, but below it
			"nobody.example.com.":  {0, dns.RcodeNameError},
			"www.example.net.":     {0, dns.RcodeRefused},
			"host.sub.example.com": {0, dns.RcodeNameError},
		} {
			if r := ask(t, s, network, dns.Fqdn(name), dns.TypeA); len(r.Answer) != want.answers || r.Rcode != want.rcode {
				t.Errorf("%s %s: %v", network, name, r)
			}
		}
	}
	if r := ask(t, s, "udp", "x.wild.example.com.", dns.TypeTXT); len(r.Answer) != 1 || r.Answer[0].Header().Name != "x.wild.example.com." {
		t.Errorf("wildcard: %v", r)
	}
}

// Only who has the key changes and transfers zones.
func TestUpdates(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	s.Zone(t, "example.com", "www A 192.0.2.1")
	s.AllowUpdates("key.", secret)
	rr, err := dns.NewRR("new.example.com. 60 IN A 192.0.2.9")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key, secret string
		want        int
	}{
		"no key":      {"", "", dns.RcodeNotAuth},
		"wrong name":  {"other.", secret, dns.RcodeNotAuth},
		"wrong value": {"key.", "YW5vdGhlcg==", dns.RcodeNotAuth},
		"the key":     {"key.", secret, dns.RcodeSuccess},
	} {
		update, transfer := new(dns.Msg).SetUpdate("example.com."), new(dns.Msg).SetAxfr("example.com.")
		update.Insert([]dns.RR{rr})
		client := &dns.Client{Net: "tcp"}
		if c.key != "" {
			client.TsigSecret = map[string]string{c.key: c.secret}
			update.SetTsig(c.key, dns.HmacSHA256, 300, time.Now().Unix())
			transfer.SetTsig(c.key, dns.HmacSHA256, 300, time.Now().Unix())
		}
		for _, m := range []*dns.Msg{update, transfer} {
			r, _, _ := client.ExchangeContext(t.Context(), m, s.Addr()) // an answer that is not signed is an error too
			if r == nil || (r.Rcode == dns.RcodeSuccess) != (c.want == dns.RcodeSuccess) {
				t.Errorf("%s: %v", name, r)
			}
		}
		if there := len(s.Records("new.example.com", dns.TypeA)) == 1; there != (c.want == dns.RcodeSuccess) {
			t.Errorf("%s: record is there: %v", name, there)
		}
		s.Remove("new.example.com", dns.TypeA)
	}
}
