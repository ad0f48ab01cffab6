package autotls

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/partywall/partywall/internal/certtest"
)

// newMint returns who signs the test's certificates.
func newMint(t testing.TB) *certtest.Mint {
	t.Helper()
	ca, err := certtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t testing.TB, ca *certtest.Mint, host string) (chain, key []byte) {
	t.Helper()
	chain, key, err := ca.Issue(host, 2)
	if err != nil {
		t.Fatal(err)
	}
	return chain, key
}

// fill stores certificates of so many hosts.
func fill(t testing.TB, ca *certtest.Mint, s *storage, count int) {
	t.Helper()
	if err := ca.Fill(t.Context(), s.pool, s.sealer, count); err != nil {
		t.Fatal(err)
	}
}

// heap is the memory that is in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one found to be finalized
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestManyCertificates opens a node on 2,000 certificates, prints how long that
// takes and what they cost in memory, and shows some of them. It orders none.
// internal/bench does it with 10,000.
func TestManyCertificates(t *testing.T) {
	const count = 2000
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, ca := shelves(t), newMint(t)
	fill(t, ca, s, count)
	all := &hosts{}
	all.all.Store(true)
	open := func(cache int) *Manager {
		m, err := New(s.pool, all, &Options{Key: testKey(1), Agreed: true, NoOnDemand: true, Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Open(ctx); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return m
	}
	before, began := heap(), time.Now()
	m := open(0)
	took := time.Since(began)
	each := (int64(heap()) - int64(before)) / count
	t.Logf("%d certificates: open after %v, %d bytes each", count, took.Round(time.Millisecond), each)
	if m.shelf.len() != count || each > 6<<10 {
		t.Errorf("%d in memory at %d bytes each", m.shelf.len(), each)
	}
	small := open(100)
	for i := 0; i < count && ctx.Err() == nil; i += certtest.Shown {
		client := &tls.Config{ServerName: certtest.Host(i), RootCAs: ca.Roots, MinVersion: tls.VersionTLS12}
		show(ctx, t, m.TLSConfig(), client)
		show(ctx, t, small.TLSConfig(), client) // most of which are not in memory
	}
	if ctx.Err() != nil || small.shelf.len() != 100 {
		t.Errorf("%d in memory of 100, %v", small.shelf.len(), ctx.Err())
	}
}

// show makes a handshake between two ends of a pipe.
func show(ctx context.Context, t testing.TB, server, client *tls.Config) {
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		end := tls.Server(far, server)
		err := end.HandshakeContext(ctx)
		_, _ = io.Copy(io.Discard, far) // until the client has gone
		_ = far.Close()
		done <- err
	}()
	if err := tls.Client(near, client).HandshakeContext(ctx); err != nil {
		t.Errorf("%s: %v", client.ServerName, err)
	}
	_ = near.Close()
	if err := <-done; err != nil {
		t.Errorf("%s: %v", client.ServerName, err)
	}
}

// TestShelf: those stay that are asked for.
func TestShelf(t *testing.T) {
	t.Parallel()
	s := newShelf(100)
	for i := range 2000 {
		s.put(certtest.Host(i), &certificate{})
		for hot := range 20 {
			if i >= hot {
				s.get(certtest.Host(hot))
			}
		}
	}
	kept := 0
	for hot := range 20 {
		if s.get(certtest.Host(hot)) != nil {
			kept++
		}
	}
	if s.len() != 100 || kept < 18 {
		t.Errorf("%d of 20 that are asked for all the time were kept, among %d", kept, s.len())
	}
	s.drop(certtest.Host(0))
	if s.get(certtest.Host(0)) != nil {
		t.Error("dropped and still there")
	}
}

// benched is a manager with certificates in memory, over no database.
func benched(b *testing.B, ca *certtest.Mint, count int) *Manager {
	b.Helper()
	all := &hosts{}
	all.all.Store(true)
	m, err := New(lazyPool(b), all, &Options{Key: testKey(1), Agreed: true})
	if err != nil {
		b.Fatal(err)
	}
	for i := range count {
		chain, key := issue(b, ca, certtest.Host(i))
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			b.Fatal(err)
		}
		pair.Leaf = nil
		m.shelf.put(certtest.Host(i), &certificate{tls: &pair, notAfter: time.Now().AddDate(0, 0, 90)})
	}
	return m
}

// BenchmarkLookup is what finding a host's certificate among 10,000 costs, beside
// the map of crypto/tls.
func BenchmarkLookup(b *testing.B) {
	const count = 10_000
	m := benched(b, newMint(b), count)
	names := make([]string, count)
	for i := range names {
		names[i] = certtest.Host(i * 7919 % count)
	}
	b.Run("autotls", func(b *testing.B) {
		hello := &tls.ClientHelloInfo{SupportedProtos: []string{"h2", "http/1.1"}}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			hello.ServerName = names[i%len(names)]
			if c, err := m.certificateFor(hello); c == nil || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		plain := map[string]*tls.Certificate{}
		for i := range count {
			plain[certtest.Host(i)] = m.shelf.get(certtest.Host(i)).tls
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if plain[names[i%len(names)]] == nil {
				b.Fatal("not there")
			}
		}
	})
}

// BenchmarkHandshake is a whole handshake, by this package and by crypto/tls
// alone.
func BenchmarkHandshake(b *testing.B) {
	ca := newMint(b)
	m := benched(b, ca, 1000)
	pair := *m.shelf.get(certtest.Host(0)).tls
	for name, server := range map[string]*tls.Config{
		"plain":   {Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		"autotls": m.TLSConfig(),
	} {
		b.Run(name, func(b *testing.B) {
			client := &tls.Config{ServerName: certtest.Host(0), RootCAs: ca.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
			b.ReportAllocs()
			for b.Loop() {
				show(b.Context(), b, server, client)
			}
		})
	}
}

// BenchmarkOpen is the start of a node on 10,000 certificates.
func BenchmarkOpen(b *testing.B) {
	const count = 10_000
	s := shelves(b)
	fill(b, newMint(b), s, count)
	all := &hosts{}
	all.all.Store(true)
	var size uint64
	for b.Loop() {
		m, err := New(s.pool, all, &Options{Key: testKey(1), Agreed: true, NoOnDemand: true})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		before := heap()
		b.StartTimer()
		if err := m.Open(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		size = heap() - before
		m.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(size)/count, "bytes/certificate")
}
