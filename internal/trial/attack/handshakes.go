package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/autotls"
)

// other is the attacker's host, in a zone whose certificate covers the victim's too.
const other = "other.example.com"

// The attacks on connections over TLS.
func handshakeCases() []Case {
	return []Case{
		claimed("51s", "over TLS: a host that the connection was not made for", misdirected, altering(func(s *http.Server, bare http.Handler) { s.Handler = bare })),
		claimed("51r", "over TLS: a session resumed for another host, or one given up", resumed, altering(func(s *http.Server, _ http.Handler) {
			s.TLSConfig.WrapSession, s.TLSConfig.UnwrapSession = nil, nil
		})),
		claimed("53n", "a certificate or a hint for hosts claimed, given up, nobody's", unserved, hinting),
	}
}

// altering takes a wall out of the server.
func altering(alter func(s *http.Server, bare http.Handler)) move {
	return func(_ context.Context, p *platform) error {
		p.alter = alter
		return nil
	}
}

// secured is a server over TLS, on loopback.
type secured struct {
	*http.Server

	addr  string
	roots *x509.CertPool
	stop  func()
}

// secure serves the platform's pages over TLS. There is no CA: whoever may have a
// certificate shows one that covers all of example.com.
func (p *platform) secure(ctx context.Context) (*secured, error) {
	if err := p.breached(ctx); err != nil {
		return nil, err
	}
	pages, err := p.pages()
	if err != nil {
		return nil, err
	}
	m, err := autotls.New(p.pool, p.Catalog, &autotls.Options{Key: make([]byte, 32), Agreed: true, NoOnDemand: true, Logger: silent()})
	if err != nil {
		return nil, err
	}
	if err := m.Open(ctx); err != nil {
		return nil, err
	}
	shared, roots, err := covering("example.com", "*.example.com")
	if err != nil {
		m.Close()
		return nil, err
	}
	s := &secured{Server: m.Server(pages), roots: roots}
	find := s.TLSConfig.GetCertificate
	s.TLSConfig.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if got, err := find(hello); got == nil && err == nil {
			return nil, nil //nolint:nilnil // this host may not have one
		}
		return shared, nil
	}
	if p.alter != nil {
		p.alter(s.Server, pages)
		if s.TLSConfig.GetCertificate == nil {
			s.TLSConfig.Certificates = []tls.Certificate{*shared}
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		m.Close()
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeTLS(l, "", "") // until it is closed
	}()
	s.addr, s.stop = l.Addr().String(), func() {
		_ = s.Close() // its listener is of no more use
		<-done
		m.Close()
	}
	return s, nil
}

// covering is a certificate that covers several hosts, and who trusts it.
func covering(hosts ...string) (*tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	leaf, err := x509.ParseCertificate(signed)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key, Leaf: leaf}, roots, nil
}

// dial makes a connection for a host, which ends with ctx.
func (s *secured) dial(ctx context.Context, host string, change func(*tls.Config)) (*tls.Conn, error) {
	config := &tls.Config{ServerName: host, RootCAs: s.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	change(config)
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return conn, nil
}

// over sends a request over a connection for a host.
func (p *platform) over(ctx context.Context, s *secured, host string, lines request, change func(*tls.Config)) (body string, resumed bool, err error) {
	conn, err := s.dial(ctx, host, change)
	if err != nil {
		return "", false, err
	}
	defer func() { _ = conn.Close() }() // all is read
	_, body, err = p.talk(conn, lines)
	return body, conn.ConnectionState().DidResume, err
}

func asItIs(*tls.Config) {}

// both makes the two hosts the attacker's and the victim's, and serves them.
func (p *platform) both(ctx context.Context) (*secured, error) {
	if err := p.have(ctx, p.attacker, other); err != nil {
		return nil, err
	}
	if err := p.have(ctx, p.victim, shop); err != nil {
		return nil, err
	}
	return p.secure(ctx)
}

// misdirected asks for the victim's pages over connections for the attacker's
// host: whatever let it in by the name in the handshake has seen another.
func misdirected(ctx context.Context, p *platform) error {
	s, err := p.both(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	body, _, err := p.over(ctx, s, other, request{"Host: " + other}, asItIs)
	if err := p.served(p.attacker, body, err); err != nil {
		return err
	}
	for _, lines := range []request{
		{"Host: " + shop}, {"Host: SHOP.example.com."}, {"Host: " + shop + ":443"},
		{"GET https://" + shop + "/ HTTP/1.1", "Host: " + other}, {"Host: " + shop, "X-Forwarded-Host: " + other},
	} {
		body, _, err := p.over(ctx, s, other, lines, asItIs)
		if err != nil {
			return err
		}
		p.hear(body)
	}
	if err := p.authority(ctx, s); err != nil {
		return err
	}
	nameless := func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "", true }
	body, _, err = p.over(ctx, s, "", request{"Host: " + shop}, nameless)
	if err == nil {
		p.hear(body)
		p.findf("who names no host is served")
	}
	return nil
}

// authority is misdirected over HTTP/2, where browsers share connections.
func (p *platform) authority(ctx context.Context, s *secured) error {
	transport := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return s.dial(ctx, other, func(c *tls.Config) { c.NextProtos = []string{"h2"} })
	}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+shop+"/", nil)
	if err != nil {
		return err
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // all is read
	if answer.ProtoMajor != 2 {
		return fmt.Errorf("spoken is %s", answer.Proto)
	}
	body, err := io.ReadAll(answer.Body)
	p.hear(string(body))
	return err
}

