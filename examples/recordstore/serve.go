package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/check"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// errCheck is returned when the check has found something.
var errCheck = errors.New("the check has failed")

// site is a chain that is being served.
type site struct {
	chain      *chain.Chain
	ports      *ports
	servers    []*http.Server
	gatewayKey []byte
	done       chan error
	world      *world // nil without domains
}

// keySize is what httptenant.Signed asks for at least.
const keySize = 32

// listen begins to serve. The playground of attackers is open only to a check,
// on a port that nobody has been told.
func (p *program) listen(c *chain.Chain, at *ports, w *world) (*site, error) {
	s := &site{chain: c, ports: at, world: w, gatewayKey: make([]byte, keySize), done: make(chan error, 2)}
	rand.Read(s.gatewayKey) // never fails; it ends the program instead
	joining, err := p.signUp(s)
	if err != nil {
		return nil, err
	}
	options := &web.Options{GatewayKey: s.gatewayKey, SignUp: joining, Playground: p.check, Plain: s.host(), Logger: p.log}
	if w != nil {
		options.DNS, options.Secure = w.add, s.secureHost()
	}
	handler, err := web.New(parts(c), options)
	if err != nil {
		return nil, err
	}
	plain := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	plain.RegisterOnShutdown(joining.Close)
	s.servers = append(s.servers, plain)
	if w != nil {
		plain.Handler = c.Certificates.HTTPHandler(handler) // which answers the authority
		secure := c.Certificates.Server(handler)
		s.servers = append(s.servers, secure)
		go func() { s.done <- secure.ServeTLS(at.secure, "", "") }()
	}
	go func() { s.done <- plain.Serve(at.plain) }()
	return s, nil
}

// host is the chain's own, with the port.
func (s *site) host() string {
	return net.JoinHostPort(web.Base, strconv.Itoa(portOf(s.ports.plain)))
}

// secureHost is the same by HTTPS.
func (s *site) secureHost() string {
	return net.JoinHostPort(web.Base, strconv.Itoa(portOf(s.ports.secure)))
}

// address is where a store is found.
func (s *site) address(slug string) string { return "http://" + slug + "." + s.host() + "/" }

// parts is what a chain's pages are made from.
func parts(c *chain.Chain) web.Parts {
	return web.Parts{Tenants: c.Tenants, DB: c.DB, Cache: c.Cache, Files: c.Files, Depot: c.Depot, Domains: c.Domains}
}

// close ends the servers, and gives what is under way a moment.
func (s *site) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, server := range s.servers {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close() // there is nobody left to be told
		}
	}
}

// serve says where to look, and returns when ctx ends.
func (s *site) serve(ctx context.Context, out io.Writer) error {
	if _, err := io.WriteString(out, s.ports.note); err != nil {
		return err
	}
	if err := s.open(ctx, out); err != nil {
		return err
	}
	if s.world != nil {
		if err := s.moveIn(ctx, out); err != nil {
			return err
		}
	}
	if err := s.greet(ctx, out); err != nil {
		return err
	}
	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
		_, err := fmt.Fprintln(out, "\nClosing the stores.")
		return err
	}
}

// greet prints what to click and what to type.
func (s *site) greet(ctx context.Context, out io.Writer) error {
	page, err := s.chain.Tenants.List(ctx, tenant.Query{Limit: 2})
	if err != nil {
		return err
	}
	if len(page.Tenants) < 2 {
		return errors.New("a chain has two stores at least")
	}
	first, second := page.Tenants[0].Slug, page.Tenants[1].Slug
	signed, err := httptenant.Sign(s.gatewayKey, first, time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `
Look around:  http://%[1]s/
A store:      http://%[2]s.%[1]s/
Its records:  http://%[2]s.%[1]s/catalogue
One of yours: http://%[1]s%[6]s

Try the API:
  curl http://%[2]s.%[1]s/api/summary
  curl 'http://%[2]s.%[1]s/api/invoices?limit=3'
  curl http://%[2]s.%[1]s/api/customers -d '{"first_name":"Ada","last_name":"Byron","email":"ada@example.com"}'

Try to get across:
  curl -H '%[5]s: %[3]s' http://%[2]s.%[1]s/api/summary     # anybody can write a header: 403
  curl -H '%[5]s: %[4]s' \
       http://%[3]s.%[1]s/api/summary     # signed for %[2]s, sent to %[3]s: 403

Ctrl-C ends it all.
`, s.host(), first, second, signed, web.Header, web.PathSignUp)
	return err
}

// check visits and attacks the site.
func (s *site) check(ctx context.Context, config chain.Config, data *records.Chain, out io.Writer) error {
	target, err := s.target(ctx, config, data)
	if err != nil {
		return err
	}
	result, err := check.Run(ctx, target, out)
	if err != nil {
		return err
	}
	if !result.OK() {
		return errCheck
	}
	return nil
}

// target is what a check is told of the site.
func (s *site) target(ctx context.Context, config chain.Config, data *records.Chain) (check.Config, error) {
	target := check.Config{
		Addr: s.ports.plain.Addr().String(), Data: data, App: config.App, Redis: config.Redis, GatewayKey: s.gatewayKey,
	}
	for t, err := range s.chain.Tenants.All(ctx, tenant.Query{Strategy: tenant.Database}) {
		if err != nil {
			return check.Config{}, err
		}
		target.Databases = append(target.Databases, t.Placement.Database)
	}
	return target, nil
}
