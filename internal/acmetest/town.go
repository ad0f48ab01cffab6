package acmetest

import (
	"context"
	"net"
	"testing"
)

// Town is a CA that looks for every host at the same two ports. All of it ends
// with the test.
type Town struct {
	CA          *CA
	Proxy       *Proxy       // in front of the CA
	Plain, Safe net.Listener // where it looks by HTTP and by TLS
}

// New starts a CA that resolves names at a DNS server.
func New(t testing.TB, dns string) *Town {
	t.Helper()
	town := &Town{Plain: Listen(t), Safe: Listen(t)}
	var err error
	if town.CA, err = Start(t.Context(), dns, Port(town.Plain), Port(town.Safe)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := town.CA.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	town.Proxy = NewProxy(town.CA)
	t.Cleanup(town.Proxy.Close)
	return town
}

// Listen opens a port on loopback.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // a server may have closed it
	return l
}

// Port returns the port that is listened on.
func Port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port } //nolint:errcheck,forcetypeassert // it listens on TCP