// resumed resumes the attacker's session for the victim's host, and the victim's
// own after the host was given up. The first without that the certificate was
// looked at again, the second without that anybody was asked.
func resumed(ctx context.Context, p *platform) error {
	s, err := p.both(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	versions := []uint16{tls.VersionTLS12, tls.VersionTLS13}
	kept := map[uint16]*tls.ClientSessionState{}
	for _, version := range versions {
		mine, theirs := &ticket{}, &ticket{}
		for name, session := range map[string]*ticket{other: mine, shop: theirs} {
			if _, _, err := p.over(ctx, s, name, request{"Host: " + name}, session.with(version)); err != nil {
				return err
			}
		}
		kept[version] = theirs.session
		stolen := &ticket{mine.session}
		if _, again, err := p.over(ctx, s, other, request{"Host: " + other}, mine.with(version)); err != nil || !again {
			return fmt.Errorf("no session is resumed by TLS %x for its own host, %w", version, err)
		}
		if _, again, err := p.over(ctx, s, shop, request{"Host: " + shop}, stolen.with(version)); err != nil {
			return err
		} else if again {
			p.findf("a session of TLS %x is resumed for another host", version)
		}
	}
	if err := p.leave(ctx); err != nil {
		return err
	}
	if err := p.until(ctx, func() (bool, error) { return !p.MayServe(shop), nil }); err != nil {
		return err
	}
	for _, version := range versions {
		if conn, err := s.dial(ctx, shop, (&ticket{kept[version]}).with(version)); err == nil {
			_ = conn.Close() // nothing was said
			p.findf("a session of TLS %x is resumed for a host that was given up", version)
		}
	}
	return nil
}

// ticket remembers one session, for whichever host.
type ticket struct{ session *tls.ClientSessionState }

// Get implements tls.ClientSessionCache.
func (t *ticket) Get(string) (*tls.ClientSessionState, bool) { return t.session, t.session != nil }

// Put implements tls.ClientSessionCache.
func (t *ticket) Put(_ string, s *tls.ClientSessionState) { t.session = s }

func (t *ticket) with(version uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion, c.ClientSessionCache = version, version, t }
}

// unserved asks for hosts that are claimed, that were given up, and that nobody
// has: all have to be the same to whoever asks.
func unserved(ctx context.Context, p *platform) error {
	const claimedHost, nobodys = "claimed.example.com", "nobody.example.com"
	s, err := p.both(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := p.Claim(ctx, p.victim.ID, claimedHost, domain.MethodTXT); err != nil {
		return err
	}
	if err := errors.Join(p.leave(ctx), p.until(ctx, func() (bool, error) { return !p.MayServe(shop), nil })); err != nil {
		return err
	}
	body, _, err := p.over(ctx, s, other, request{"Host: " + other}, asItIs)
	if err := p.served(p.attacker, body, err); err != nil {
		return err
	}
	addr, stop, err := listening(ctx, s.Handler)
	if err != nil {
		return err
	}
	defer stop()
	answers := map[string]string{}
	for _, host := range []string{nobodys, claimedHost, shop} {
		body, err := p.send(ctx, addr, request{"Host: " + host})
		if err != nil {
			return err
		}
		p.hear(body)
		conn, err := s.dial(ctx, host, asItIs)
		if err == nil {
			_ = conn.Close() // nothing was said
			p.findf("%s has a certificate", host)
		}
		if answers[host] = fmt.Sprint(body, err); answers[host] != answers[nobodys] {
			p.findf("%s is not answered like nobody's: %q", host, answers[host])
		}
	}
	return nil
}

// hinting is a server with one certificate for all, and with pages that say how it
// stands with a domain.
func hinting(_ context.Context, p *platform) error {
	p.alter = func(s *http.Server, bare http.Handler) {
		s.TLSConfig.GetCertificate = nil
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if d, err := p.Get(r.Context(), p.victim.ID, r.Host); err == nil && !d.State.Serves() {
				http.Error(w, "this domain is "+string(d.State), http.StatusNotFound)
				return
			}
			bare.ServeHTTP(w, r)
		})
	}
	return nil
}

// served is an error unless an honest request was answered.
func (*platform) served(who party, body string, err error) error {
	if err == nil && !strings.Contains(body, who.canary) {
		err = fmt.Errorf("an honest request of %s's is answered %q", who.Slug, body)
	}
	return err
}
