package autotls

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/partywall/partywall/internal/acmetest"
	"github.com/partywall/partywall/internal/childtest"
	"github.com/partywall/partywall/internal/pgserver"
)

// orders are what a node in a process of its own is to do.
type orders struct {
	Database  string `json:"database"`
	Directory string `json:"directory"`
	Root      string `json:"root"`
	Host      string `json:"host"`
}

// TestMain is a node that orders a certificate, where it was told to be one.
func TestMain(m *testing.M) { childtest.Main(m, work) }

func work(ctx context.Context, o orders) error {
	pool, err := pgxpool.New(ctx, o.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(o.Root))
	served := &hosts{}
	served.all.Store(true)
	m, err := New(pool, served, &Options{
		Key: testKey(1), Agreed: true, CAs: []CA{{Directory: o.Directory, Roots: roots, Profile: acmetest.Classic}},
		Lease: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := m.Open(ctx); err != nil {
		return err
	}
	return m.Issue(ctx, o.Host)
}

// TestKilledInTheMiddle kills a node, a process of its own, when the CA has taken
// its order; another gets the certificate.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	n := settle(t)
	n.hosts.set("acme.example.test", true)
	m := n.node(t, func(o *Options) { o.Lease = time.Second })
	n.serve(t, m)
	ordered, killed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n.proxy.Ordered(func() {
		once.Do(func() {
			close(ordered)
			<-killed // before it hears of its order
		})
	})
	cmd := childtest.Start(t, orders{
		Database: n.url, Directory: n.proxy.Directory(), Host: "acme.example.test",
		Root: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.proxy.Certificate().Raw})),
	})
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ordered:
		_ = cmd.Process.Kill()
		<-ended // for being killed
		close(killed)
	case err := <-ended:
		close(killed)
		t.Fatalf("it ended before it was killed: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	began := time.Now()
	if err := m.Issue(ctx, "acme.example.test"); err != nil {
		t.Fatal(err)
	}
	t.Logf("the other had it after %v", time.Since(began))
	n.wants(t, "acme.example.test")
	if n.proxy.Orders() != 2 {
		t.Errorf("%d orders", n.proxy.Orders())
	}
}

// TestDatabaseAway: with PostgreSQL stopped handshakes go on for what is known,
// and end soon for what is not; and after a restart certificates come from
// storage, without an order.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	server, err := pgserver.Start(t.Context(), &pgserver.Options{Settings: map[string]string{"shared_buffers": "16MB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	n := settleOn(t, server.URL("postgres"))
	m := n.node(t, func(o *Options) { o.Logger = slog.New(slog.DiscardHandler) })
	n.serve(t, m)
	n.hosts.set("acme.example.test", true)
	n.hosts.set("new.example.test", true)
	n.wants(t, "acme.example.test")
	if err := server.StopImmediate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		n.wants(t, "acme.example.test")
	}
	if _, err := n.dial(t.Context(), "nobody.example.test"); !refused(err) {
		t.Errorf("a host that may not be served: %v", err)
	}
	if _, err := n.dial(t.Context(), "new.example.test"); err == nil || refused(err) {
		t.Errorf("a host whose certificate is not known: %v", err)
	}
	if err := m.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := n.node(t, func(o *Options) { o.NoOnDemand = true })
	at := acmetest.Listen(t)
	n.serveAt(t, again, acmetest.Listen(t), at)
	conn, err := n.dialAt(t.Context(), at, "acme.example.test", nil)
	if err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	_ = conn.Close()
	if n.proxy.Orders() != 1 || again.shelf.len() != 1 {
		t.Errorf("%d orders, %d certificates in memory", n.proxy.Orders(), again.shelf.len())
	}
	// The control: the first node was not away, only its database.
	for {
		if conn, err := n.dial(t.Context(), "new.example.test"); err == nil {
			_ = conn.Close()
			break
		}
	}
}

// TestSecondCA: where the first CA is not willing, the next one is asked.
func TestSecondCA(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, func(o *Options) {
		o.CAs = append(o.CAs, CA{Directory: n.ca.Directory(), Roots: n.ca.Server(), Profile: acmetest.Classic})
	})
	n.serve(t, m)
	for host, answer := range map[string]http.HandlerFunc{
		"limited.example.test": acmetest.Problem(http.StatusTooManyRequests, "rateLimited"),
		"broken.example.test":  acmetest.Problem(http.StatusForbidden, "serverInternal"),
		"odd.example.test": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte("<html>"))
		},
	} {
		n.proxy.Instead(answer)
		n.hosts.set(host, true)
		if err := m.Issue(t.Context(), host); err != nil {
			t.Fatal(err)
		}
		if e := n.await(t, Obtained); e.CA != n.ca.Directory() {
			t.Errorf("told of %+v", e)
		}
		n.wants(t, host)
	}
	// The control: it is the first that is asked first.
	n.proxy.Instead(nil)
	n.hosts.set("acme.example.test", true)
	if err := m.Issue(t.Context(), "acme.example.test"); err != nil {
		t.Fatal(err)
	}
	if e := n.await(t, Obtained); e.CA != n.proxy.Directory() {
		t.Errorf("told of %+v", e)
	}
}

// TestForgetsAccount: a CA that does not know our account any more gets another.
func TestForgetsAccount(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, nil)
	n.serve(t, m)
	n.hosts.set("acme.example.test", true)
	unknown := acmetest.Problem(http.StatusBadRequest, "accountDoesNotExist")
	n.proxy.Instead(func(w http.ResponseWriter, r *http.Request) {
		n.proxy.Instead(nil)
		unknown(w, r)
	})
	if err := m.Issue(t.Context(), "acme.example.test"); err != nil {
		t.Fatal(err)
	}
	n.wants(t, "acme.example.test")
}
