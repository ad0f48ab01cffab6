// Package certtest makes certificates like those of a CA, without one, and stores
// them by the thousand as package autotls would, for tests and benchmarks.
package certtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Mint signs certificates. It may be used from any goroutine.
type Mint struct {
	// Roots is who has signed them all.
	Roots *x509.CertPool

	middle *x509.Certificate
	secret *ecdsa.PrivateKey
	chain  []byte // PEM
	key    []byte // PEM
}

// New returns a mint with a root and one authority between, as CAs have.
func New() (*Mint, error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certtest: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(secret)
	if err != nil {
		return nil, fmt.Errorf("certtest: %w", err)
	}
	m := &Mint{Roots: x509.NewCertPool(), secret: secret, key: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})}
	root, err := m.authority("root", nil)
	if err != nil {
		return nil, err
	}
	if m.middle, err = m.authority("middle", root); err != nil {
		return nil, err
	}
	m.Roots.AddCert(root)
	m.chain = encode(m.middle.Raw)
	return m, nil
}

// authority makes one who signs; a nil by signs itself.
func (m *Mint) authority(name string, by *x509.Certificate) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	if by == nil {
		by = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &m.secret.PublicKey, m.secret)
	if err != nil {
		return nil, fmt.Errorf("certtest: %s: %w", name, err)
	}
	return x509.ParseCertificate(der) //nolint:wrapcheck // it was made one line above
}

// Issue returns a certificate for a host with its chain, and its key, as PEM. The
// key is the same for all, which saves the time to make them; whoever reads them
// reads each on its own.
func (m *Mint) Issue(host string, serial int64) (chain, key []byte, err error) {
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 90), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		OCSPServer: []string{"http://ocsp.example.test"}, IssuingCertificateURL: []string{"http://ca.example.test/middle.crt"},
	}, m.middle, &m.secret.PublicKey, m.secret)
	if err != nil {
		return nil, nil, fmt.Errorf("certtest: %s: %w", host, err)
	}
	return append(encode(der), m.chain...), m.key, nil
}

// patch makes one host's certificate another's, whose name is as long. Its
// signature is wrong then, which only a client minds.
func patch(chain []byte, from, to string) []byte {
	block, rest := pem.Decode(chain)
	return append(encode(bytes.Replace(block.Bytes, []byte(from), []byte(to), 1)), rest...)
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
