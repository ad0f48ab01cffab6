package httptenant_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// The attacks that research/business.md numbers 49 to 54, sent as bytes over a
// socket. Each has a control: the same bytes to a handler written as one would
// write it at first, which they must fool. An attack that fools nobody would
// prove nothing about the guard.

// listen serves h over TCP, HTTP/1 and HTTP/2, until the test ends.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l.Addr().String()
}

// send sends the lines as they are, and returns what is answered. Early hints
// are skipped.
func send(t *testing.T, addr string, lines ...string) (status int, body string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode < 200 {
			continue
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, string(text)
	}
}

// naive serves whatever tenant the first of its sources names.
func naive(sources ...func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, source := range sources {
			if name := source(r); name != "" {
				fmt.Fprint(w, name)
				return
			}
		}
		http.NotFound(w, r)
	})
}

func naiveHeader(r *http.Request) string { return r.Header.Get("X-Tenant") }
func naiveToken(r *http.Request) string  { name, _ := tokenClaim(r); return name }
func naivePath(r *http.Request) string {
	rest, _ := strings.CutPrefix(r.URL.Path, "/t/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func naiveHost(r *http.Request) string {
	name, _ := strings.CutSuffix(r.Host, ".myapp.com")
	return name
}

func naiveForwarded(r *http.Request) string {
	name, _ := strings.CutSuffix(r.Header.Get("X-Forwarded-Host"), ".myapp.com")
	return name
}

// attack is one request, what the control makes of it, and what we do.
type attack struct {
	name    string
	lines   []string
	control string // the body of the naive handler's 200
	status  int
	body    string
}

func (a attack) run(t *testing.T, control, guarded string) {
	t.Run(a.name, func(t *testing.T) {
		t.Parallel()
		if status, body := send(t, control, a.lines...); status != 200 || body != a.control {
			t.Errorf("control: %d %q, want it to be fooled into %q", status, body, a.control)
		}
		if status, body := send(t, guarded, a.lines...); status != a.status || a.body != "" && body != a.body {
			t.Errorf("guarded: %d %q, want %d %q", status, body, a.status, a.body)
		}
	})
}

func guard(t *testing.T, resolver httptenant.Resolver, opts *httptenant.Options) string {
	t.Helper()
	return listen(t, newEdge(t, newCatalog(), resolver, opts).Wrap(http.HandlerFunc(whoami)))
}

func TestAttack49HeaderOverToken(t *testing.T) {
	t.Parallel()
	control := listen(t, naive(naiveHeader, naiveToken))
	stranger := guard(t, httptenant.FirstOf(
		httptenant.Header("X-Tenant", httptenant.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8"))),
		httptenant.Claim(tokenClaim)), nil)
	trusted := guard(t, httptenant.FirstOf(
		httptenant.Header("X-Tenant", httptenant.TrustedProxies(netip.MustParsePrefix("127.0.0.0/8"))),
		httptenant.Claim(tokenClaim)), nil)
	const get, host, token = "GET / HTTP/1.1", "Host: api.example", "Authorization: token acme"

	attack{"header beside a token", []string{get, host, token, "X-Tenant: globex"}, "globex", 403, ""}.run(t, control, stranger)
	attack{"that names the same", []string{get, host, token, "X-Tenant: acme"}, "acme", 403, ""}.run(t, control, stranger)
	attack{"header alone", []string{get, host, "X-Tenant: globex"}, "globex", 403, ""}.run(t, control, stranger)
	attack{"claiming a proxy", []string{get, host, token, "X-Tenant: globex", "X-Forwarded-For: 10.0.0.1"}, "globex", 403, ""}.run(t, control, stranger)
	attack{"other case", []string{get, host, token, "x-tENANT: globex"}, "globex", 403, ""}.run(t, control, stranger)
	attack{"through a proxy", []string{get, host, token, "X-Tenant: globex"}, "globex", 403, ""}.run(t, control, trusted)
	attack{"twice, the proxy's last", []string{get, host, "X-Tenant: globex", "X-Tenant: acme"}, "globex", 400, ""}.run(t, control, trusted)
	attack{"forged token beside it", []string{get, host, "Authorization: token forged", "X-Tenant: globex"}, "globex", 401, ""}.run(t, control, trusted)
	attack{"honest token", []string{get, host, token}, "acme", 200, "acme /"}.run(t, control, stranger)
	attack{"honest proxy", []string{get, host, token, "X-Tenant: acme"}, "acme", 200, "acme /"}.run(t, control, trusted)
}

func TestAttack50ForwardedHost(t *testing.T) {
	t.Parallel()
	control := listen(t, naive(naiveForwarded, naiveHost))
	plain := guard(t, httptenant.Subdomain("myapp.com"), nil)
	elsewhere := guard(t, httptenant.Subdomain("myapp.com"),
		&httptenant.Options{TrustForwardedHost: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	here := guard(t, httptenant.Subdomain("myapp.com"),
		&httptenant.Options{TrustForwardedHost: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	const get, host, forwarded = "GET / HTTP/1.1", "Host: acme.myapp.com", "X-Forwarded-Host: globex.myapp.com"

	attack{"ignored", []string{get, host, forwarded}, "globex", 200, "acme /"}.run(t, control, plain)
	attack{"from a stranger", []string{get, host, forwarded, "X-Forwarded-For: 10.0.0.1"}, "globex", 200, "acme /"}.run(t, control, elsewhere)
	attack{"in front of the proxy's", []string{get, host, forwarded, "X-Forwarded-Host: acme.myapp.com"}, "globex", 400, ""}.run(t, control, here)
	attack{"honest proxy", []string{get, "Host: backend:80", forwarded}, "globex", 200, "globex /"}.run(t, control, here)
}

// A host that is spelled differently passes a rule that compares spellings: the
// control is to keep everyone off globex.
func TestAttack51SpellingsOfTheHost(t *testing.T) {
	t.Parallel()
	control := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "globex.myapp.com" {
			http.Error(w, "closed", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, "let through")
	}))
	guarded := guard(t, httptenant.Subdomain("myapp.com"), nil)
	for _, host := range []string{
		"GLOBEX.myapp.com", "globex.myapp.com:80", "globex.myapp.com.", "Globex.MyApp.Com.:65535",
	} {
		attack{host, []string{"GET / HTTP/1.1", "Host: " + host}, "let through", 200, "globex /"}.run(t, control, guarded)
	}
	for _, host := range []string{
		"globex.myapp.com..", "globex.myapp.com:", "globex.myapp.com:8x", "globex%2emyapp.com", "x.globex.myapp.com",
	} {
		attack{host, []string{"GET / HTTP/1.1", "Host: " + host}, "let through", 400, ""}.run(t, control, guarded)
	}
	attack{"no host", []string{"GET / HTTP/1.0"}, "let through", 400, ""}.run(t, control, guarded)
}

func TestAttack51DuplicateHost(t *testing.T) {
	t.Parallel()
	lines := []string{"Host: acme.myapp.com", "Host: globex.myapp.com"}
	// The control: a proxy that reads the first, a server that reads the last.
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.Join(lines, "\r\n") + "\r\n\r\n"))).ReadMIMEHeader()
	if err != nil || len(h["Host"]) != 2 || h["Host"][0] == h["Host"][1] {
		t.Fatalf("control: %q, %v", h["Host"], err)
	}
	guarded := guard(t, httptenant.Subdomain("myapp.com"), nil)
	if status, body := send(t, guarded, append([]string{"GET / HTTP/1.1"}, lines...)...); status != 400 {
		t.Errorf("guarded: %d %q, want 400", status, body)
	}
}

// The request target may hold a host of its own, which goes before the Host
// header. A proxy that let the client in by the header has checked the wrong one.
func TestAttack51AbsoluteTarget(t *testing.T) {
	t.Parallel()
	control := listen(t, naive(naiveHost, naiveToken))
	guarded := guard(t, httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.Claim(tokenClaim)), nil)
	const target, header, token = "GET http://globex.myapp.com/ HTTP/1.1", "Host: acme.myapp.com", "Authorization: token acme"
	attack{"with a token", []string{target, header, token}, "globex", 403, ""}.run(t, control, guarded)
	attack{"with user info", []string{"GET http://acme.myapp.com@globex.myapp.com/ HTTP/1.1", header, token}, "globex", 403, ""}.run(t, control, guarded)
	// Without one there is one host, and it is the target's: RFC 9112, 3.2.2.
	attack{"alone", []string{target, header}, "globex", 200, "globex /"}.run(t, control, guarded)
	attack{"honest", []string{"GET http://acme.myapp.com/ HTTP/1.1", header, token}, "acme", 200, "acme /"}.run(t, control, guarded)
}

