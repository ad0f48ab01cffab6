package storage

import (
	"context"
	"time"

	"gocloud.dev/blob/driver"

	"github.com/partywall/partywall/tenant"
)

// Walls are what can be torn down, by name: each leaves b without one of the
// rules that the wall is made of.
func Walls() map[string]func(b *Buckets) {
	return map[string]func(b *Buckets){
		"key":      func(b *Buckets) { b.rules.key = func(string) error { return nil } },
		"prefix":   func(b *Buckets) { b.rules.prefix = func(string) error { return nil } },
		"root":     func(b *Buckets) { b.rules.root = func(t tenant.Tenant) string { r := root(t); return r[:len(r)-1] } },
		"same":     func(b *Buckets) { b.rules.same = func(_, _ tenant.ID) bool { return true } },
		"writable": func(b *Buckets) { b.rules.writable = func(context.Context, tenant.Tenant) bool { return true } },
		"within":   func(b *Buckets) { b.rules.within = func(_, _ tenant.Region) bool { return true } },
		"callback": func(b *Buckets) {
			b.rules.callback = func(fn func(func(any) bool) error) error {
				if fn == nil {
					return nil
				}
				return fn(func(any) bool { return true })
			}
		},
		"sign": func(b *Buckets) {
			b.rules.sign = func(_ *Buckets, _ *home, opts *driver.SignedURLOptions) (time.Duration, error) {
				return opts.Expiry, nil
			}
		},
		"mine":   func(b *Buckets) { b.rules.mine = func(name, _ string) (string, bool) { return name, true } },
		"bind":   func(b *Buckets) { b.rules.bind = func(tenant.Tenant, string) string { return "" } },
		"still":  func(b *Buckets) { b.rules.still = func(*Buckets, context.Context, *home) error { return nil } },
		"inline": func(b *Buckets) { b.rules.inline = func(*Buckets, string) bool { return true } },
	}
}
