package isolation_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between a client and the server, and tells of each piece that
// the server says.
type proxy struct {
	url   string
	heard func(*proxy)

	target string
	mu     sync.Mutex
	open   []net.Conn
	now    int // clients
	most   int // at once
}

func newProxy(t testing.TB, to string, heard func(*proxy)) *proxy {
	t.Helper()
	at, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: at.Host, heard: heard}
	at.Host = listener.Addr().String()
	p.url = at.String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // it ends the loop above
		p.cut()
		serving.Wait()
	})
	return p
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target) //nolint:noctx // it ends with the client
	if err != nil {
		_ = client.Close() // the client sees it
		return
	}
	p.mu.Lock()
	p.open = append(p.open, client, server)
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, client) // either side may be cut off
		_ = server.Close()             // so that the other direction ends
	})
	buf := make([]byte, 1<<16)
	for {
		n, err := server.Read(buf)
		if err != nil {
			break
		}
		p.heard(p)
		if _, err := client.Write(buf[:n]); err != nil {
			break
		}
	}
	_ = client.Close() // as above
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now--
}

// cut ends what is open, both ways.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close() // twice is harmless
	}
	p.open = nil
}
