package autotls

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/partywall/partywall/internal/dnstest"
)

// TestIssue: a certificate is got by each of the two challenges, and a request
// is served with it.
func TestIssue(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"http-01": func(o *Options) { o.NoTLSALPN01 = true }, "tls-alpn-01": func(o *Options) { o.NoHTTP01 = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := settle(t)
			n.serve(t, n.node(t, change))
			m := n.node(t, change) // which does not serve: the other answers for it
			n.hosts.set("acme.example.test", true)
			if _, _, err := m.Validity(t.Context(), "acme.example.test"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("before: %v", err)
			}
			if err := m.Issue(t.Context(), "ACME.example.test."); err != nil {
				t.Fatal(err)
			}
			if e := n.await(t, Obtained); e.Host != "acme.example.test" || e.CA != n.proxy.Directory() || time.Until(e.NotAfter) < 80*24*time.Hour {
				t.Errorf("told of %+v", e)
			}
			n.wants(t, "acme.example.test")
			from, until, err := m.Validity(t.Context(), "acme.example.test")
			if err != nil || !from.Before(time.Now()) || !until.Equal(n.leaf(t, "acme.example.test").NotAfter) {
				t.Errorf("good from %v to %v, %v", from, until, err)
			}
			if err := m.Issue(t.Context(), "acme.example.test"); err != nil || n.proxy.Orders() != 1 {
				t.Errorf("again: %v, %d orders", err, n.proxy.Orders())
			}
		})
	}
}

// TestOneOrder: of many who want the same at once, on two nodes, one orders.
func TestOneOrder(t *testing.T) {
	t.Parallel()
	n := settle(t)
	nodes := []*Manager{n.node(t, nil), n.node(t, nil)}
	n.serve(t, nodes[0])
	n.hosts.set("acme.example.test", true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if i >= 6 { // strangers come by, too
				if conn, err := n.dial(t.Context(), "acme.example.test"); err != nil {
					t.Error(err)
				} else {
					_ = conn.Close()
				}
				return
			}
			if err := nodes[i%2].Issue(t.Context(), "acme.example.test"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n.proxy.Orders() != 1 {
		t.Errorf("%d orders", n.proxy.Orders())
	}
	// The control: without the lock there would be two.
	for _, m := range nodes {
		if _, err := m.order(t.Context(), "acme.example.test", nil, false); err != nil {
			t.Error(err)
		}
	}
	if n.proxy.Orders() != 3 {
		t.Errorf("the proxy has counted %d orders of 3", n.proxy.Orders())
	}
}

// TestOnDemand: a handshake gets a certificate for a host that may be served,
// and none for any other.
func TestOnDemand(t *testing.T) {
	t.Parallel()
	n := settle(t)
	n.serve(t, n.node(t, nil))
	n.hosts.set("acme.example.test", true)
	for _, name := range []string{"other.example.test", "xn--acm-dma.example.test", "example.test"} {
		if _, err := n.dial(t.Context(), name); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n.proxy.Orders() != 0 {
		t.Errorf("%d orders for hosts that are nobody's", n.proxy.Orders())
	}
	n.wants(t, "acme.example.test")
	n.hosts.set("acme.example.test", false)
	if _, err := n.dial(t.Context(), "acme.example.test"); !refused(err) {
		t.Errorf("a host that may not be served any more: %v", err)
	}
	// The control: it is not for want of a certificate.
	n.hosts.set("acme.example.test", true)
	n.wants(t, "acme.example.test")
	if n.proxy.Orders() != 1 {
		t.Errorf("%d orders", n.proxy.Orders())
	}
}

// TestRest: a host whose order fails is left alone, on all nodes, and however
// many handshakes there are.
func TestRest(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, func(o *Options) { o.NoHTTP01 = true })
	n.serve(t, m)
	n.hosts.set("lost.example.test", true)
	n.dns.Fail("lost.example.test", dnstest.Fault{Rcode: dns.RcodeNameError})
	for range 20 {
		if _, err := n.dial(t.Context(), "lost.example.test"); err == nil || refused(err) {
			t.Fatalf("a host that does not lead to us: %v", err)
		}
	}
	e := n.await(t, Failed)
	if e.Host != "lost.example.test" || e.Err.Reason() != ReasonUnreachable {
		t.Errorf("told of %+v", e)
	}
	orders := n.proxy.Orders()
	for _, m := range []*Manager{m, n.node(t, nil)} {
		failed, ok := errors.AsType[*IssueError](m.Issue(t.Context(), "lost.example.test"))
		if !ok || failed.Why != ReasonUnreachable || time.Until(failed.RetryAt) < 30*time.Second || time.Until(failed.RetryAt) > 72*time.Second || failed.Err == nil {
			t.Errorf("while it rests: %+v", failed)
		}
	}
	if orders == 0 || orders > 3 || n.proxy.Orders() != orders {
		t.Errorf("%d orders, then %d", orders, n.proxy.Orders())
	}
	n.dns.Fail("lost.example.test", dnstest.Fault{})
	n.ahead.Store(int64(2 * time.Minute))
	n.wants(t, "lost.example.test")
}

// TestForget: certificate and key go away, from all nodes, and the CA is told.
func TestForget(t *testing.T) {
	t.Parallel()
	n := settle(t)
	m := n.node(t, func(o *Options) { o.NoOnDemand = true })
	n.serve(t, m)
	other := n.node(t, nil)
	for _, host := range []string{"a.example.test", "b.example.test"} {
		n.hosts.set(host, true)
		if err := other.Issue(t.Context(), host); err != nil {
			t.Fatal(err)
		}
		n.wants(t, host)
	}
	kept, void := n.leaf(t, "a.example.test"), n.leaf(t, "b.example.test")
	for range 2 { // it may be repeated
		if err := other.Forget(t.Context(), "a.example.test", false); err != nil {
			t.Error(err)
		}
		if err := other.Forget(t.Context(), "b.example.test", true); err != nil {
			t.Error(err)
		}
	}
	n.await(t, Forgotten)
	n.await(t, Revoked)
	if yes, err := n.ca.Revoked(t.Context(), kept); err != nil || yes {
		t.Errorf("a certificate that was not to be revoked: %v, %v", yes, err)
	}
	if yes, err := n.ca.Revoked(t.Context(), void); err != nil || !yes {
		t.Errorf("a certificate that was to be revoked: %v, %v", yes, err)
	}
	if left, err := other.Storage().List(t.Context(), "certificates", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stored still: %q, %v", left, err)
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		conn, err := n.dial(ctx, "b.example.test")
		cancel()
		if err != nil {
			break // the node has heard of it
		}
		_ = conn.Close()
	}
}
