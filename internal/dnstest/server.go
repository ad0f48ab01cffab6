// Package dnstest runs DNS servers of their own on loopback, in the process of a
// test: real sockets, real messages, UDP and TCP. They answer with authority for
// the zones they are given, take dynamic updates (RFC 2136) from who has their
// key (RFC 8945), refuse zone transfers to all others, and misbehave where a test says so.
package dnstest

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Server is a DNS server. It is safe for concurrent use.
type Server struct {
	addr string
	stop []func() error

	mu      sync.Mutex
	zones   map[string][]dns.RR // by origin, as FQDN in lower case
	faults  map[string]Fault
	keys    map[string]string // TSIG names and secrets that may update
	queries []string
}

// Start starts a server without zones. It stops with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s, err := Open()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Open is Start for programs.
func Open() (*Server, error) {
	s := &Server{zones: map[string][]dns.RR{}, faults: map[string]Fault{}, keys: map[string]string{}}
	listener, packets, err := listen()
	if err != nil {
		return nil, err
	}
	s.addr = listener.Addr().String()
	for _, server := range []*dns.Server{
		{Listener: listener, Handler: s, TsigProvider: tsig{s}, MsgAcceptFunc: accept},
		{PacketConn: packets, Handler: s, TsigProvider: tsig{s}, MsgAcceptFunc: accept},
	} {
		started, done := make(chan struct{}), make(chan error, 1)
		server.NotifyStartedFunc = func() { close(started) }
		go func() { done <- server.ActivateAndServe() }()
		<-started
		s.stop = append(s.stop, func() error { return errors.Join(server.Shutdown(), <-done) })
	}
	return s, nil
}

// Close stops the server, and returns when it has stopped.
func (s *Server) Close() error {
	var all []error
	for _, stop := range s.stop {
		all = append(all, stop())
	}
	return errors.Join(all...)
}

// listen opens one port for TCP and UDP.
func listen() (net.Listener, net.PacketConn, error) {
	var config net.ListenConfig
	for range 20 { // another process may have the same number for UDP
		listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		packets, err := config.ListenPacket(context.Background(), "udp", listener.Addr().String())
		if err == nil {
			return listener, packets, nil
		}
		_ = listener.Close() // nobody knows of it
	}
	return nil, nil, errors.New("dnstest: no port is free for both TCP and UDP")
}

// accept lets updates through, which the default does not.
func accept(h dns.Header) dns.MsgAcceptAction {
	if opcode := int(h.Bits>>11) & 0xF; opcode == dns.OpcodeUpdate {
		return dns.MsgAccept
	}
	return dns.DefaultMsgAcceptFunc(h)
}

// Addr is where the server listens, for UDP and TCP.
func (s *Server) Addr() string { return s.addr }

// Queries are the questions so far, such as "TXT www.example.com." with the
// network in front: "udp TXT www.example.com.".
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.queries...)
}

// AllowUpdates lets who signs with the key (HMAC-SHA256, the secret in base64)
// change all zones, and transfer them.
func (s *Server) AllowUpdates(key, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[strings.ToLower(dns.Fqdn(key))] = secret
}

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	network := w.LocalAddr().Network()
	if len(q.Question) != 1 {
		refuse(w, q, dns.RcodeFormatError)
		return
	}
	question := q.Question[0]
	s.mu.Lock()
	s.queries = append(s.queries, network+" "+dns.TypeToString[question.Qtype]+" "+strings.ToLower(question.Name))
	fault := s.fault(question.Name)
	s.mu.Unlock()
	switch {
	case q.Opcode == dns.OpcodeUpdate:
		s.update(w, q)
		return
	case question.Qtype == dns.TypeAXFR || question.Qtype == dns.TypeIXFR:
		s.transfer(w, q)
		return
	}
	r := s.answer(q)
	if fault.apply(r, network) {
		send(w, r)
	}
}

func refuse(w dns.ResponseWriter, q *dns.Msg, rcode int) {
	send(w, new(dns.Msg).SetRcode(q, rcode))
}

// send writes an answer, and cuts it for UDP. An error is the client's affair: it
// has gone, and hears nothing.
func send(w dns.ResponseWriter, r *dns.Msg) {
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if opt := r.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		r.Truncate(size)
	}
	_ = w.WriteMsg(r)
}
