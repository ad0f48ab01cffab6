package pgtenant_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/pgtest"
)

// proxy stands between a pool and PostgreSQL, and can be cut or fall silent.
type proxy struct {
	listener net.Listener
	target   string
	hold     sync.RWMutex // held to let nothing pass, with all connections standing

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// behindProxy returns a pool whose connections go through the proxy.
func behindProxy(t *testing.T, db *pgtest.Database) (*pgxpool.Pool, *proxy) {
	t.Helper()
	config, err := pgxpool.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := config.ConnConfig
	p := &proxy{
		listener: listener, target: net.JoinHostPort(server.Host, portOf(server.Port)), conns: make(map[net.Conn]bool),
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.serve(&wg) })
	t.Cleanup(func() {
		_ = listener.Close()
		p.setCut(true)
		wg.Wait()
	})
	at := listener.Addr().(*net.TCPAddr) //nolint:forcetypeassert // it listens on tcp
	server.Host, server.Port = at.IP.String(), uint16(at.Port)
	server.TLSConfig, server.Fallbacks = nil, nil // these would go past the proxy
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, p
}

// setCut ends all connections and refuses new ones, or lets them in again.
func (p *proxy) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for conn := range p.conns {
			_ = conn.Close()
		}
	}
}

// keep remembers conn, so that it can be ended, unless all are.
func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		p.conns[conn] = true
	}
	return !p.cut
}

func (p *proxy) serve(wg *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target) //nolint:noctx // ended by setCut
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client) || !p.keep(server) {
			_ = client.Close()
			_ = server.Close()
			continue
		}
		pipe := func(to, from net.Conn) {
			_, _ = io.Copy(gated{to, p}, from)
			_ = to.Close()
			_ = from.Close()
			p.mu.Lock()
			delete(p.conns, to)
			delete(p.conns, from)
			p.mu.Unlock()
		}
		wg.Go(func() { pipe(server, client) })
		wg.Go(func() { pipe(client, server) })
	}
}

// gated writes when nothing is held.
type gated struct {
	io.Writer

	p *proxy
}

func (g gated) Write(b []byte) (int, error) {
	g.p.hold.RLock()
	defer g.p.hold.RUnlock()
	return g.Writer.Write(b)
}
