package dnstest

import (
	"github.com/miekg/dns"
)

// Fault is a way to misbehave. The zero Fault is to behave.
type Fault struct {
	// Silent answers nothing at all.
	Silent bool
	// Rcode, if not 0, is answered and nothing else.
	Rcode int
	// Truncated says over UDP that there is more than it holds, and holds none.
	Truncated bool
	// Lame answers without authority.
	Lame bool
	// WrongID answers another question's number, WrongQuestion another question.
	WrongID, WrongQuestion bool
	// Lie, if not nil, is called with the honest answer and may change it. Calls
	// come from many goroutines.
	Lie func(r *dns.Msg)
}

// Fail makes the server misbehave when asked for a name; "" stands for all that
// have no fault of their own.
func (s *Server) Fail(name string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" {
		name = canonical(name)
	}
	s.faults[name] = f
}

func (s *Server) fault(name string) Fault {
	if f, ok := s.faults[canonical(name)]; ok {
		return f
	}
	return s.faults[""]
}

// apply changes an answer, and reports whether it is to be sent.
func (f Fault) apply(r *dns.Msg, network string) bool {
	if f.Rcode != 0 {
		r.Rcode, r.Answer, r.Ns = f.Rcode, nil, nil
	}
	if f.Truncated && network == "udp" {
		r.Truncated, r.Answer = true, nil
	}
	if f.Lame {
		r.Authoritative = false
	}
	if f.WrongID {
		r.Id++
	}
	if f.WrongQuestion {
		r.Question[0].Name = "other." + r.Question[0].Name
	}
	if f.Lie != nil {
		f.Lie(r)
	}
	return !f.Silent
}
