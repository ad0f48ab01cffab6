package autotls

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
)

// mint makes certificates like those of a CA, without one.
type mint struct {
	root, middle *x509.Certificate
	secret       *ecdsa.PrivateKey
	roots        *x509.CertPool
	chain        []byte // PEM
}

func newMint(t testing.TB) *mint {
	t.Helper()
	m := &mint{roots: x509.NewCertPool()}
	var err error
	if m.secret, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	authority := func(name string, by *x509.Certificate) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign,
		}
		if by == nil {
			by = template
		}
		return m.sign(t, template, by, &m.secret.PublicKey)
	}
	m.root = authority("root", nil)
	m.middle = authority("middle", m.root)
	m.roots.AddCert(m.root)
	m.chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.middle.Raw})
	return m
}

func (m *mint) sign(t testing.TB, template, by *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, by, key, m.secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue returns a certificate with its chain and key, as PEM. The key is the
// same for all, which saves the time to make them; each is read on its own.
func (m *mint) issue(t testing.TB, host string, serial int64) (chain, key []byte) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 90), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		OCSPServer: []string{"http://ocsp.example.test"}, IssuingCertificateURL: []string{"http://ca.example.test/middle.crt"},
	}, m.middle, &m.secret.PublicKey, m.secret)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = certmagic.PEMEncodePrivateKey(m.secret); err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), m.chain...), key
}

// patch makes one host's certificate another's, whose name is as long. Its
// signature is wrong then, which only a client minds.
func patch(chain []byte, from, to string) []byte {
	block, rest := pem.Decode(chain)
	block.Bytes = bytes.Replace(block.Bytes, []byte(from), []byte(to), 1)
	return append(pem.EncodeToMemory(block), rest...)
}

// shown are the hosts whose certificates clients look at.
const shown = 97

func hostOf(i int) string { return fmt.Sprintf("tenant-%05d.example.test", i) }

// fill stores count certificates, as [storage.save] does one by one.
func (m *mint) fill(t testing.TB, s *storage, count int) {
	t.Helper()
	items, certificates := make([][]any, 2*count), make([][]any, count)
	var work sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	first, firstKey := m.issue(t, hostOf(0), 2)
	for w := range workers {
		work.Go(func() {
			for i := w; i < count; i += workers {
				host := hostOf(i)
				chain, key := patch(first, hostOf(0), host), firstKey // most of what a certificate costs is its signature
				if i%shown == 0 {
					chain, key = m.issue(t, host, int64(i+2))
				}
				site := certmagic.StorageKeys.CertsSitePrefix("ca", host) + "/" + host
				for j, part := range map[string][]byte{".crt": chain, ".key": key} {
					sealed, err := s.sealer.Seal(t.Context(), part, []byte(site+j))
					if err != nil {
						t.Error(err)
					}
					at := 2 * i
					if j == ".key" {
						at++
					}
					items[at] = []any{site + j, sealed, len(part)}
				}
				now := time.Now()
				certificates[i] = []any{host, site, "https://ca.test", now, now.AddDate(0, 0, 90), now.AddDate(0, 0, 60), now.AddDate(0, 0, 1)}
			}
		})
	}
	work.Wait()
	for table, rows := range map[string][][]any{"item": items, "certificate": certificates} {
		columns := []string{"key", "value", "size"}
		if table == "certificate" {
			columns = []string{"host", "site", "ca", "not_before", "not_after", "renew_at", "due_at"}
		}
		if _, err := s.pool.CopyFrom(t.Context(), pgx.Identifier{"partywall_tls", table}, columns, pgx.CopyFromRows(rows)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.pool.Exec(t.Context(), `ANALYZE partywall_tls.item, partywall_tls.certificate`); err != nil {
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

// TestTenThousand opens a node on 10,000 certificates, prints how long that
// takes and what they cost in memory, and shows some of them. It orders none.
func TestTenThousand(t *testing.T) {
	const count = 10_000
	s, ca := shelves(t), newMint(t)
	ca.fill(t, s, count)
	all := &hosts{}
	all.all.Store(true)
	m, err := New(s.pool, all, &Options{Key: testKey(1), Agreed: true, NoOnDemand: true})
	if err != nil {
		t.Fatal(err)
	}
	before, began := heap(), time.Now()
	if err := m.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	took := time.Since(began)
	each := (heap() - before) / count
	t.Logf("%d certificates: open after %v, %d bytes each", count, took.Round(time.Millisecond), each)
	if m.shelf.len() != count || each > 6<<10 {
		t.Errorf("%d in memory at %d bytes each", m.shelf.len(), each)
	}
	for i := 0; i < count; i += 10 * shown {
		show(t, m.TLSConfig(), &tls.Config{ServerName: hostOf(i), RootCAs: ca.roots, MinVersion: tls.VersionTLS12})
	}
	small, err := New(s.pool, all, &Options{Key: testKey(1), Agreed: true, NoOnDemand: true, Cache: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := small.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(small.Close)
	for i := 0; i < count; i += shown { // most of which are not in memory
		show(t, small.TLSConfig(), &tls.Config{ServerName: hostOf(i), RootCAs: ca.roots, MinVersion: tls.VersionTLS12})
	}
	if small.shelf.len() != 100 {
		t.Errorf("%d in memory of 100", small.shelf.len())
	}
}

// show makes a handshake between two ends of a pipe.
func show(t testing.TB, server, client *tls.Config) {
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		end := tls.Server(far, server)
		err := end.HandshakeContext(context.Background())
		_, _ = io.Copy(io.Discard, far) // until the client has gone
		_ = far.Close()
		done <- err
	}()
	if err := tls.Client(near, client).HandshakeContext(context.Background()); err != nil {
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
		s.put(hostOf(i), &certificate{})
		for hot := range 20 {
			if i >= hot {
				s.get(hostOf(hot))
			}
		}
	}
	kept := 0
	for hot := range 20 {
		if s.get(hostOf(hot)) != nil {
			kept++
		}
	}
	if s.len() != 100 || kept < 18 {
		t.Errorf("%d of 20 that are asked for all the time were kept, among %d", kept, s.len())
	}
	s.drop(hostOf(0))
	if s.get(hostOf(0)) != nil {
		t.Error("dropped and still there")
	}
}

// benched is a manager with certificates in memory, over no database.
func benched(b *testing.B, ca *mint, count int) *Manager {
	b.Helper()
	all := &hosts{}
	all.all.Store(true)
	m, err := New(lazyPool(b), all, &Options{Key: testKey(1), Agreed: true})
	if err != nil {
		b.Fatal(err)
	}
	for i := range count {
		chain, key := ca.issue(b, hostOf(i), int64(i+2))
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			b.Fatal(err)
		}
		pair.Leaf = nil
		m.shelf.put(hostOf(i), &certificate{tls: &pair, notAfter: time.Now().AddDate(0, 0, 90)})
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
		names[i] = hostOf(i * 7919 % count)
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
			plain[hostOf(i)] = m.shelf.get(hostOf(i)).tls
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
	pair := *m.shelf.get(hostOf(0)).tls
	for name, server := range map[string]*tls.Config{
		"plain":   {Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		"autotls": m.TLSConfig(),
	} {
		b.Run(name, func(b *testing.B) {
			client := &tls.Config{ServerName: hostOf(0), RootCAs: ca.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
			b.ReportAllocs()
			for b.Loop() {
				show(b, server, client)
			}
		})
	}
}

// BenchmarkOpen is the start of a node on 10,000 certificates.
func BenchmarkOpen(b *testing.B) {
	const count = 10_000
	s := shelves(b)
	newMint(b).fill(b, s, count)
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
