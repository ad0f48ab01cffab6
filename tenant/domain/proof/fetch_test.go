package proof_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/proof"
)

// site is what answers at a host's public addresses: plain HTTP on port 80, TLS
// with a certificate of nobody's on 443.
type site struct {
	plain, secure *httptest.Server
	hits          atomic.Int32
}

func newSite(t *testing.T, h http.HandlerFunc) *site {
	t.Helper()
	s := &site{}
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		h(w, r)
	})
	s.plain, s.secure = httptest.NewServer(counted), httptest.NewTLSServer(counted)
	t.Cleanup(s.plain.Close)
	t.Cleanup(s.secure.Close)
	return s
}

func (s *site) lead(at netip.AddrPort) string {
	if at.Port() == 443 {
		return s.secure.Listener.Addr().String()
	}
	return s.plain.Listener.Addr().String()
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, body) // who asks may have gone
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	to := func(status int, location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.TLS != nil && strings.HasPrefix(location, "https:") {
				text(token)(w, r)
				return
			}
			w.Header().Set("Location", location)
			w.WriteHeader(status)
		}
	}
	const path = "/.well-known/partywall-challenge"
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want domain.Reason
	}{
		"the token":            {text(token), ""},
		"with a line end":      {text(token + "\r\n"), ""},
		"to https":             {to(301, "https://shop.example.com"+path), ""},
		"another's token":      {text("another-tenants-token"), domain.ReasonWrongRecord},
		"the token in a page":  {text("<html>" + token), domain.ReasonWrongRecord},
		"the token, and a lot": {text(token + strings.Repeat(" ", 1<<20) + "x"), domain.ReasonWrongRecord},
		"nothing":              {text(""), domain.ReasonWrongRecord},
		"not found":            {http.NotFound, domain.ReasonNoRecord},
		"in a circle":          {to(302, path), domain.ReasonTooManyRedirects},
		"to another host":      {to(302, "http://evil.example"+path), domain.ReasonWrongRecord},
		"to a host below":      {to(302, "http://evil.shop.example.com"+path), domain.ReasonWrongRecord},
		"to an address":        {to(302, "http://169.254.169.254/latest/meta-data"), domain.ReasonWrongRecord},
		"to loopback":          {to(302, "http://[::ffff:127.0.0.1]"+path), domain.ReasonWrongRecord},
		"to another path":      {to(302, "/uploads/evil"), domain.ReasonWrongRecord},
		"to a query":           {to(302, path+"/../../uploads"), domain.ReasonWrongRecord},
		"to another port":      {to(302, "http://shop.example.com:8080"+path), domain.ReasonWrongRecord},
		"to plain HTTP on 443": {to(302, "http://shop.example.com:443"+path), domain.ReasonWrongRecord},
		"to a file":            {to(302, "file:///etc/passwd"), domain.ReasonWrongRecord},
		"with user info":       {to(302, "http://a:b@shop.example.com"+path), domain.ReasonWrongRecord},
		"a long header":        {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<17)) }, domain.ReasonUnreachable},
		"a server that goes":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, domain.ReasonUnreachable},
		"a body that breaks": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50")
			text(token)(w, nil)
		}, domain.ReasonUnreachable},
		"a status of its own": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299); text(token)(w, nil) }, domain.ReasonNoRecord},
		"packed, not asked for": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			text("\x1f\x8b")(w, nil)
		}, domain.ReasonWrongRecord},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := newWorld(t), newSite(t, c.h)
			w.set(t, "shop.example.com. A 45.1.0.1")
			p := w.prover(t)
			p.Lead(s.lead)
			if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); reason(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if n := s.hits.Load(); n == 0 || n > 6 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// The request goes to the address with the host's name, and carries nothing else.
func TestHTTPRequest(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "shop.example.com" || r.URL.Path != "/.well-known/partywall-challenge" || !r.Close || len(r.Cookies()) > 0 {
			t.Errorf("request is %v %v", r.Host, r.URL)
		}
		text(token)(w, r)
	})
	w := newWorld(t)
	w.set(t, "shop.example.com. A 45.1.0.1", "shop.example.com. A 45.1.0.2")
	p := w.prover(t)
	p.Lead(s.lead)
	if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); err != nil {
		t.Error(err)
	}
}

func TestHTTPTimesOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := newSite(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.set(t, "shop.example.com. A 45.1.0.1")
	p := w.prover(t, func(o *proof.Options) { o.FetchTimeout = 200 * time.Millisecond })
	p.Lead(s.lead)
	if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); reason(err) != domain.ReasonUnreachable {
		t.Errorf("got %v", err)
	}
}

// inside are addresses that a proof by HTTP must not reach, in all their dresses.
func inside() []string {
	return []string{
		"127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0", "0.1.2.3",
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "168.63.129.16",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:db8::1",
		"2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "4000::1",
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	p := newWorld(t).prover(t, func(o *proof.Options) { o.Refuse = []netip.Prefix{netip.MustParsePrefix("45.9.0.0/16")} })
	for _, text := range append(inside(), "45.9.0.1", "fe80::1%lo", "2600::1%lo") {
		if err := p.CheckAddress(netip.MustParseAddr(text)); !errors.Is(err, proof.ErrRefused) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := p.CheckAddress(netip.Addr{}); !errors.Is(err, proof.ErrRefused) {
		t.Errorf("no address: %v", err)
	}
	for _, text := range []string{"45.8.0.1", "1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1", "2a00::1"} {
		if err := p.CheckAddress(netip.MustParseAddr(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The socket's own check does not depend on what has gone before it.
func TestSocketIsChecked(t *testing.T) {
	t.Parallel()
	p := newWorld(t).prover(t)
	s := newSite(t, text(token))
	for _, at := range []string{s.plain.Listener.Addr().String(), "127.0.0.1:80", "[::1]:80", "localhost:80", "[::ffff:127.0.0.1]:443", "45.1.0.1:22"} {
		if err := p.DialHTTP(t.Context(), at); !errors.Is(err, proof.ErrRefused) {
			t.Errorf("%s: %v", at, err)
		}
	}
	// Control: it is the check that refuses, and not the network.
	p.Unguard()
	if err := p.DialHTTP(t.Context(), "127.0.0.1:80"); errors.Is(err, proof.ErrRefused) {
		t.Errorf("control: %v", err)
	}
}

// A host whose address is inside is not asked. Without the guard it would be.
func TestHTTPInside(t *testing.T) {
	t.Parallel()
	s := newSite(t, text(token))
	w := newWorld(t)
	p := w.prover(t)
	p.Lead(s.lead)
	for _, at := range inside() {
		kind, other := "A", dns.TypeAAAA
		if strings.Contains(at, ":") {
			kind, other = "AAAA", dns.TypeA
		}
		if net.ParseIP(at).To4() != nil && kind == "AAAA" {
			continue // miekg/dns does not read these in zone files; TestHTTPMapped has them
		}
		for _, server := range w.all() {
			server.Remove("shop.example.com", other)
		}
		w.set(t, "shop.example.com. "+kind+" "+at)
		if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); reason(err) != domain.ReasonAddressRefused || s.hits.Load() != 0 {
			t.Errorf("%s: %v, %d requests", at, err, s.hits.Load())
		}
	}
	p.Unguard()
	if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); err != nil || s.hits.Load() == 0 {
		t.Errorf("control: %v, %d requests", err, s.hits.Load())
	}
}

// IPv4 in an AAAA record is refused as what it is, even if it is a public one.
func TestHTTPMapped(t *testing.T) {
	t.Parallel()
	w, s := newWorld(t), newSite(t, text(token))
	for _, r := range w.resolvers {
		r.Fail("shop.example.com", dnstest.Fault{Lie: func(r *dns.Msg) {
			if r.Question[0].Qtype == dns.TypeAAAA {
				r.Rcode = dns.RcodeSuccess
				r.Answer = []dns.RR{&dns.AAAA{
					Hdr:  dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeAAAA, Class: dns.ClassINET},
					AAAA: net.ParseIP("::ffff:127.0.0.1"),
				}}
			}
		}})
	}
	p := w.prover(t)
	p.Lead(s.lead)
	if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); reason(err) != domain.ReasonAddressRefused || s.hits.Load() != 0 {
		t.Errorf("got %v, %d requests", err, s.hits.Load())
	}
}

// A server that answers with a public address first and one inside then gets
// nothing by it: the address that was checked is the one that is gone to.
func TestHTTPRebinding(t *testing.T) {
	t.Parallel()
	w, outside := newWorld(t), newSite(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/.well-known/partywall-challenge", http.StatusFound) // a reason to look the name up again
	})
	var asked atomic.Int32
	for _, r := range w.resolvers {
		r.Fail("shop.example.com", dnstest.Fault{Lie: func(r *dns.Msg) {
			if r.Question[0].Qtype != dns.TypeA {
				return
			}
			at := "45.1.0.1"
			if asked.Add(1) > int32(len(w.resolvers)) {
				at = "127.0.0.1"
			}
			r.Rcode = dns.RcodeSuccess
			r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(at)}}
		}})
	}
	p := w.prover(t)
	var gone []string
	p.Lead(func(at netip.AddrPort) string {
		gone = append(gone, at.String())
		return outside.lead(at)
	})
	for range 3 { // all but the first are answered with the address inside
		_, _ = p.Prove(t.Context(), challenge(domain.MethodHTTP)) // where it has gone is what counts
	}
	for _, at := range gone {
		if at != "45.1.0.1:80" {
			t.Errorf("gone to %s", at)
		}
	}
	if len(gone) == 0 || int(asked.Load()) <= len(w.resolvers) {
		t.Errorf("gone to %q after %d questions: not what is tested", gone, asked.Load())
	}
}

