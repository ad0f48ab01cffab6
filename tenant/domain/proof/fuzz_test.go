package proof

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzAnswer reads messages that DNS servers may send. A proof is seen only where
// a TXT record of the name, or of what the answer says it is an alias of, is the
// token.
func FuzzAnswer(f *testing.F) {
	const name, token = "_partywall-challenge.shop.example.com", "k3j9x2m8q4w7z5t1b6n0"
	for _, texts := range [][]string{
		{name + ". 60 IN TXT " + token},
		{name + ". 60 IN CNAME a.example.", `a.example. 60 IN TXT "x" "` + token + `"`},
		{name + ". 60 IN CNAME " + name + "."},
		{"other.example. 60 IN TXT " + token, name + ". 60 IN AAAA ::1", name + `. 60 IN CAA 0 issue "a;b"`, name + ". 60 IN NS ."},
	} {
		m := new(dns.Msg).SetQuestion(name+".", dns.TypeTXT)
		for _, text := range texts {
			rr, err := dns.NewRR(text)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	p := &Prover{guard: newGuard(nil, nil), issuers: []string{"letsencrypt.org"}}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return
		}
		var got tally
		got.count(answer{msg: m}, name, token)
		names := chain(m, name)
		if len(names) > maxChain+1 {
			t.Fatalf("%d aliases", len(names))
		}
		shown := false
		for _, rr := range m.Answer {
			if txt, ok := rr.(*dns.TXT); ok && strings.EqualFold(txt.Hdr.Name, names[len(names)-1]) {
				shown = shown || strings.TrimSpace(strings.Join(txt.Txt, "")) == token
			}
		}
		if (got.present == 1) != shown || got.present+got.absent != 1 || len(got.seen) > maxSeen {
			t.Fatalf("%+v of %v", got, m)
		}
		for _, text := range got.seen {
			if len(text) > maxSeenBytes+3 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("shows %q", text)
			}
		}
		for _, at := range addressesIn(m, name) {
			_ = p.guard.check(at) // must not panic, whatever it is
		}
		set := map[string]*dns.CAA{}
		for _, rr := range records[*dns.CAA](m, names) {
			set[rr.String()] = rr
		}
		if len(set) == 0 && p.judge(set, false) != nil {
			t.Fatal("nothing forbids")
		}
	})
}
