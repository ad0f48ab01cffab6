package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// The attacks on the edge go all the way down: what is answered is the rows of
// whoever the request was taken to be of.

func webCases() []Case {
	return []Case{
		web("49", "X-Tenant over a token", []source{bySetHeader("X-Tenant"), byToken}, plainOptions,
			request{"Host: api.example", "Authorization: token {attacker}", "X-Tenant: {victim}"},
			request{"Host: api.example", "Authorization: token {attacker}", "x-tENANT: {victim}", "X-Forwarded-For: 10.0.0.1"},
			request{"Host: api.example", "X-Tenant: {victim}"},
			request{"Host: api.example", "X-Tenant: {victim}", "X-Tenant: {attacker}"}),
		web("50", "X-Forwarded-Host", []source{bySuffix("X-Forwarded-Host"), byHost}, forwardingOptions,
			request{"Host: {attacker}.myapp.com", "X-Forwarded-Host: {victim}.myapp.com"},
			request{"Host: {attacker}.myapp.com", "X-Forwarded-Host: {victim}.myapp.com", "X-Forwarded-For: 10.0.0.1"}),
		web("51", "two hosts, a port, a dot, IDN", []source{byHost, byToken}, plainOptions,
			// The proxy has let the client in by its token; the host is another's.
			request{"Host: {victim}.myapp.com:80", "Authorization: token {attacker}"},
			request{"Host: {victim}.myapp.com.", "Authorization: token {attacker}"},
			request{"Host: {VICTIM}.MYAPP.COM", "Authorization: token {attacker}"},
			request{"GET http://{victim}.myapp.com/ HTTP/1.1", "Host: {attacker}.myapp.com", "Authorization: token {attacker}"},
			request{"Host: {attacker}.myapp.com", "Host: {victim}.myapp.com"},
			request{"Host: {attacker}.myapp.com@{victim}.myapp.com"},
			request{"Host: {attacker}.{victim}.myapp.com"},
			request{"GET http://{fullwidth}.myapp.com/ HTTP/1.1", "Host: x", "Authorization: token {attacker}"}),
		web("52", "host, path and token disagree", []source{byHost, byPath, byToken}, plainOptions,
			request{"Host: {victim}.myapp.com", "Authorization: token {attacker}"},
			request{"GET /t/{victim}/orders HTTP/1.1", "Host: {attacker}.myapp.com", "Authorization: token {attacker}"},
			request{"GET /t/{victim}/orders HTTP/1.1", "Host: api.example", "Authorization: token {attacker}"},
			request{"GET /t/{attacker}/orders HTTP/1.1", "Host: {victim}.myapp.com"}),
		{ID: "53h", Name: "a host that nobody has any more", On: onNaive, Control: dangling, Attack: dangling},
		{ID: "54", Name: "a tenant that is suspended", On: onNaive, Control: suspendedNaive, Attack: suspended},
	}
}

// request are the lines of one; the first is GET / unless it says otherwise.
type request []string

// source reads a slug out of a request, and believes it.
type source func(*http.Request) string

func bySetHeader(name string) source {
	return func(r *http.Request) string { return r.Header.Get(name) }
}

func bySuffix(name string) source {
	return func(r *http.Request) string {
		slug, _ := strings.CutSuffix(r.Header.Get(name), ".myapp.com")
		return slug
	}
}

// byHost takes what looks like a host of ours, in any spelling.
func byHost(r *http.Request) string {
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	slug, ok := strings.CutSuffix(strings.TrimSuffix(host, "."), ".myapp.com")
	if !ok {
		return ""
	}
	return slug
}

func byPath(r *http.Request) string {
	rest, ok := strings.CutPrefix(r.URL.Path, "/t/")
	slug, _, _ := strings.Cut(rest, "/")
	if !ok {
		return ""
	}
	return slug
}

func byToken(r *http.Request) string {
	slug, _ := strings.CutPrefix(r.Header.Get("Authorization"), "token ")
	return slug
}

func plainOptions() *httptenant.Options { return &httptenant.Options{Logger: silent()} }

func forwardingOptions() *httptenant.Options {
	return &httptenant.Options{Logger: silent(), TrustForwardedHost: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
}

// resolver reads the same places as the sources do.
func resolver() httptenant.Resolver {
	return httptenant.FirstOf(
		httptenant.Header("X-Tenant", httptenant.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8"))),
		httptenant.Subdomain("myapp.com"), httptenant.PathPrefix("/t/"),
		httptenant.Claim(func(r *http.Request) (string, error) { return byToken(r), nil }))
}

// web is a case of requests, sent as they are to a handler that believes its
// sources in order, and to the wall.
func web(id, name string, sources []source, opts func() *httptenant.Options, requests ...request) Case {
	return Case{
		ID: id, Name: name, On: onNaive,
		Control: func(ctx context.Context, s *scene) error {
			return s.serve(ctx, s.naive(sources...), requests)
		},
		Attack: func(ctx context.Context, s *scene) error {
			edge, err := httptenant.New(s.house.tenants, resolver(), opts())
			if err != nil {
				return err
			}
			return s.serve(ctx, edge.Wrap(s.orders()), requests)
		},
	}
}

// naive answers with the rows of whoever the first source names.
func (s *scene) naive(sources ...source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, source := range sources {
			for _, who := range []party{s.attacker, s.victim} {
				if source(r) == who.Slug {
					s.answer(w, r, who)
					return
				}
			}
		}
		http.NotFound(w, r)
	})
}

// orders answers with the rows of the context's tenant.
func (s *scene) orders() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := tenant.FromContext(r.Context())
		if err != nil {
			http.NotFound(w, r)
			return
		}
		s.answer(w, r, party{Tenant: who})
	})
}

