package dnstest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// maxChain is how many aliases an answer follows.
const maxChain = 16

// Zone is [Server.Load] for tests.
func (s *Server) Zone(tb testing.TB, origin string, records ...string) {
	tb.Helper()
	if err := s.Load(origin, records...); err != nil {
		tb.Fatal(err)
	}
}

// Load adds a zone with records in the syntax of zone files, one each; names
// without a last dot are below the origin. The zone gets a SOA.
func (s *Server) Load(origin string, records ...string) error {
	origin = canonical(origin)
	soa := fmt.Sprintf("%s 60 IN SOA ns.%s hostmaster.%s 1 60 60 60 60", origin, origin, origin)
	all, err := parse(origin, append([]string{soa}, records...))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones[origin] = all
	return nil
}

// Set is [Server.Replace] for tests.
func (s *Server) Set(tb testing.TB, records ...string) {
	tb.Helper()
	if err := s.Replace(records...); err != nil {
		tb.Fatal(err)
	}
}

// Replace replaces the records of a name and type by these. They are all of one
// name and type, of a zone that the server has, and written with full names.
func (s *Server) Replace(records ...string) error {
	all, err := parse(".", records)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("dnstest: no records")
	}
	h := all[0].Header()
	s.Remove(h.Name, h.Rrtype)
	s.mu.Lock()
	defer s.mu.Unlock()
	origin := s.origin(h.Name)
	if origin == "" {
		return fmt.Errorf("dnstest: no zone for %s", h.Name)
	}
	s.zones[origin] = append(s.zones[origin], all...)
	return nil
}

// Remove takes the records of a name and type away.
func (s *Server) Remove(name string, kind uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(canonical(name), func(rr dns.RR) bool { return rr.Header().Rrtype == kind })
}

// Records are those of a name and type, without the header.
func (s *Server) Records(name string, kind uint16) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, rr := range s.zones[s.origin(canonical(name))] {
		if h := rr.Header(); h.Name == canonical(name) && h.Rrtype == kind {
			all = append(all, strings.TrimPrefix(rr.String(), h.String()))
		}
	}
	return all
}

func parse(origin string, records []string) ([]dns.RR, error) {
	var all []dns.RR
	for _, text := range records {
		p := dns.NewZoneParser(strings.NewReader(text+"\n"), origin, "")
		p.SetDefaultTTL(60)
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			rr.Header().Name = canonical(rr.Header().Name)
			all = append(all, rr)
		}
		if err := p.Err(); err != nil {
			return nil, fmt.Errorf("dnstest: %q: %w", text, err)
		}
	}
	return all, nil
}

func canonical(name string) string { return strings.ToLower(dns.Fqdn(name)) }

// remove takes out the records of a name that the function wants gone.
func (s *Server) remove(name string, gone func(dns.RR) bool) {
	origin := s.origin(name)
	var kept []dns.RR
	for _, rr := range s.zones[origin] {
		if rr.Header().Name != name || !gone(rr) {
			kept = append(kept, rr)
		}
	}
	if origin != "" {
		s.zones[origin] = kept
	}
}

// origin finds the zone of a name, the closest one; "" if there is none.
func (s *Server) origin(name string) string {
	best := ""
	for origin := range s.zones {
		if dns.IsSubDomain(origin, name) && len(origin) > len(best) {
			best = origin
		}
	}
	return best
}

// answer answers a question with authority, as RFC 1034, section 4.3.2 says:
// aliases are followed while they stay in zones of this server.
func (s *Server) answer(q *dns.Msg) *dns.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := new(dns.Msg).SetReply(q)
	r.RecursionAvailable = q.RecursionDesired
	if opt := q.IsEdns0(); opt != nil {
		r.SetEdns0(opt.UDPSize(), false)
	}
	name := canonical(q.Question[0].Name)
	for range maxChain {
		origin := s.origin(name)
		if origin == "" {
			if len(r.Answer) == 0 {
				r.Rcode = dns.RcodeRefused
			}
			return r
		}
		r.Authoritative = true
		found, alias, exists := s.lookup(origin, name, q.Question[0].Qtype)
		r.Answer = append(r.Answer, found...)
		if alias == "" {
			if len(found) == 0 {
				r.Ns = append(r.Ns, s.zones[origin][0])
				if !exists {
					r.Rcode = dns.RcodeNameError
				}
			}
			return r
		}
		name = alias
	}
	return r
}

// lookup finds records in one zone. Without some the name may still exist; an
// asterisk stands for those that do not.
func (s *Server) lookup(origin, name string, kind uint16) (found []dns.RR, alias string, exists bool) {
	for _, at := range []string{name, "*." + parent(name)} {
		for _, rr := range s.zones[origin] {
			h := rr.Header()
			exists = exists || at == name && dns.IsSubDomain(name, h.Name) || h.Name == at
			if h.Name != at || h.Rrtype != kind && h.Rrtype != dns.TypeCNAME {
				continue
			}
			rr = dns.Copy(rr)
			rr.Header().Name = name
			found = append(found, rr)
			if c, ok := rr.(*dns.CNAME); ok && kind != dns.TypeCNAME {
				alias = canonical(c.Target)
			}
		}
		if exists {
			return found, alias, true
		}
	}
	return nil, "", false
}

func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}
