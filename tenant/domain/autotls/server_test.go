package autotls

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mholt/acmez/v3/acme"
)

// served is a town with a node that serves two hosts.
func served(t *testing.T, change func(*Options)) (*town, *Manager) {
	t.Helper()
	n := settle(t)
	m := n.node(t, change)
	n.serve(t, m)
	for _, host := range []string{"acme.example.test", "globex.example.test"} {
		n.hosts.set(host, true)
		if err := m.Issue(t.Context(), host); err != nil {
			t.Fatal(err)
		}
	}
	return n, m
}

// TestMisdirected: a request for another host than the connection's is not
// served, in whichever spelling.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	n, _ := served(t, nil)
	for _, c := range []struct {
		name, host string
		want       int
	}{
		{"acme.example.test", "acme.example.test", http.StatusOK},
		{"acme.example.test", "ACME.example.test.", http.StatusOK},
		{"acme.example.test", "acme.example.test:8443", http.StatusOK},
		{"acme.example.test", "globex.example.test", http.StatusMisdirectedRequest},
		{"acme.example.test", "nobody.example.test", http.StatusMisdirectedRequest},
		{"acme.example.test", "127.0.0.1", http.StatusMisdirectedRequest},
		{"acme.example.test", "xacme.example.test", http.StatusMisdirectedRequest},
	} {
		status, body, err := n.get(t.Context(), c.name, c.host)
		if err != nil || status != c.want {
			t.Errorf("%s over %s: %d %q, %v", c.host, c.name, status, body, err)
		}
	}
	// The control: without the middleware the other tenant's page would come.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://globex.example.test/", nil)
	r.TLS = &tls.ConnectionState{ServerName: "acme.example.test"}
	got := map[bool]int{}
	for _, wall := range []bool{true, false} {
		w, h := httptest.NewRecorder(), http.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		if wall {
			h = Misdirected(h)
		}
		h.ServeHTTP(w, r)
		got[wall] = w.Code
	}
	if got[true] != http.StatusMisdirectedRequest || got[false] != http.StatusOK {
		t.Errorf("with and without the wall: %v", got)
	}
}

// TestHandshakes: who names no host, or asks for an old version, is refused.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	n, m := served(t, nil)
	nameless := func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "", true }
	if _, err := n.dialAt(t.Context(), n.safe, "", nameless); !refused(err) {
		t.Errorf("no name: %v", err)
	}
	for name, change := range map[string]func(*tls.Config){
		"old":       func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"address":   func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "127.0.0.1", true }, // sent as no name
		"challenge": func(c *tls.Config) { c.NextProtos = []string{"acme-tls/1"} },                  // which is not open
	} {
		if conn, err := n.dialAt(t.Context(), n.safe, "acme.example.test", change); err == nil {
			_ = conn.Close()
			t.Errorf("%s: it is served", name)
		}
	}
	for version, limit := range map[uint16]uint16{tls.VersionTLS12: tls.VersionTLS12, tls.VersionTLS13: 0} {
		conn, err := n.dialAt(t.Context(), n.safe, "acme.example.test", func(c *tls.Config) { c.MaxVersion = limit })
		if err != nil || conn.ConnectionState().Version != version {
			t.Fatalf("version %x: %v", version, err)
		}
		_ = conn.Close()
	}
	for _, name := range []string{"ACME.example.test", "acme.example.test.", "a_b.example.test", "*.example.test", strings.Repeat("a.", 120) + "test"} {
		answer, err := m.certificateFor(&tls.ClientHelloInfo{ServerName: name})
		if ours := strings.HasPrefix(strings.ToLower(name), "acme"); err != nil || (answer != nil) != ours {
			t.Errorf("%.20q: %v, %v", name, answer != nil, err)
		}
	}
	if n.proxy.Orders() != 2 {
		t.Errorf("%d orders", n.proxy.Orders())
	}
}

// TestDefaultHost: who names no host is shown the one that the options name.
func TestDefaultHost(t *testing.T) {
	t.Parallel()
	n, _ := served(t, func(o *Options) { o.DefaultHost = "Acme.example.test" })
	conn, err := n.dialAt(t.Context(), n.safe, "", func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "", true })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != "acme.example.test" {
		t.Errorf("shown %s", got)
	}
}

// one remembers one session, whatever it is asked for.
type one struct{ session *tls.ClientSessionState }

func (o *one) Get(string) (*tls.ClientSessionState, bool) { return o.session, o.session != nil }
func (o *one) Put(_ string, s *tls.ClientSessionState)    { o.session = s }

// resumes makes a connection with a session that there may be, and reads a page.
func (n *town) resumes(t *testing.T, version uint16, name string, session *one) (bool, error) {
	t.Helper()
	conn, err := n.dialAt(t.Context(), n.safe, name, func(c *tls.Config) {
		c.MinVersion, c.MaxVersion, c.ClientSessionCache, c.InsecureSkipVerify = version, version, session, true
	})
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name)
	if err == nil {
		var answer *http.Response
		if answer, err = http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				err = errors.New(answer.Status)
			}
		}
	}
	return conn.ConnectionState().DidResume, err
}