func (s *scene) answer(w http.ResponseWriter, r *http.Request, who party) {
	got, err := answered(s.open.query(r.Context(), who, `SELECT item FROM orders`))
	if err != nil {
		http.Error(w, "failed", http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintln(w, got) // a client that has gone hears nothing
}

// serve serves a handler over TCP and sends it the requests. One that the
// attacker may send has to be answered, or the handler would hold by being
// broken.
func (s *scene) serve(ctx context.Context, h http.Handler, requests []request) error {
	addr, stop, err := listening(ctx, h)
	if err != nil {
		return err
	}
	defer stop()
	for _, lines := range append([]request{{"Host: {attacker}.myapp.com", "Authorization: token {attacker}"}}, requests...) {
		body, err := s.send(ctx, addr, lines)
		if err != nil {
			return err
		}
		s.hear(body)
	}
	if first := s.heard[len(s.heard)-len(requests)-1]; !strings.Contains(first, s.attacker.canary) {
		return fmt.Errorf("an honest request is answered %q", first)
	}
	return nil
}

// listening serves a handler on loopback until it is stopped.
func listening(ctx context.Context, h http.Handler) (addr string, stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: caseTime}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // until it is closed
	}()
	return l.Addr().String(), func() {
		_ = server.Close() // its listener is of no more use
		<-done
	}, nil
}

// send sends lines as they are and returns the body of the answer.
func (s *scene) send(ctx context.Context, addr string, lines request) (string, error) {
	_, body, err := s.exchange(ctx, addr, lines)
	return body, err
}

// exchange is send with the answer's Location.
func (s *scene) exchange(ctx context.Context, addr string, lines request) (location, body string, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = conn.Close() }() // all is read
	return s.talk(conn, lines)
}

// talk is exchange over a connection that is there.
func (s *scene) talk(conn net.Conn, lines request) (location, body string, err error) {
	if !strings.HasPrefix(lines[0], "GET ") {
		lines = append(request{"GET / HTTP/1.1"}, lines...)
	}
	text := strings.NewReplacer("{attacker}", s.attacker.Slug, "{victim}", s.victim.Slug, "{VICTIM}", strings.ToUpper(s.victim.Slug),
		"{fullwidth}", fullwidth(s.victim.Slug)).Replace(strings.Join(lines, "\r\n"))
	if _, err := io.WriteString(conn, text+"\r\nConnection: close\r\n\r\n"); err != nil {
		return "", "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = resp.Body.Close() }() // all is read
	all, err := io.ReadAll(resp.Body)
	return resp.Header.Get("Location"), string(all), err
}

// fullwidth spells a slug with letters that IDNA maps to those.
func fullwidth(slug string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'ａ'
		}
		return r
	}, slug)
}

// dangling asks for a domain that was the victim's, and that its owner has let
// go. The naive handler still has it in its list; so does nobody else.
func dangling(ctx context.Context, s *scene) error {
	requests := []request{
		{"Host: shop.example"}, {"Host: SHOP.example."}, {"Host: shop.example:8080"}, {"Host: x.shop.example"},
		{"Host: broken.example"}, {"Host: gone.example"}, {"Host: shop.example.myapp.com"}, {"Host: still.example", "Host: shop.example"},
		{"Host: shop.example", "Authorization: token {victim}"}, {"Host: shop.example", "X-Forwarded-Host: {victim}.myapp.com"},
	}
	if !s.wall {
		return s.serve(ctx, s.naive(byHost, func(r *http.Request) string {
			return map[string]string{"shop.example": s.victim.Slug}[r.Host]
		}), requests)
	}
	owner := func(_ context.Context, host string) (tenant.ID, error) {
		switch host {
		case "still.example":
			return s.attacker.ID, nil
		case "broken.example":
			return s.victim.ID, errors.New("the list of domains cannot be read")
		case "gone.example":
			return tenant.NewID(time.Now()), nil
		}
		return tenant.ID{}, tenant.ErrNotFound
	}
	edge, err := httptenant.New(s.house.tenants, httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.CustomDomain(owner)), plainOptions())
	if err != nil {
		return err
	}
	return s.serve(ctx, edge.Wrap(s.orders()), append(requests, request{"Host: still.example"}))
}

// suspendedNaive does not ask for the status.
func suspendedNaive(ctx context.Context, s *scene) error {
	return s.serve(ctx, s.naive(byHost), []request{{"Host: {victim}.myapp.com"}})
}

// suspended suspends the victim, asks for its rows over HTTP and by the context
// of a request that has come before, and lets it in again.
func suspended(ctx context.Context, s *scene) (err error) {
	edge, err := httptenant.New(s.house.tenants, httptenant.Subdomain("myapp.com"), plainOptions())
	if err != nil {
		return err
	}
	if _, err := s.house.tenants.Suspend(ctx, s.victim.ID, "attack"); err != nil {
		return err
	}
	defer func() {
		again, activated := s.house.tenants.Activate(context.WithoutCancel(ctx), s.victim.ID)
		err = errors.Join(err, activated, s.house.db.Provision(context.WithoutCancel(ctx), again))
		if activated == nil {
			s.house.pairs[s.strategy].victim.Tenant = again
		}
	}()
	got, _ := s.ask(ctx, s.open, s.victim, `SELECT item FROM orders`) // refusals are heard
	s.hear(got...)
	return s.serve(ctx, edge.Wrap(s.orders()), []request{{"Host: {victim}.myapp.com"}, {"Host: {victim}.myapp.com", "Authorization: token {victim}"}})
}
