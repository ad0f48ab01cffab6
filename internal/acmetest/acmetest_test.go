package acmetest_test

import (
	"context"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/acmetest"
	"github.com/partywall/partywall/internal/dnstest"
	"github.com/partywall/partywall/internal/process"
)

// TestStart: an authority answers, and says who it is.
func TestStart(t *testing.T) {
	t.Parallel()
	httpPort, err := process.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tlsPort, err := process.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := acmetest.Start(t.Context(), dnstest.Start(t).Addr(), httpPort, tlsPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if len(c.Roots().Subjects()) != 1 { //nolint:staticcheck // the pool is not the system's
		t.Error("the authority has no root")
	}
	p := acmetest.NewProxy(c)
	t.Cleanup(p.Close)
	if p.Directory() == c.Directory() || p.Orders() != 0 {
		t.Errorf("the proxy is at %s with %d orders", p.Directory(), p.Orders())
	}
}
