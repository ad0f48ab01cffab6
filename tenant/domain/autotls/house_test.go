package autotls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/acmetest"
	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/internal/pgtest"
)

// hosts are what may be served, in memory.
type hosts struct {
	mu    sync.Mutex
	serve map[string]bool
	all   atomic.Bool
	asked atomic.Int64
}

func (h *hosts) MayServe(host string) bool {
	h.asked.Add(1)
	if h.all.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.serve[host]
}

func (h *hosts) set(host string, may bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serve[host] = may
}

// town is a CA, the ports at which it looks for hosts, and a database.
type town struct {
	ca          *acmetest.CA
	dns         *dnstest.Server // every name below example.test is at 127.0.0.1
	proxy       *acmetest.Proxy // in front of the CA
	url         string
	pool        *pgxpool.Pool
	hosts       *hosts
	plain, safe net.Listener
	events      chan Event
	ahead       atomic.Int64 // how far the nodes' clocks are ahead of the CA's
}

// settle makes a town on a database with our tables.
func settle(t testing.TB) *town {
	t.Helper()
	db := pgtest.New(t, tables())
	return settleOn(t, db.URL)
}

func settleOn(t testing.TB, url string) *town {
	t.Helper()
	n := &town{hosts: &hosts{serve: map[string]bool{}}, url: url, events: make(chan Event, 1000)}
	var err error
	if n.pool, err = pgxpool.New(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.pool.Close)
	n.dns = dnstest.Start(t)
	n.dns.Zone(t, "example.test", "* IN A 127.0.0.1")
	town := acmetest.New(t, n.dns.Addr())
	n.ca, n.proxy, n.plain, n.safe = town.CA, town.Proxy, town.Plain, town.Safe
	return n
}

// authority is the town's CA; Pebble picks a profile by chance when none is
// named.
func (n *town) authority(profile string) CA {
	return CA{Directory: n.proxy.Directory(), Roots: n.proxy.Server(), Profile: profile}
}

// options are those of a node.
func (n *town) options(t testing.TB) *Options {
	return &Options{
		Key: testKey(1), Agreed: true, CAs: []CA{n.authority(acmetest.Classic)},
		Sweep: 100 * time.Millisecond, Lease: 2 * time.Second, OrderTimeout: 30 * time.Second, HTTPSPort: acmetest.Port(n.safe),
		Logger:  slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnEvent: func(e Event) { n.events <- e },
		Clock:   func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) },
	}
}

// node opens a node. change may alter its options.
func (n *town) node(t testing.TB, change func(*Options)) *Manager {
	t.Helper()
	o := n.options(t)
	if change != nil {
		change(o)
	}
	m, err := New(n.pool, n.hosts, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// serve has a node answer at the ports where the CA looks.
func (n *town) serve(t testing.TB, m *Manager) {
	t.Helper()
	n.serveAt(t, m, n.plain, n.safe)
}

func (n *town) serveAt(t testing.TB, m *Manager, plain, safe net.Listener) {
	t.Helper()
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "hello ", r.Host) })
	open := &http.Server{Handler: m.HTTPHandler(nil), ReadHeaderTimeout: 10 * time.Second}
	closed := m.Server(greet)
	var done sync.WaitGroup
	done.Go(func() { _ = open.Serve(plain) })
	done.Go(func() { _ = closed.ServeTLS(safe, "", "") })
	t.Cleanup(func() {
		_, _ = open.Close(), closed.Close() // connections of clients may be open
		done.Wait()
	})
}

// dial makes a connection to a host.
func (n *town) dial(ctx context.Context, name string) (*tls.Conn, error) {
	return n.dialAt(ctx, n.safe, name, nil)
}

func (n *town) dialAt(ctx context.Context, at net.Listener, name string, change func(*tls.Config)) (*tls.Conn, error) {
	c := &tls.Config{ServerName: name, RootCAs: n.ca.Roots(), MinVersion: tls.VersionTLS12}
	if change != nil {
		change(c)
	}
	dialer := tls.Dialer{Config: c}
	conn, err := dialer.DialContext(ctx, "tcp", at.Addr().String())
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil //nolint:forcetypeassert // tls.Dialer says so
}

// leaf returns the certificate that a host shows.
func (n *town) leaf(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	conn, err := n.dial(t.Context(), name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}

// get asks for a page of a host, over a connection that was made for name.
func (n *town) get(ctx context.Context, name, host string) (status int, body string, err error) {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{ServerName: name, RootCAs: n.ca.Roots(), MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", n.safe.Addr().String())
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// await returns the next event of a type; others are passed over.
func (n *town) await(t testing.TB, what EventType) Event {
	t.Helper()
	for {
		select {
		case e := <-n.events:
			if e.Type == what {
				return e
			}
			if e.Err != nil {
				t.Logf("%s: %v", e.Type, e.Err)
			}
		case <-t.Context().Done():
			t.Fatalf("nothing was %s", what)
		}
	}
}

// wants fails the test when a host cannot be served.
func (n *town) wants(t testing.TB, host string) {
	t.Helper()
	status, body, err := n.get(t.Context(), host, host)
	if err != nil || status != http.StatusOK || body != "hello "+host {
		t.Errorf("%s: %d %q, %v", host, status, body, err)
	}
}

// refused reports whether a handshake ended with the alert for names that are
// not known.
func refused(err error) bool {
	alert, ok := errors.AsType[*net.OpError](err)
	return ok && alert.Err != nil && alert.Err.Error() == "tls: unrecognized name"
}
