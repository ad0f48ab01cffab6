package domains_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/acmetest"
	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/autotls"
	"github.com/partywall/partywall/tenant/domain/autotls/pace"
	"github.com/partywall/partywall/tenant/domain/proof"
	"github.com/partywall/partywall/tenant/domain/redirect"
	"github.com/partywall/partywall/tenant/httptenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// The platform's names, and the zone that its tenants' domains are in.
const (
	base = "myapp.test"
	edge = "edge.myapp.test"
	zone = "customers.test"
)

// world is what is around a platform: a database, DNS, a CA. The zones' own server
// has a public address, which is led to loopback when it is dialled.
type world struct {
	url         string
	dns         *dnstest.Server
	ca          *acmetest.CA
	orders      *acmetest.Proxy // in front of the CA
	plain, safe net.Listener
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{url: pgtest.New(t, nil).URL, dns: dnstest.Start(t)}
	w.dns.Zone(t, "test")
	w.dns.Zone(t, "dns.test", "@ NS ns.dns.test.", "ns A 45.0.0.1")
	w.dns.Zone(t, base, "@ NS ns.dns.test.", "* A 127.0.0.1")
	w.dns.Zone(t, edge, "@ NS ns.dns.test.", "* A 127.0.0.1")
	w.dns.Zone(t, zone, "@ NS ns.dns.test.")
	town := acmetest.New(t, w.dns.Addr())
	w.ca, w.orders, w.plain, w.safe = town.CA, town.Proxy, town.Plain, town.Safe
	return w
}

// add puts records into the customers' zone, as their owner does with what the
// instructions say.
func (w *world) add(t *testing.T, in domain.Instructions) {
	t.Helper()
	for _, r := range in.Records {
		value := r.Value
		switch r.Type {
		case "TXT":
			value = `"` + value + `"`
		case "CNAME":
			value += "."
		}
		w.dns.Set(t, r.Name+". "+r.Type+" "+value)
	}
}

// platform is one node of a host's.
type platform struct {
	world   *world
	pool    *pgxpool.Pool
	tenants *pgtenant.Catalog
	domains *domain.Catalog
	certs   *autotls.Manager
	handler http.Handler // of HTTPS
}

// open opens a node: all that a host's main has to say. change may alter the
// options of its domains.
func (w *world) open(t *testing.T, change func(*domain.Options)) *platform {
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.NewTextHandler(t.Output(), nil))
	p := &platform{world: w}
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p.pool, err = pgxpool.New(ctx, w.url)
	check()
	t.Cleanup(p.pool.Close)
	p.tenants, err = pgtenant.Open(ctx, p.pool, &pgtenant.Options{Registry: &tenant.Options{Logger: log}})
	check()
	t.Cleanup(p.tenants.Close)
	prover, err := proof.New([]string{w.dns.Addr()}, &proof.Options{Dial: w.dial})
	check()
	o := &domain.Options{Edge: edge, Base: base, Prover: prover, Sweep: 100 * time.Millisecond, Lease: 5 * time.Second, Logger: log}
	if change != nil {
		change(o)
	}
	p.domains, err = domain.New(p.pool, p.tenants, o)
	check()
	limits := pace.LetsEncrypt()
	limits.Certificates = pace.Rate{} // all domains here are in one zone
	p.certs, err = autotls.New(p.pool, p.domains, &autotls.Options{
		Key: make([]byte, 32), Agreed: true, Sweep: 100 * time.Millisecond, Lease: 5 * time.Second, HTTPSPort: acmetest.Port(w.safe), Logger: log,
		CAs: []autotls.CA{{Directory: w.orders.Directory(), Roots: w.orders.Server(), Profile: acmetest.Classic, Limits: &limits}},
	})
	check()
	err = p.certs.Open(ctx)
	check()
	t.Cleanup(p.certs.Close)
	err = p.domains.Open(ctx, p.certs)
	check()
	t.Cleanup(p.domains.Close)

	resolver := httptenant.FirstOf(httptenant.Subdomain(base), httptenant.CustomDomain(p.domains.Owner))
	app := httptenant.Middleware(p.tenants, resolver, &httptenant.Options{Logger: log})(http.HandlerFunc(greet))
	p.handler, err = redirect.New(p.domains, app, &redirect.Options{HTTPSPort: acmetest.Port(w.safe)})
	check()
	return p
}

// greet says who the tenant is.
func greet(w http.ResponseWriter, r *http.Request) {
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintf(w, "this is %s", t.Slug) // to a recorder or a client that may go
}

// dial leads the public address of the zones' server to loopback.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasPrefix(address, "45.0.0.1:") {
		address = w.dns.Addr()
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// serve opens the node's ports until the test ends.
func (p *platform) serve(t *testing.T) {
	t.Helper()
	safe := p.certs.Server(p.handler)
	plain := &http.Server{Handler: p.certs.HTTPHandler(nil), ReadHeaderTimeout: time.Second}
	go func() { _ = safe.ServeTLS(p.world.safe, "", "") }() // until it is closed
	go func() { _ = plain.Serve(p.world.plain) }()          // as above
	t.Cleanup(func() {
		_ = safe.Close() // nobody is there any more
		_ = plain.Close()
	})
}

// tenant makes an active one.
func (p *platform) tenant(t *testing.T, slug string) tenant.Tenant {
	t.Helper()
	who, err := p.tenants.Create(t.Context(), tenant.Spec{Slug: slug, Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}, Status: tenant.Active})
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// claim claims a host, adds the records that it takes, and has it looked at.
func (p *platform) claim(t *testing.T, who tenant.Tenant, host string) domain.Domain {
	t.Helper()
	d, err := p.domains.Claim(t.Context(), who.ID, host, domain.MethodTXT)
	if err != nil {
		t.Fatal(err)
	}
	p.world.add(t, p.domains.Instructions(d))
	if d, err = p.domains.Check(t.Context(), who.ID, host); err != nil {
		t.Fatal(err)
	}
	return d
}

// await waits until a host has come to a state.
func (p *platform) await(t *testing.T, who tenant.Tenant, host string, state domain.State) {
	t.Helper()
	var d domain.Domain
	until(t, func() bool {
		var err error
		if d, err = p.domains.Get(t.Context(), who.ID, host); err != nil {
			t.Fatal(err)
		}
		return d.State == state
	}, func() string { return fmt.Sprintf("%s stays %s %s", host, d.State, d.Reason) })
}

// until waits for something, and fails with what is instead when that takes a
// minute.
func until(t *testing.T, done func() bool, instead func() string) {
	t.Helper()
	look, late := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-late:
			t.Fatal(instead())
		}
	}
}

// get asks a host over TLS, by the certificate that the CA's root vouches for.
func (w *world) get(t *testing.T, host, path string) (status int, body string, err error) {
	t.Helper()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, w.safe.Addr().String())
		},
		TLSClientConfig: &tls.Config{RootCAs: w.ca.Roots(), MinVersion: tls.VersionTLS12},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if at := response.Header.Get("Location"); at != "" {
		text = []byte(at)
	}
	return response.StatusCode, string(text), err
}

// ask asks the platform's handler, past all certificates.
func (p *platform) ask(host string) (status int, body string) {
	out := httptest.NewRecorder()
	p.handler.ServeHTTP(out, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+host+"/", nil))
	return out.Code, out.Body.String()
}
