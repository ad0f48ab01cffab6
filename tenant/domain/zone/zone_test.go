package zone_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant/domain/zone"
)

func open(t *testing.T, p zone.Provider, owner string) *zone.Zone {
	t.Helper()
	z, err := zone.New(p, "myapp.com", owner)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func planned(t *testing.T, z *zone.Zone, want ...zone.Set) *zone.Plan {
	t.Helper()
	p, err := z.Plan(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func applied(t *testing.T, z *zone.Zone, want ...zone.Set) {
	t.Helper()
	if err := z.Apply(t.Context(), planned(t, z, want...)); err != nil {
		t.Fatal(err)
	}
	if p := planned(t, z, want...); !p.Empty() {
		t.Fatalf("after applying there is still to do:\n%s", p)
	}
}

func platform(t *testing.T) []zone.Set {
	t.Helper()
	sets, err := zone.Platform{
		Edge:    []netip.Addr{netip.MustParseAddr("46.0.0.2"), netip.MustParseAddr("46.0.0.1"), netip.MustParseAddr("2a00::1")},
		Issuers: []string{"letsencrypt.org"}, Challenges: "proofs.example.net", TTL: 5 * time.Minute,
	}.Sets()
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

// foreign is what somebody else has in the zone.
func foreign() []libdns.RR {
	return []libdns.RR{
		{Name: "@", Type: "NS", Data: "ns1.dns.example."},
		{Name: "@", Type: "A", Data: "47.0.0.1"},
		{Name: "www", Type: "CNAME", Data: "pages.example.net."},
		{Name: "@", Type: "TXT", Data: "v=spf1 -all"},
		{Name: "mail", Type: "A", Data: "47.0.0.2"},
	}
}

func TestPlanIsDry(t *testing.T) {
	t.Parallel()
	m := &memory{records: foreign()}
	p := planned(t, open(t, m, "eu"), platform(t)...)
	const want = `+ * A 46.0.0.1, 46.0.0.2
+ * AAAA 2a00::1
+ edge A 46.0.0.1, 46.0.0.2
+ edge AAAA 2a00::1
+ *.edge A 46.0.0.1, 46.0.0.2
+ *.edge AAAA 2a00::1
+ @ CAA 0 issue "letsencrypt.org", 0 issuewild "letsencrypt.org"
+ _acme-challenge CNAME proofs.example.net
`
	if p.String() != want || m.writes != 0 {
		t.Errorf("%d writes, and the plan is\n%s", m.writes, p)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	m := &memory{records: foreign()}
	before := m.lines()
	z := open(t, m, "eu")
	applied(t, z, platform(t)...)
	less := platform(t)[2:]
	less[0].Data = []string{"46.0.0.9"}
	if p := planned(t, z, less...); p.String() != "- * A 46.0.0.1, 46.0.0.2\n- * AAAA 2a00::1\n~ edge A 46.0.0.9 (was 46.0.0.1, 46.0.0.2)\n" {
		t.Errorf("plan is\n%s", p)
	}
	applied(t, z, less...)
	// One type for another at one name.
	applied(t, z, zone.Set{Name: "edge", Type: "CNAME", Data: []string{"lb.example.net"}})
	// In the end nothing is left, and what is not ours has not been touched.
	applied(t, z)
	if after := m.lines(); !slices.Equal(after, before) {
		t.Errorf("left is %q of %q", after, before)
	}
}

// What is not ours is in the way, or left alone; nothing is half done then.
func TestConflicts(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]zone.Set{
		"another's set":           {Name: "mail", Type: "A", Data: []string{"46.0.0.1"}},
		"beside another's CNAME":  {Name: "www", Type: "A", Data: []string{"46.0.0.1"}},
		"a CNAME beside another":  {Name: "mail", Type: "CNAME", Data: []string{"lb.example.net"}},
		"another's, in capitals":  {Name: "MAIL", Type: "a", Data: []string{"46.0.0.1"}},
		"another owner's records": {Name: "us", Type: "A", Data: []string{"46.0.0.1"}},
		"marked by two owners":    {Name: "both", Type: "A", Data: []string{"46.0.0.1"}},
	} {
		m := &memory{records: append(foreign(), libdns.RR{Name: "both", Type: "A", Data: "47.0.0.3"},
			libdns.RR{Name: "_partywall-owns-a.both", Type: "TXT", Data: "partywall owner=eu"},
			libdns.RR{Name: "_partywall-owns-a.both", Type: "TXT", Data: "partywall owner=us"})}
		applied(t, open(t, m, "us"), zone.Set{Name: "us", Type: "A", Data: []string{"46.0.0.2"}})
		before, z := m.lines(), open(t, m, "eu")
		p := planned(t, z, want, zone.Set{Name: "free", Type: "A", Data: []string{"46.0.0.1"}})
		if len(p.Conflicts) != 1 || !strings.Contains(p.String(), "! ") {
			t.Errorf("%s: plan is\n%s", name, p)
		}
		var conflict *zone.ConflictError
		if err := z.Apply(t.Context(), p); !errors.As(err, &conflict) || !slices.Equal(m.lines(), before) {
			t.Errorf("%s: %v", name, err)
		}
		// Control: with the mark it would be ours, and change.
		if name == "another's set" {
			m.records = append(m.records, libdns.RR{Name: "_partywall-owns-a.mail", Type: "TXT", Data: "partywall owner=eu"})
			applied(t, z, want)
		}
	}
	// The same data, whoever has made it, needs nothing, and does not become ours.
	m := &memory{records: foreign()}
	z := open(t, m, "eu")
	applied(t, z, zone.Set{Name: "mail", Type: "A", Data: []string{"47.0.0.2"}})
	applied(t, z)
	if m.writes != 0 {
		t.Errorf("%d writes", m.writes)
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	m := &memory{}
	z := open(t, m, "eu")
	p := planned(t, z, platform(t)...)
	m.records = append(m.records, libdns.RR{Name: "edge", Type: "A", Data: "46.0.0.7"})
	if err := z.Apply(t.Context(), p); !errors.Is(err, zone.ErrStale) || m.writes != 0 {
		t.Errorf("got %v, %d writes", err, m.writes)
	}
}

// Whichever write fails, to plan and apply again comes to the same end.
func TestApplyAfterFailure(t *testing.T) {
	t.Parallel()
	for fail := 1; ; fail++ {
		m := &memory{records: foreign()}
		before, z := m.lines(), open(t, m, "eu")
		applied(t, z, zone.Set{Name: "old", Type: "A", Data: []string{"46.0.0.1"}}, zone.Set{Name: "edge", Type: "A", Data: []string{"46.0.0.8"}})
		m.writes, m.fail = 0, fail
		err := z.Apply(t.Context(), planned(t, z, platform(t)...))
		if err == nil {
			if fail < 15 {
				t.Errorf("only %d writes", fail-1)
			}
			return
		}
		applied(t, z, platform(t)...)
		applied(t, z)
		if after := m.lines(); !slices.Equal(after, before) {
			t.Errorf("write %d: left is %q", fail, after)
		}
	}
}

// TestDynamicUpdate goes to a real server by RFC 2136.
func TestDynamicUpdate(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0IG9mIGEgdGVzdA=="
	s := dnstest.Start(t)
	s.Zone(t, "myapp.com", "@ NS ns1.dns.example.", "www CNAME pages.example.net.")
	s.AllowUpdates("key.", secret)
	z := open(t, dynamic{s.Addr(), "key.", secret}, "eu")
	applied(t, z, platform(t)...)
	r, _, err := new(dns.Client).ExchangeContext(t.Context(), new(dns.Msg).SetQuestion("k3j9.edge.myapp.com.", dns.TypeA), s.Addr())
	if err != nil || len(r.Answer) != 2 {
		t.Errorf("got %v, %v", r, err)
	}
	applied(t, z)
	if left := s.Records("*.edge.myapp.com", dns.TypeA); len(left) > 0 || len(s.Records("www.myapp.com", dns.TypeCNAME)) != 1 {
		t.Errorf("left is %q", left)
	}
	if _, err := open(t, dynamic{s.Addr(), "key.", "YW5vdGhlcg=="}, "eu").Plan(t.Context(), platform(t)); err == nil {
		t.Error("a wrong key does")
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	if _, err := zone.New(nil, "MyApp.com", "a b"); err == nil || strings.Count(err.Error(), "zone:") != 3 {
		t.Errorf("got %v, want three mistakes", err)
	}
	z := open(t, &memory{}, "eu")
	for name, sets := range map[string][]zone.Set{
		"no data":            {{Name: "a", Type: "A"}},
		"a name outside":     {{Name: "a b", Type: "A", Data: []string{"46.0.0.1"}}},
		"a mark's name":      {{Name: "_partywall-owns-a.www", Type: "TXT", Data: []string{"x"}}},
		"a wildcard's mark":  {{Name: "_any.edge", Type: "A", Data: []string{"46.0.0.1"}}},
		"a wildcard inside":  {{Name: "a.*.b", Type: "A", Data: []string{"46.0.0.1"}}},
		"no address":         {{Name: "a", Type: "A", Data: []string{"2a00::1"}}},
		"a mapped address":   {{Name: "a", Type: "AAAA", Data: []string{"::ffff:46.0.0.1"}}},
		"NS":                 {{Name: "a", Type: "NS", Data: []string{"ns.example.com"}}},
		"two CNAMEs":         {{Name: "a", Type: "CNAME", Data: []string{"b.example", "c.example"}}},
		"a CNAME at the top": {{Name: "@", Type: "CNAME", Data: []string{"b.example"}}},
		"no host name":       {{Name: "a", Type: "CNAME", Data: []string{"b c"}}},
		"a line end":         {{Name: "a", Type: "TXT", Data: []string{"a\nb"}}},
		"no CAA":             {{Name: "a", Type: "CAA", Data: []string{"letsencrypt.org"}}},
		"twice":              {{Name: "a", Type: "A", Data: []string{"46.0.0.1"}}, {Name: "A", Type: "a", Data: []string{"46.0.0.2"}}},
		"beside a CNAME":     {{Name: "a", Type: "A", Data: []string{"46.0.0.1"}}, {Name: "a", Type: "CNAME", Data: []string{"b.example"}}},
		"many":               make([]zone.Set, 1001),
	} {
		if p, err := z.Plan(t.Context(), sets); err == nil {
			t.Errorf("%s: plan is\n%s", name, p)
		}
	}
	for _, p := range []zone.Platform{{}, {Edge: make([]netip.Addr, 1), EdgeName: "lb.example.net"}} {
		if sets, err := p.Sets(); err == nil {
			t.Errorf("%v gives %v", p, sets)
		}
	}
}

// FuzzZone reads a zone that others have written, and applies the platform's
// records to it where nothing is in the way: then there is nothing more to do, and
// what is not marked is as it was.
func FuzzZone(f *testing.F) {
	f.Add("www A 47.0.0.1\n@ TXT x\n* A 46.0.0.1")
	f.Add("_partywall-owns-a.old TXT partywall owner=eu\nold A 47.0.0.1\n_partywall-owns-a._any TXT partywall owner=eu")
	f.Add("_partywall-owns- TXT partywall owner=eu\n_partywall-owns-cname.@ TXT \"partywall owner=eu\"\nEDGE.myapp.com. CNAME x")
	f.Fuzz(func(t *testing.T, text string) {
		m := &memory{}
		for line := range strings.Lines(text) {
			if parts := strings.SplitN(strings.TrimSpace(line), " ", 3); len(parts) == 3 {
				m.records = append(m.records, libdns.RR{Name: parts[0], Type: parts[1], Data: parts[2]})
			}
		}
		z, before := open(t, m, "eu"), m.lines()
		want := []zone.Set{{Name: "*", Type: "A", Data: []string{"46.0.0.1"}}, {Name: "edge", Type: "CNAME", Data: []string{"lb.example.net"}}}
		p, err := z.Plan(t.Context(), want)
		if err != nil {
			return
		}
		if err := z.Apply(t.Context(), p); err != nil {
			if !slices.Equal(before, m.lines()) && len(p.Conflicts) > 0 {
				t.Fatalf("%v, and the zone has changed", err)
			}
			return
		}
		if strings.Contains(strings.ToLower(text), "_partywall-owns") {
			return // some of it was ours
		}
		if p := planned(t, z, want...); !p.Empty() {
			t.Fatalf("still to do:\n%s", p)
		}
		for _, line := range before {
			if !slices.Contains(m.lines(), line) {
				t.Fatalf("%q is gone", line)
			}
		}
	})
}