// A resolver that lies leads us to who lies, and to the honest one as well.
func TestHTTPLyingResolver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	honest, evil := newSite(t, http.NotFound), newSite(t, text(token))
	w.set(t, "shop.example.com. A 45.1.0.1")
	w.resolvers[1].Set(t, "shop.example.com. A 45.66.6.6")
	p := w.prover(t)
	p.Lead(func(at netip.AddrPort) string {
		if at.Addr().String() == "45.66.6.6" {
			return evil.lead(at)
		}
		return honest.lead(at)
	})
	if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); reason(err) != domain.ReasonNoRecord {
		t.Errorf("got %v", err)
	}
	// Control: what the liar's address answers would do.
	w.set(t, "shop.example.com. A 45.66.6.6")
	if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); err != nil {
		t.Errorf("control: %v", err)
	}
}

// What the platform answers itself proves nothing about who controls a host.
func TestHTTPOnOurEdge(t *testing.T) {
	t.Parallel()
	w, s := newWorld(t), newSite(t, text(token))
	w.set(t, "shop.example.com. CNAME k3j9.edge.example.")
	p := w.prover(t, func(o *proof.Options) { o.Edge = []netip.Prefix{netip.MustParsePrefix("46.0.0.0/24")} })
	p.Lead(s.lead)
	got, err := p.Prove(t.Context(), challenge(domain.MethodHTTP))
	if reason(err) != domain.ReasonAddressRefused || s.hits.Load() != 0 || !got.Pointed {
		t.Errorf("got %v, %v, %d requests", got, err, s.hits.Load())
	}
	p = w.prover(t) // control
	p.Lead(s.lead)
	if _, err := p.Prove(t.Context(), challenge(domain.MethodHTTP)); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := proof.New([]string{"resolver.example:53", "1.1.1.1:53", "1.1.1.1:53"}, &proof.Options{
		Quorum: 4, Timeout: -1, Edge: make([]netip.Prefix, 1), Issuers: []string{"not a name"},
	})
	if err == nil || strings.Count(err.Error(), "\n") != 5 {
		t.Errorf("got %v, want six mistakes", err)
	}
	if _, err := proof.New(nil, nil); err == nil {
		t.Error("no resolvers")
	}
}
