package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/partywall/partywall/internal/certtest"
	"github.com/partywall/partywall/tenant"
)

// many is how many look-ups are one statement: microseconds of it are
// nanoseconds of a look-up.
const many = 1000

// drawn is how many hosts are drawn to be looked up; then they begin again.
const drawn = 1 << 16

// look reports whether a host was found.
type look func(host string) bool

// finder is one way to look something up. open is called once for each
// goroutine.
type finder struct {
	name string
	open func() look
}

func always(f look) func() look { return func() look { return f } }

// benches are what a node does all the time, beside what somebody would write by
// hand.
func (e *edge) benches(ctx context.Context, only string) (out []*bench, _ error) {
	byHand, err := e.byHand()
	if err != nil {
		return nil, err
	}
	all := []*bench{e.handshakes(byHand)}
	for _, among := range []struct {
		thing string
		count int
		ways  []finder
	}{
		{"certificate", e.certificates, e.certificateWays(byHand)},
		{"host", e.hosts, e.hostWays(ctx)},
	} {
		what := fmt.Sprintf("%s among %d", among.thing, among.count)
		everyone, few := draws(among.count), draws(min(hot, among.count))
		alone, crowd, part := &bench{statement: "all alike"}, &bench{statement: "all alike, in parallel"}, &bench{statement: fmt.Sprintf("%d of them", hot)}
		for _, w := range among.ways {
			alone.ways = append(alone.ways, &way{name: w.name, run: lookUp(w.open, everyone)})
			crowd.ways = append(crowd.ways, &way{name: w.name, run: lookUpInParallel(w.open, everyone)})
			part.ways = append(part.ways, &way{name: w.name, run: lookUp(w.open, few)})
		}
		for _, b := range []*bench{alone, crowd, part} {
			b.transport = what
			all = append(all, b)
		}
	}
	for _, b := range all {
		if b.keep(only) {
			out = append(out, b)
		}
	}
	return out, nil
}

// draws are hosts out of the first count, in no order. Each has its own memory,
// as one that a client has just sent.
func draws(count int) []string {
	hosts := make([]string, drawn)
	for i := range hosts {
		hosts[i] = strings.Clone(certtest.Host(rand.IntN(count))) //nolint:gosec // G404: a choice, not a secret
	}
	return hosts
}

// byHand are certificates in a map, as crypto/tls had them before there was
// GetCertificate.
func (e *edge) byHand() (map[string]*tls.Certificate, error) {
	chain, key, err := e.mint.Issue(certtest.Host(0), 2)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says whose it is
	}
	byHost := map[string]*tls.Certificate{}
	for i := range e.certificates {
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		pair.Leaf = nil // nobody looks at it
		byHost[certtest.Host(i)] = &pair
	}
	return byHost, nil
}

func (e *edge) certificateWays(byHand map[string]*tls.Certificate) []finder {
	plain := func(host string) bool {
		c := byHand[host]
		return c != nil && len(c.Certificate) > 0
	}
	show := e.manager.TLSConfig().GetCertificate
	protocols := []string{"h2", "http/1.1"}
	return []finder{{"a Go map, by hand", always(plain)}, {"the same again", always(plain)}, {"autotls", func() look {
		hello := &tls.ClientHelloInfo{SupportedProtos: protocols} // which crypto/tls makes for each handshake, whoever serves
		return func(host string) bool {
			hello.ServerName = host
			c, err := show(hello)
			return c != nil && err == nil
		}
	}}}
}

func (e *edge) hostWays(ctx context.Context) []finder {
	owners := map[string]tenant.ID{}
	for i := range e.hosts {
		owners[certtest.Host(i)] = tenant.NewID(time.Now())
	}
	plain := func(host string) bool { return owners[host] != tenant.ID{} }
	owner := func(host string) bool {
		_, err := e.catalog.Owner(ctx, host)
		return err == nil
	}
	return []finder{
		{"a Go map, by hand", always(plain)}, {"the same again", always(plain)}, {"Owner", always(owner)}, {"MayServe", always(e.catalog.MayServe)},
	}
}

var errNotFound = errors.New("a host was not found")

// lookUp looks many hosts up, one after the other.
func lookUp(open func() look, hosts []string) func(i int) error {
	return func(i int) error {
		find := open()
		for n := range many {
			if !find(hosts[(i*many+n)%len(hosts)]) {
				return errNotFound
			}
		}
		return nil
	}
}

// lookUpInParallel has each processor look many hosts up.
func lookUpInParallel(open func() look, hosts []string) func(i int) error {
	one := lookUp(open, hosts)
	processors := runtime.GOMAXPROCS(0)
	return func(i int) error {
		var missed atomic.Bool
		var work sync.WaitGroup
		for p := range processors {
			work.Go(func() {
				if one(i*processors+p) != nil {
					missed.Store(true)
				}
			})
		}
		work.Wait()
		if missed.Load() {
			return errNotFound
		}
		return nil
	}
}

// handshakes are whole ones, with the same certificate.
func (e *edge) handshakes(byHand map[string]*tls.Certificate) *bench {
	protocols := []string{"h2", "http/1.1"}
	client := &tls.Config{
		ServerName: certtest.Host(0), RootCAs: e.mint.Roots, MinVersion: tls.VersionTLS13, NextProtos: protocols, ClientSessionCache: forgetful{},
	}
	plain := &tls.Config{Certificates: []tls.Certificate{*byHand[certtest.Host(0)]}, MinVersion: tls.VersionTLS12, NextProtos: protocols}
	b := &bench{transport: "handshake", statement: "TLS 1.3"}
	for _, w := range []struct {
		name   string
		server *tls.Config
	}{{"crypto/tls", plain}, {"the same again", plain.Clone()}, {"autotls", e.manager.TLSConfig()}} {
		b.ways = append(b.ways, &way{name: w.name, run: func(int) error { return shake(w.server, client) }})
	}
	return b
}

// forgetful is a client's cache of sessions that has none: it asks for a ticket,
// as browsers do, and never comes back with one.
type forgetful struct{}

func (forgetful) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (forgetful) Put(string, *tls.ClientSessionState) {}

// shake makes a handshake between two ends of a pipe. The server's first byte
// comes after its ticket.
func shake(server, client *tls.Config) error {
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := tls.Server(far, server).Write([]byte{1})
		done <- errors.Join(err, far.Close())
	}()
	_, err := tls.Client(near, client).Read(make([]byte, 1))
	err = errors.Join(err, near.Close())
	if err := errors.Join(err, <-done); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return nil
}
