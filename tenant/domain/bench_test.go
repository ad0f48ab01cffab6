package domain_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/partywall/partywall/tenant/domain"
)

const crowd = 100_000

func hostOf(i int) string { return fmt.Sprintf("shop%d.customer%d.example", i, i/3) }

// BenchmarkDirectory looks up hosts among a hundred thousand, in parallel.
func BenchmarkDirectory(b *testing.B) {
	h := build(b, nil)
	h.Fill(crowd, hostOf)
	hosts := make([]string, 1<<12)
	for i := range hosts {
		hosts[i] = hostOf(rand.IntN(crowd))
	}
	for name, look := range map[string]func(host string) bool{
		"owner": func(host string) bool {
			_, err := h.Owner(b.Context(), host)
			return err == nil
		},
		"may serve": h.MayServe,
		"subdomain": func(string) bool { return h.MayServe("acme.myapp.com") },
		"stranger":  func(string) bool { return !h.MayServe("nobody.example") },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(len(hosts)); pb.Next(); i++ {
					if !look(hosts[i%len(hosts)]) {
						b.Error("not found")
					}
				}
			})
		})
	}
}

// BenchmarkDirectoryLoad reads a hundred thousand domains from PostgreSQL.
func BenchmarkDirectoryLoad(b *testing.B) {
	h := build(b, nil)
	_, err := h.pool.Exec(b.Context(), `INSERT INTO partywall_domains.target SELECT gen_random_uuid(), 't' || i FROM generate_series(1, $1 / 3 + 1) i`, crowd)
	if err == nil {
		_, err = h.pool.Exec(b.Context(), `INSERT INTO partywall_domains.domain (tenant_id, host, state, method, token, claimed_at)
			SELECT t.tenant_id, 'shop' || i || '.example', 'active', 'txt', 'x', now() FROM partywall_domains.target t, generate_series(1, 3) n, LATERAL (SELECT substr(t.label, 2)::int * 3 + n AS i) x`)
	}
	if err != nil {
		b.Fatal(err)
	}
	o := h.opts
	for b.Loop() {
		c, err := domain.New(h.pool, h.tenants, &o)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Open(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		if c.Hosts() < crowd {
			b.Fatal(c.Hosts())
		}
		c.Close()
	}
}

// TestLookUpsAreFree holds the directory to what is promised of it.
func TestLookUpsAreFree(t *testing.T) { //nolint:paralleltest // it counts what the whole process allocates
	h := build(t, nil)
	h.Fill(1000, hostOf)
	host, ctx := hostOf(7), t.Context()
	for name, look := range map[string]func() bool{
		"owner":     func() bool { _, err := h.Owner(ctx, host); return err == nil },
		"may serve": func() bool { return h.MayServe(host) },
		"subdomain": func() bool { return h.MayServe("acme.myapp.com") },
	} {
		if n := testing.AllocsPerRun(1000, func() {
			if !look() {
				t.Fatal("not found")
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
