package autotls

import (
	"errors"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/acmetest"
)

// due makes acme's certificate due, to be renewed or to be looked at.
func (n *town) due(t *testing.T, column string) {
	t.Helper()
	done, err := n.pool.Exec(t.Context(), `UPDATE partywall_tls.certificate SET `+column+` WHERE host = 'acme.example.test'`)
	if err != nil || done.RowsAffected() != 1 {
		t.Fatal(done, err)
	}
}

// TestRenew: what is due is renewed by one of two nodes, in the place of what
// there was, and all show the new one.
func TestRenew(t *testing.T) {
	t.Parallel()
	n := settle(t)
	nodes := []*Manager{n.node(t, nil), n.node(t, nil)}
	n.serve(t, nodes[0])
	n.hosts.set("acme.example.test", true)
	n.wants(t, "acme.example.test")
	before := n.leaf(t, "acme.example.test")
	n.due(t, "renew_at = now(), due_at = now()")
	if e := n.await(t, Renewed); e.Host != "acme.example.test" {
		t.Errorf("told of %+v", e)
	}
	for n.leaf(t, "acme.example.test").Equal(before) {
	}
	n.wants(t, "acme.example.test")
	if n.proxy.Orders() != 2 || n.proxy.Replacing() != 1 {
		t.Errorf("%d orders, %d in a certificate's place", n.proxy.Orders(), n.proxy.Replacing())
	}
	var renewAt, dueAt time.Time
	err := n.pool.QueryRow(t.Context(), `SELECT renew_at, due_at FROM partywall_tls.certificate`).Scan(&renewAt, &dueAt)
	if err != nil || time.Until(renewAt) < 40*24*time.Hour || time.Until(dueAt) > 6*time.Hour {
		t.Errorf("to be renewed at %v, looked at at %v, %v", renewAt, dueAt, err)
	}
}

// TestWindow: a CA that wants a certificate renewed early gets it (RFC 9773).
func TestWindow(t *testing.T) {
	t.Parallel()
	n := settle(t)
	n.serve(t, n.node(t, nil))
	n.hosts.set("acme.example.test", true)
	n.wants(t, "acme.example.test")
	// The control: a CA that is asked and has no wish keeps its window.
	n.due(t, "due_at = now()")
	for {
		var dueAt time.Time
		if err := n.pool.QueryRow(t.Context(), `SELECT due_at FROM partywall_tls.certificate`).Scan(&dueAt); err != nil {
			t.Fatal(err)
		}
		if time.Until(dueAt) > 5*time.Hour { // Pebble says six
			break
		}
	}
	if n.proxy.Orders() != 1 {
		t.Errorf("%d orders", n.proxy.Orders())
	}
	now := time.Now()
	if err := n.ca.SuggestWindow(t.Context(), n.leaf(t, "acme.example.test"), now.Add(-2*time.Hour), now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	n.due(t, "due_at = now()")
	n.await(t, Renewed)
	if n.proxy.Orders() != 2 || n.proxy.Replacing() != 1 {
		t.Errorf("%d orders, %d in a certificate's place", n.proxy.Orders(), n.proxy.Replacing())
	}
}

// TestAlreadyReplaced: where the CA has it that a certificate was replaced, such
// as after a crash, an order that replaces nothing follows (certmagic #361).
func TestAlreadyReplaced(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, nil)
	n.serve(t, m)
	n.hosts.set("acme.example.test", true)
	n.wants(t, "acme.example.test")
	leaf := n.leaf(t, "acme.example.test")
	for range 2 {
		if _, err := m.order(t.Context(), "acme.example.test", &previous{n.proxy.Directory(), leaf}, false); err != nil {
			t.Fatal(err)
		}
	}
	if n.proxy.Orders() != 3 || n.proxy.Replacing() != 1 {
		t.Errorf("%d orders, %d in a certificate's place", n.proxy.Orders(), n.proxy.Replacing())
	}
}

// TestExpired: a certificate that has ended is not shown; a handshake gets a new
// one.
func TestExpired(t *testing.T) {
	t.Parallel()
	n := settle(t)
	n.hosts.set("acme.example.test", true)
	brief := n.node(t, func(o *Options) { o.CAs = []CA{n.authority(acmetest.Brief)} })
	challenged := n.node(t, func(o *Options) { o.NoOnDemand = true })
	n.serve(t, challenged)
	if err := brief.Issue(t.Context(), "acme.example.test"); err != nil {
		t.Fatal(err)
	}
	n.wants(t, "acme.example.test")
	brief.Close()
	challenged.Close() // neither renews any more
	n.ahead.Store(int64(3 * time.Minute))
	if conn, err := n.dial(t.Context(), "acme.example.test"); err == nil {
		_ = conn.Close()
		t.Error("a certificate is shown that has ended")
	}
	fresh := n.node(t, nil)
	at := acmetest.Listen(t)
	n.serveAt(t, fresh, acmetest.Listen(t), at)
	conn, err := n.dialAt(t.Context(), at, "acme.example.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if leaf := conn.ConnectionState().PeerCertificates[0]; time.Until(leaf.NotAfter) < time.Hour {
		t.Errorf("good until %v", leaf.NotAfter)
	}
}

// TestUnwanted: a certificate is not renewed for a host that may not be served,
// and goes away when it has ended.
func TestUnwanted(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, nil)
	n.serve(t, m)
	n.hosts.set("acme.example.test", true)
	n.wants(t, "acme.example.test")
	n.hosts.set("acme.example.test", false)
	n.due(t, "renew_at = now(), due_at = now()")
	for {
		var left bool
		if err := n.pool.QueryRow(t.Context(), `SELECT due_at > now() + interval '50 minutes' FROM partywall_tls.certificate`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left {
			break
		}
	}
	n.due(t, "not_after = now(), due_at = now()")
	n.await(t, Forgotten)
	if n.proxy.Orders() != 1 {
		t.Errorf("%d orders", n.proxy.Orders())
	}
	if _, err := m.Storage().Stat(t.Context(), "certificates"); err == nil {
		t.Error("it is stored still")
	}
	if err := m.Issue(t.Context(), "127.0.0.1"); !errors.Is(err, ErrInvalid) {
		t.Errorf("an address: %v", err)
	}
}
