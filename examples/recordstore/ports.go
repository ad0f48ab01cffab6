package main

import (
	"context"
	"fmt"
	"net"
)

// ports are where the program listens.
type ports struct {
	plain, secure net.Listener // secure is nil without -tls
	note          string       // about the addresses
}

// open opens the ports that were asked for, or others where those are taken.
func (p *program) open(ctx context.Context) (_ *ports, err error) {
	at := &ports{}
	defer func() {
		if err != nil {
			at.close()
		}
	}()
	addr := p.addr
	if p.check {
		addr = "127.0.0.1:0"
	}
	if at.plain, err = at.listen(ctx, addr); err != nil || !p.tls {
		return at, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return at, err
	}
	at.secure, err = at.listen(ctx, net.JoinHostPort(host, "8443"))
	return at, err
}

func (at *ports) listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return nil, err
	}
	at.note += fmt.Sprintf("%s is not to be had (%v), so another port it is.\n", addr, err)
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
}

// close closes the ports that no server has closed.
func (at *ports) close() {
	for _, l := range []net.Listener{at.plain, at.secure} {
		if l != nil {
			_ = l.Close() // a server may have
		}
	}
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port } //nolint:forcetypeassert,errcheck // it listens on TCP
