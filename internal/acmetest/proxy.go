package acmetest

import (
	"crypto/x509"
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
	orders  atomic.Int64
	server  *httptest.Server
	instead atomic.Pointer[http.HandlerFunc]

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
		if instead := p.instead.Load(); instead != nil && isOrder(r) {
			(*instead)(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	return p
}

func isOrder(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/order-plz")
}

// Directory is where ACME clients begin.
func (p *Proxy) Directory() string { return p.server.URL + "/dir" }

// Server returns whom a client of the proxy has to trust.
func (p *Proxy) Server() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	return pool
}

// Orders returns how many orders the authority has taken through this proxy.
func (p *Proxy) Orders() int { return int(p.orders.Load()) }

// Instead has h answer new orders instead of the authority, until it is called
// with nil.
func (p *Proxy) Instead(h http.HandlerFunc) {
	if h == nil {
		p.instead.Store(nil)
		return
	}
	p.instead.Store(&h)
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
