package isolation_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// TestOpenWarnsOfPlaintext opens servers that are not there: the warning comes
// before the first connection.
func TestOpenWarnsOfPlaintext(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"postgres://app:hush@db.invalid/shop":                           true, // sslmode=prefer, which settles for less
		"postgres://app:hush@db.invalid/shop?sslmode=disable":           true,
		"postgres://app:hush@db.invalid/shop?sslmode=allow":             true,
		"postgres://app:hush@192.0.2.1/shop?sslmode=disable":            true,
		"postgres://app:hush@localhost,db.invalid/shop?sslmode=disable": true,
		"postgres://app:hush@db.invalid/shop?sslmode=require":           false,
		"postgres://app:hush@db.invalid/shop?sslmode=verify-full":       false,
		"postgres://app:hush@localhost/shop":                            false,
		"postgres://app:hush@127.0.0.1/shop?sslmode=disable":            false,
		"postgres://app:hush@[::1]/shop?sslmode=disable":                false,
		"postgres://app:hush@/shop?host=/nowhere&sslmode=disable":       false,
	} {
		tenants, err := tenant.NewRegistry(memtenant.New(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = isolation.Open(ctx, tenants, isolation.Servers{"eu-1": {App: url, Keys: []isolation.Key{isolation.NewKey(1)}}},
			&isolation.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil {
			t.Errorf("%s: opened", url)
		}
		if got := strings.Contains(log.String(), "without TLS"); got != want || strings.Contains(log.String(), "hush") {
			t.Errorf("%s: warned %v: %s", url, got, log.String())
		}
	}
}
