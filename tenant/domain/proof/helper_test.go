package proof_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/proof"
)

const token = "k3j9x2m8q4w7z5t1b6n0"

// world is a small internet: a zone with two servers of its own, and three
// resolvers, each a process of sockets. The addresses of the zone's servers are
// public ones, which are led to loopback when they are dialled.
type world struct {
	own       []*dnstest.Server
	resolvers []*dnstest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		own:       []*dnstest.Server{dnstest.Start(t), dnstest.Start(t)},
		resolvers: []*dnstest.Server{dnstest.Start(t), dnstest.Start(t), dnstest.Start(t)},
	}
	w.zone(t, "example.com", "@ NS ns1.dns.example.", "@ NS ns2.dns.example.")
	w.zone(t, "dns.example", "ns1 A 45.0.0.1", "ns2 A 45.0.0.2", "@ NS ns1")
	w.zone(t, "com")
	w.zone(t, "edge.example", "@ NS ns1.dns.example.", "k3j9 A 46.0.0.1")
	return w
}

func (w *world) all() []*dnstest.Server {
	return append(append([]*dnstest.Server(nil), w.own...), w.resolvers...)
}

// zone gives a zone to everybody.
func (w *world) zone(t *testing.T, origin string, records ...string) {
	t.Helper()
	for _, s := range w.all() {
		s.Zone(t, origin, records...)
	}
}

// set replaces records at everybody's.
func (w *world) set(t *testing.T, records ...string) {
	t.Helper()
	for _, s := range w.all() {
		s.Set(t, records...)
	}
}

func (w *world) prover(t *testing.T, change ...func(*proof.Options)) *proof.Prover {
	t.Helper()
	opts := &proof.Options{Timeout: 2 * time.Second, Dial: w.dial, Issuers: []string{"letsencrypt.org"}}
	for _, c := range change {
		c(opts)
	}
	var resolvers []string
	for _, r := range w.resolvers {
		resolvers = append(resolvers, r.Addr())
	}
	p, err := proof.New(resolvers, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for i, s := range w.own {
		if address == fmt.Sprintf("45.0.0.%d:53", i+1) {
			return new(net.Dialer).DialContext(ctx, network, s.Addr())
		}
	}
	for _, s := range w.resolvers {
		if address == s.Addr() {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	return nil, errors.New("nobody is there")
}

// quick is for tests in which somebody does not answer.
func quick(o *proof.Options) { o.Timeout = 50 * time.Millisecond }

func challenge(method domain.Method) domain.Challenge {
	return domain.Challenge{Host: "shop.example.com", Method: method, Token: token, Target: "k3j9.edge.example"}
}

// reason is that of an error; "" for none, and what it says for another.
func reason(err error) domain.Reason {
	if err == nil {
		return ""
	}
	if failed, ok := errors.AsType[*domain.ProofError](err); ok {
		return failed.Reason
	}
	return domain.Reason(err.Error())
}

const record = "_partywall-challenge.shop.example.com. TXT "
