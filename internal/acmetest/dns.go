package acmetest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// DNS is a server that knows every name, at 127.0.0.1, and the TXT records that
// it has been told. All its names are in one zone, example.test. All methods
// may be called from any goroutine.
type DNS struct {
	servers [2]*dns.Server // over UDP and TCP
	addr    string

	mu    sync.Mutex
	texts map[string][]string // by name, with the dot of the root
	lost  map[string]bool
}

// Zone is the zone that everything is in.
const Zone = "example.test."

// NewDNS starts a server on a free port of 127.0.0.1.
func NewDNS(ctx context.Context) (*DNS, error) {
	d := &DNS{texts: map[string][]string{}, lost: map[string]bool{}}
	var config net.ListenConfig
	var err error
	for range portTries {
		if err = d.listen(ctx, config); err == nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("acmetest: %w", err)
}

func (d *DNS) listen(ctx context.Context, config net.ListenConfig) error {
	packets, err := config.ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.addr = packets.LocalAddr().String()
	stream, err := config.Listen(ctx, "tcp", d.addr)
	if err != nil {
		_ = packets.Close() // the TCP port of this number is somebody else's
		return err
	}
	d.servers = [2]*dns.Server{{PacketConn: packets, Handler: d}, {Listener: stream, Handler: d}}
	for _, server := range d.servers {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }() // it ends by Close
		<-started
	}
	return nil
}

// Addr returns the server's address, for both UDP and TCP.
func (d *DNS) Addr() string { return d.addr }

// Close ends the server.
func (d *DNS) Close() {
	for _, server := range d.servers {
		_ = server.Shutdown() // it is running, so there is no error
	}
}

// AddText adds a TXT record.
func (d *DNS) AddText(name, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = dns.CanonicalName(name)
	d.texts[name] = append(d.texts[name], text)
}

// DropText takes a TXT record away.
func (d *DNS) DropText(name, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = dns.CanonicalName(name)
	d.texts[name] = slices.DeleteFunc(d.texts[name], func(t string) bool { return t == text })
}

// Texts returns how many TXT records there are.
func (d *DNS) Texts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, texts := range d.texts {
		n += len(texts)
	}
	return n
}

// Lose makes the server know nothing of a name.
func (d *DNS) Lose(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost[dns.CanonicalName(name)] = true
}

// Find undoes [DNS.Lose].
func (d *DNS) Find(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lost, dns.CanonicalName(name))
}

// ServeDNS implements [dns.Handler].
func (d *DNS) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(r)
	answer.Authoritative = true
	for _, q := range r.Question {
		d.answer(answer, q)
	}
	_ = w.WriteMsg(answer) // who asked has gone
}

func (d *DNS) answer(m *dns.Msg, q dns.Question) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := dns.CanonicalName(q.Name)
	header := func(kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: q.Name, Rrtype: kind, Class: dns.ClassINET, Ttl: 1}
	}
	soa := &dns.SOA{Hdr: header(dns.TypeSOA), Ns: "ns." + Zone, Mbox: "hostmaster." + Zone, Serial: 1, Refresh: 1, Retry: 1, Expire: 1, Minttl: 1}
	soa.Hdr.Name = Zone
	if d.lost[name] {
		m.Rcode, m.Ns = dns.RcodeNameError, append(m.Ns, soa)
		return
	}
	switch q.Qtype {
	case dns.TypeA:
		if !strings.HasPrefix(name, "_") {
			m.Answer = append(m.Answer, &dns.A{Hdr: header(dns.TypeA), A: net.IPv4(127, 0, 0, 1)})
		}
	case dns.TypeTXT:
		for _, text := range d.texts[name] {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: header(dns.TypeTXT), Txt: []string{text}})
		}
	case dns.TypeNS:
		if name == Zone {
			m.Answer = append(m.Answer, &dns.NS{Hdr: header(dns.TypeNS), Ns: "ns." + Zone})
		}
	case dns.TypeSOA:
		if name == Zone {
			m.Answer = append(m.Answer, soa)
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, soa)
	}
}