// An absolute target is also how a name that is not ASCII gets past net/http.
func TestAttack51Homograph(t *testing.T) {
	t.Parallel()
	const homograph = "аcme" // the first letter is Cyrillic
	// The control takes any letters for a name, and greets in the reader's script.
	control := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, err := idna.ToUnicode(r.Host)
		label, _, _ := strings.Cut(host, ".")
		if err != nil || strings.ContainsFunc(label, func(c rune) bool { return !unicode.IsLetter(c) }) {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, label)
	}))
	guarded := guard(t, httptenant.Subdomain("myapp.com"), nil)
	attack{"A-label", []string{"GET / HTTP/1.1", "Host: xn--cme-5cd.myapp.com"}, homograph, 400, ""}.run(t, control, guarded)
	attack{"in the target", []string{"GET http://" + homograph + ".myapp.com/ HTTP/1.1", "Host: x"}, homograph, 400, ""}.run(t, control, guarded)
	attack{"honest", []string{"GET / HTTP/1.1", "Host: acme.myapp.com"}, "acme", 200, "acme /"}.run(t, control, guarded)
}

func TestAttack52SourcesThatDisagree(t *testing.T) {
	t.Parallel()
	naives := []func(*http.Request) string{naiveHost, naivePath, naiveToken}
	sources := []httptenant.Resolver{
		httptenant.Subdomain("myapp.com"), httptenant.PathPrefix("/t/"), httptenant.Claim(tokenClaim),
	}
	request := func(host, path, token string) []string {
		return []string{"GET /t/" + path + "/orders HTTP/1.1", "Host: " + host + ".myapp.com", "Authorization: token " + token}
	}
	fooled := map[string]bool{}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		control := listen(t, naive(naives[order[0]], naives[order[1]], naives[order[2]]))
		ordered := []httptenant.Resolver{sources[order[0]], sources[order[1]], sources[order[2]]}
		for _, guarded := range []string{guard(t, httptenant.FirstOf(ordered...), nil), guard(t, httptenant.AllAgree(ordered...), nil)} {
			for _, names := range [][3]string{
				{"acme", "globex", "globex"}, {"globex", "acme", "globex"}, {"globex", "globex", "acme"},
				{"acme", "globex", "nosuch"}, {"acme", "acme", "unpaid"},
			} {
				lines := request(names[0], names[1], names[2])
				_, body := send(t, control, lines...)
				fooled[body] = true
				if status, body := send(t, guarded, lines...); status != 403 {
					t.Errorf("order %v, %v: %d %q, want 403", order, names, status, body)
				}
			}
			if status, body := send(t, guarded, request("acme", "acme", "acme")...); status != 200 || body != "acme /orders" {
				t.Errorf("order %v, agreeing: %d %q", order, status, body)
			}
		}
	}
	if !fooled["acme"] || !fooled["globex"] || !fooled["unpaid"] {
		t.Errorf("control: the order decided between %v only", fooled)
	}
}

func TestAttack54TenantsThatAreNotActive(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	// The control looks the tenant up and forgets to look at its status.
	control := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, err := tenants.Lookup(r.Context(), tenant.BySlug(naiveHost(r)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, found.Slug)
	}))
	guarded := guard(t, httptenant.Subdomain("myapp.com"), nil)
	for slug, status := range map[string]int{
		"pending": 404, "unpaid": 402, "suspended": 403, "maintenance": 503, "archived": 403, "deleting": 410, "deleted": 410,
	} {
		attack{slug, []string{"GET / HTTP/1.1", "Host: " + slug + ".myapp.com"}, slug, status, ""}.run(t, control, guarded)
	}
	if !slices.ContainsFunc(tenants.Tenants, func(of tenant.Tenant) bool { return of.Status == tenant.Deleted }) {
		t.Error("the catalog has no deleted tenant")
	}
}
