package acmetest

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// Proxy stands in front of an authority: it counts orders, and may answer in
// the authority's place. All methods may be called from any goroutine.
type Proxy struct {
	orders, replacing atomic.Int64
	server            *httptest.Server
	instead           substitute // for orders
	issuing           substitute // for requests to issue what was ordered

	mu      sync.Mutex
	ordered func() // after the authority has taken an order, before the client hears of it
}

// NewProxy starts a proxy in front of c. It ends by [Proxy.Close].
func NewProxy(c *CA) *Proxy {
	p := &Proxy{}
	target := &url.URL{Scheme: "https", Host: local(c.port)}
	forward := &httputil.ReverseProxy{
		// The Host stays: the authority makes its addresses from it, and clients
		// sign those.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		Transport: c.client().Transport,
		ModifyResponse: func(answer *http.Response) error {
			if isOrder(answer.Request) && answer.StatusCode == http.StatusCreated {
				p.orders.Add(1)
				if answer.Request.Context().Value(replacesKey{}) != nil {
					p.replacing.Add(1)
				}
				p.mu.Lock()
				ordered := p.ordered
				p.mu.Unlock()
				if ordered != nil {
					ordered()
				}
			}
			return nil
		},
	}
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isOrder(r) && p.instead.answer(w, r) || isFinal(r) && p.issuing.answer(w, r) {
			return
		}
		if isOrder(r) {
			r = noting(r)
		}
		forward.ServeHTTP(w, r)
	}))
	return p
}

// replacesKey marks a request that orders in a certificate's place.
type replacesKey struct{}

// noting looks whether an order names a certificate that it replaces (RFC 9773,
// section 5).
func noting(r *http.Request) *http.Request {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return r // the authority will find that out as well
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var signed struct {
		Payload string `json:"payload"`
	}
	var order struct {
		Replaces string `json:"replaces"`
	}
	if json.Unmarshal(body, &signed) == nil {
		if payload, err := base64.RawURLEncoding.DecodeString(signed.Payload); err == nil {
			_ = json.Unmarshal(payload, &order) // it replaces nothing then
		}
	}
	if order.Replaces == "" {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), replacesKey{}, true))
}

// Replacing returns how many of the orders have named a certificate that they
// replace.
func (p *Proxy) Replacing() int { return int(p.replacing.Load()) }

func isOrder(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/order-plz")
}

func isFinal(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/finalize-order/")
}

// Directory is where ACME clients begin.
func (p *Proxy) Directory() string { return p.server.URL + "/dir" }

// Server returns whom a client of the proxy has to trust.
func (p *Proxy) Server() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	return pool
}

// Certificate returns the certificate of the proxy.
func (p *Proxy) Certificate() *x509.Certificate { return p.server.Certificate() }

// Orders returns how many orders the authority has taken through this proxy.
func (p *Proxy) Orders() int { return int(p.orders.Load()) }

// Instead has h answer new orders instead of the authority, until it is called
// with nil.
func (p *Proxy) Instead(h http.HandlerFunc) { p.instead.set(h) }

// Issuing has h answer, instead of the authority, whoever wants what it has
// ordered to be issued, until it is called with nil.
func (p *Proxy) Issuing(h http.HandlerFunc) { p.issuing.set(h) }

// substitute answers instead of the authority while there is one.
type substitute struct {
	handler atomic.Pointer[http.HandlerFunc]
}

func (s *substitute) set(h http.HandlerFunc) {
	if h == nil {
		s.handler.Store(nil)
		return
	}
	s.handler.Store(&h)
}

// answer reports whether there is one, which has answered then.
func (s *substitute) answer(w http.ResponseWriter, r *http.Request) bool {
	h := s.handler.Load()
	if h != nil {
		(*h)(w, r)
	}
	return h != nil
}

// Ordered has f called after the authority has taken an order, and before the
// client hears of it.
func (p *Proxy) Ordered(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ordered = f
}

// Close ends the proxy, without waiting for who is held up in it.
func (p *Proxy) Close() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// Problem answers as an authority does that is not willing (RFC 7807).
func Problem(status int, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Replay-Nonce", "bm9uY2U")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:` + kind + `","detail":"not now"}`)) // who asked may have gone
	}
}