// TestSessions: a session is resumed for its own host, and neither for another
// one nor when that may not be served any more.
func TestSessions(t *testing.T) {
	t.Parallel()
	n, _ := served(t, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		session := &one{}
		if again, err := n.resumes(t, version, "acme.example.test", session); again || err != nil {
			t.Fatalf("%x, first: %v, %v", version, again, err)
		}
		kept := session.session
		if again, err := n.resumes(t, version, "acme.example.test", session); !again || err != nil {
			t.Errorf("%x, again: %v, %v", version, again, err)
		}
		session.session = kept
		if again, err := n.resumes(t, version, "globex.example.test", session); again || err != nil {
			t.Errorf("%x, another host: %v, %v", version, again, err)
		}
		session.session = kept
		n.hosts.set("acme.example.test", false)
		if again, err := n.resumes(t, version, "acme.example.test", session); again || !refused(err) {
			t.Errorf("%x, a host that is gone: %v, %v", version, again, err)
		}
		n.hosts.set("acme.example.test", true)
	}
}

// TestHTTPHandler: port 80 sends browsers to https, those who ask for hosts of
// ours, and answers challenges only for who is asked about.
func TestHTTPHandler(t *testing.T) {
	t.Parallel()
	n, m := served(t, func(o *Options) { o.HTTPSPort = 443 })
	ask := func(h http.Handler, host, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, c := range []struct {
		host, path, location string
		status               int
	}{
		{"ACME.example.test:80", "/a?b=c", "https://acme.example.test/a?b=c", http.StatusPermanentRedirect},
		{"acme.example.test", "//evil.test/", "https://acme.example.test//evil.test/", http.StatusPermanentRedirect},
		{"nobody.example.test", "/", "", http.StatusNotFound},
		{"acme.example.test@evil.test", "/", "", http.StatusNotFound},
		{"acme.example.test", "/.well-known/acme-challenge/token", "", http.StatusNotFound},
		{"127.0.0.1", "/.well-known/acme-challenge/token", "", http.StatusNotFound},
	} {
		w := ask(m.HTTPHandler(nil), c.host, c.path)
		if w.Code != c.status || w.Header().Get("Location") != c.location {
			t.Errorf("%s%s: %d %q", c.host, c.path, w.Code, w.Header().Get("Location"))
		}
	}
	teapot := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	if w := ask(m.HTTPHandler(teapot), "nobody.example.test", "/"); w.Code != http.StatusTeapot {
		t.Errorf("what is not a challenge: %d", w.Code)
	}
	if w := ask(m.HTTPHandler(teapot), "acme.example.test", "/.well-known/acme-challenge/x"); w.Code != http.StatusNotFound {
		t.Errorf("a challenge that is not open: %d", w.Code)
	}
	challenge := acme.Challenge{
		Type: acme.ChallengeTypeHTTP01, Token: "token", KeyAuthorization: "token.thumb",
		Identifier: acme.Identifier{Type: "dns", Value: "globex.example.test"},
	}
	s := solver{m.challenges, m.authorities[0].key, new(progress)}
	if err := s.Present(t.Context(), challenge); err != nil {
		t.Fatal(err)
	}
	other := n.node(t, nil)
	for _, m := range []*Manager{m, other} {
		if w := ask(m.HTTPHandler(nil), "globex.example.test", challenge.HTTP01ResourcePath()); w.Body.String() != "token.thumb" {
			t.Errorf("an open challenge: %d %q", w.Code, w.Body)
		}
		if w := ask(m.HTTPHandler(nil), "acme.example.test", challenge.HTTP01ResourcePath()); w.Code != http.StatusNotFound {
			t.Errorf("the challenge of another host: %d %q", w.Code, w.Body)
		}
		if w := ask(m.HTTPHandler(nil), "globex.example.test", challenge.HTTP01ResourcePath()+"x"); w.Code != http.StatusNotFound {
			t.Errorf("another token: %d %q", w.Code, w.Body)
		}
	}
	if err := s.CleanUp(t.Context(), challenge); err != nil {
		t.Fatal(err)
	}
	if w := ask(other.HTTPHandler(nil), "globex.example.test", challenge.HTTP01ResourcePath()); w.Code != http.StatusNotFound {
		t.Errorf("a challenge that is closed: %d %q", w.Code, w.Body)
	}
}

// TestServer: its timeouts are there, and its port.
func TestServer(t *testing.T) {
	t.Parallel()
	m, err := New(lazyPool(t), &hosts{}, &Options{Key: testKey(1), Agreed: true})
	if err != nil {
		t.Fatal(err)
	}
	s := m.Server(http.NotFoundHandler())
	if s.Addr != ":443" || s.ReadHeaderTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 || s.TLSConfig.MinVersion != tls.VersionTLS12 {
		t.Errorf("%+v", s)
	}
}
