package trial_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// cutter is a relay to a server whose connections a test can cut, all at once.
type cutter struct {
	listener net.Listener
	to       string
	cuts     atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: listener, to: to, conns: map[net.Conn]struct{}{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { c.serve(t, conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // ends Accept
		c.cut()
		serving.Wait()
	})
	return c
}

func (c *cutter) addr() string { return c.listener.Addr().String() }

// serve carries one connection's bytes both ways, until either end is gone.
func (c *cutter) serve(t *testing.T, client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", c.to)
	if err != nil {
		_ = client.Close() // what is left of it
		return
	}
	c.keep(client, server)
	var back sync.WaitGroup
	back.Go(func() { c.carry(client, server) })
	c.carry(server, client)
	back.Wait()
	c.forget(client, server)
}

// carry copies until one of the two ends, and then ends both.
func (c *cutter) carry(to, from net.Conn) {
	_, _ = io.Copy(to, from) // that it was cut is what it is for
	_, _ = to.Close(), from.Close()
}

func (c *cutter) keep(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.conns[conn] = struct{}{}
	}
}

func (c *cutter) forget(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.conns, conn)
	}
}

// cut ends all connections, wherever in a reply they are.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts.Add(1)
	for conn := range c.conns {
		_ = conn.Close() // carry notices
	}
}
