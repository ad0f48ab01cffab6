package dnstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/miekg/dns"
)

// tsig signs and checks with HMAC-SHA256 by the keys that there are by then.
type tsig struct{ s *Server }

// Generate implements dns.TsigProvider.
func (t tsig) Generate(msg []byte, h *dns.TSIG) ([]byte, error) {
	t.s.mu.Lock()
	secret, ok := t.s.keys[canonical(h.Hdr.Name)]
	t.s.mu.Unlock()
	if !ok || !strings.EqualFold(h.Algorithm, dns.HmacSHA256) {
		return nil, dns.ErrSecret
	}
	raw, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, raw)
	_, _ = mac.Write(msg) // never fails
	return mac.Sum(nil), nil
}

// Verify implements dns.TsigProvider.
func (t tsig) Verify(msg []byte, h *dns.TSIG) error {
	want, err := t.Generate(msg, h)
	if err != nil {
		return err
	}
	if got, err := hex.DecodeString(h.MAC); err != nil || !hmac.Equal(got, want) {
		return dns.ErrSig
	}
	return nil
}

// update takes a signed update (RFC 2136, section 3.4.2). Prerequisites are not
// needed here, and refused.
func (s *Server) update(w dns.ResponseWriter, q *dns.Msg) {
	t := q.IsTsig()
	if t == nil || w.TsigStatus() != nil {
		refuse(w, q, dns.RcodeNotAuth)
		return
	}
	r := new(dns.Msg).SetReply(q)
	r.Rcode = s.change(q)
	r.SetTsig(t.Hdr.Name, t.Algorithm, 300, int64(t.TimeSigned)) //nolint:gosec // G115: seconds
	send(w, r)
}

func (s *Server) change(q *dns.Msg) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	origin := canonical(q.Question[0].Name)
	if _, ok := s.zones[origin]; !ok {
		return dns.RcodeNotZone
	}
	if len(q.Answer) > 0 {
		return dns.RcodeNotImplemented
	}
	for _, rr := range q.Ns {
		if s.origin(canonical(rr.Header().Name)) != origin {
			return dns.RcodeNotZone
		}
	}
	for _, rr := range q.Ns {
		h := rr.Header()
		h.Name = canonical(h.Name)
		switch h.Class {
		case dns.ClassANY: // a set, or all of a name
			s.remove(h.Name, func(old dns.RR) bool {
				return old.Header().Rrtype != dns.TypeSOA && (h.Rrtype == dns.TypeANY || h.Rrtype == old.Header().Rrtype)
			})
		case dns.ClassNONE: // one record
			h.Class = dns.ClassINET
			s.remove(h.Name, func(old dns.RR) bool { return dns.IsDuplicate(old, rr) })
		default:
			s.remove(h.Name, func(old dns.RR) bool { return dns.IsDuplicate(old, rr) })
			s.zones[origin] = append(s.zones[origin], rr)
		}
	}
	return dns.RcodeSuccess
}

// transfer sends a zone in one message (RFC 5936) to who has signed for it.
func (s *Server) transfer(w dns.ResponseWriter, q *dns.Msg) {
	t := q.IsTsig()
	s.mu.Lock()
	records := s.zones[canonical(q.Question[0].Name)]
	s.mu.Unlock()
	if t == nil || w.TsigStatus() != nil || len(records) == 0 || w.LocalAddr().Network() != "tcp" {
		refuse(w, q, dns.RcodeRefused)
		return
	}
	r := new(dns.Msg).SetReply(q)
	r.Authoritative = true
	r.Answer = append(append([]dns.RR(nil), records...), records[0])
	r.SetTsig(t.Hdr.Name, t.Algorithm, 300, int64(t.TimeSigned)) //nolint:gosec // G115: seconds
	send(w, r)
}
