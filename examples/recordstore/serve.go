package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	listener   net.Listener
	http       *http.Server
	gatewayKey []byte
	done       chan error
	note       string // about the address
}

// keySize is what httptenant.Signed asks for at least.
const keySize = 32

// listen begins to serve. The playground of attackers is open only to a check,
// on a port that nobody has been told.
func (p *program) listen(ctx context.Context, c *chain.Chain) (*site, error) {
	s := &site{chain: c, gatewayKey: make([]byte, keySize), done: make(chan error, 1)}
	rand.Read(s.gatewayKey) // never fails; it ends the program instead
	joining, err := p.signUp(s)
	if err != nil {
		return nil, err
	}
	handler, err := web.New(parts(c), &web.Options{GatewayKey: s.gatewayKey, SignUp: joining, Playground: p.check, Logger: p.log})
	if err != nil {
		return nil, err
	}
	addr := p.addr
	if p.check {
		addr = "127.0.0.1:0"
	}
	var config net.ListenConfig
	if s.listener, err = config.Listen(ctx, "tcp", addr); err != nil {
		host, _, splitErr := net.SplitHostPort(addr)
		if splitErr != nil {
			return nil, err
		}
		s.note = fmt.Sprintf("%s is not to be had (%v), so another port it is.\n", addr, err)
		if s.listener, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
			return nil, err
		}
	}
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	s.http.RegisterOnShutdown(joining.Close)
	go func() { s.done <- s.http.Serve(s.listener) }()
	return s, nil
}

// host is the chain's own, with the port.
func (s *site) host() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String()) // every TCP address has one
	return net.JoinHostPort(web.Base, port)
}

// address is where a store is found.
func (s *site) address(slug string) string { return "http://" + slug + "." + s.host() + "/" }

// parts is what a chain's pages are made from.
func parts(c *chain.Chain) web.Parts {
	return web.Parts{Tenants: c.Tenants, DB: c.DB, Cache: c.Cache, Files: c.Files, Depot: c.Depot}
}

// close ends the server, and gives what is under way a moment.
func (s *site) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close() // there is nobody left to be told
	}
}

// serve says where to look, and returns when ctx ends.
func (s *site) serve(ctx context.Context, out io.Writer) error {
	if _, err := io.WriteString(out, s.note); err != nil {
		return err
	}
	if err := s.open(ctx, out); err != nil {
		return err
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
		Addr: s.listener.Addr().String(), Data: data, App: config.App, Redis: config.Redis, GatewayKey: s.gatewayKey,
	}
	for t, err := range s.chain.Tenants.All(ctx, tenant.Query{Strategy: tenant.Database}) {
		if err != nil {
			return check.Config{}, err
		}
		target.Databases = append(target.Databases, t.Placement.Database)
	}
	return target, nil
}
