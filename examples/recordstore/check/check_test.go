package check_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/check"
	"github.com/partywall/partywall/examples/recordstore/records"
)

// That the check finds what it should is shown where there is a chain to
// check, beside the command.

func TestResult(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]check.Result{
		"check: 24 tenants, 412 invoices, 2328.60 total, 0 leaks, ok": {Tenants: 24, Invoices: 412, Total: 232860, Attacks: 5000},
		"check: 0 tenants, 0 invoices, 0.00 total, 2 leaks, 1 mismatches, FAILED: a row of b's": {
			Leaks: []string{"a row of\nb's", "another"}, Mismatches: []string{"a sum"},
		},
		"check: 1 tenants, 0 invoices, 0.00 total, 0 leaks, 1 mismatches, FAILED: a sum": {Tenants: 1, Mismatches: []string{"a sum"}},
	} {
		if got := r.String(); got != want || r.OK() != strings.HasSuffix(want, ", ok") {
			t.Errorf("got %q, %v, want %q", got, r.OK(), want)
		}
	}
}

// config is a check of whatever is at addr.
func config(addr string) check.Config {
	return check.Config{Addr: addr, Data: records.Sample(2), App: "postgres://nobody@127.0.0.1:1/nothing", GatewayKey: make([]byte, 32)}
}

// TestRunAgainstNothing checks an address where nobody answers, and sites that
// are something else. That is no success.
func TestRunAgainstNothing(t *testing.T) {
	t.Parallel()
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	addrs := map[string]string{"nobody": closed.Addr().String(), "no address": "nonsense"}
	for name, answer := range map[string]http.HandlerFunc{
		"an empty page": func(http.ResponseWriter, *http.Request) {},
		"an error":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"a page for everything": func(w http.ResponseWriter, r *http.Request) {
			_, port, _ := net.SplitHostPort(r.Host)
			_, _ = w.Write([]byte(`<a href="http://brazil.localhost:` + port + `/"><a href="http://brazil.localhost:` + port + `/">`))
		},
	} {
		server := httptest.NewServer(answer)
		t.Cleanup(server.Close)
		addrs[name] = server.Listener.Addr().String()
	}
	for name, addr := range addrs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			result, err := check.Run(t.Context(), config(addr), &out)
			if err != nil || result.OK() || !strings.Contains(out.String(), "mismatch: Brazil: there is no such store\n") {
				t.Errorf("%v, %v\n%s", result, err, &out)
			}
		})
	}
}

func TestRunCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if result, err := check.Run(ctx, config("127.0.0.1:1"), &out); !errors.Is(err, context.Canceled) || result != nil || out.Len() > 0 {
		t.Errorf("%v, %v, %q", result, err, &out)
	}
}
