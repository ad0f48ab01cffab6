package autotls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// FuzzServerName: whatever a client says, it is shown the certificate of the host
// that it names, or none.
func FuzzServerName(f *testing.F) {
	served := &hosts{serve: map[string]bool{"acme.example.test": true}}
	m, err := New(lazyPool(f), served, &Options{Key: testKey(1), Agreed: true})
	if err != nil {
		f.Fatal(err)
	}
	acme := &tls.Certificate{}
	m.shelf.put("acme.example.test", &certificate{tls: acme, notAfter: time.Now().Add(time.Hour)})
	m.shelf.put("globex.example.test", &certificate{tls: &tls.Certificate{}, notAfter: time.Now().Add(time.Hour)})
	for _, name := range []string{"acme.example.test", "ACME.example.test.", "globex.example.test", "", "*.example.test", "acme.example.test:1", "\u00e4cme.test"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, err := m.certificateFor(&tls.ClientHelloInfo{ServerName: name})
		host, bad := normalize(name)
		if ours := bad == nil && host == "acme.example.test"; err != nil || ours != (got == acme) || !ours && got != nil {
			t.Fatalf("%q is shown %v, %v", name, got, err)
		}
	})
}

// FuzzAccept: whatever a CA sends instead of a certificate, it is an error.
func FuzzAccept(f *testing.F) {
	m, err := New(lazyPool(f), &hosts{}, &Options{Key: testKey(1), Agreed: true})
	if err != nil {
		f.Fatal(err)
	}
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	other, _ := issue(f, newMint(f), "acme.example.test") // for another key
	f.Add(other)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, chain []byte) {
		if got, err := m.accept(m.authorities[0], "acme.example.test", secret, acme.Certificate{ChainPEM: chain}); err == nil {
			t.Fatalf("accepted %v", got.leaf)
		}
	})
}
