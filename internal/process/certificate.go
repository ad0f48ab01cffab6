package process

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificateLife is longer than any server of a test lives.
const certificateLife = 30 * 24 * time.Hour

// NewCertificate makes a certificate for a server on 127.0.0.1, signed by its
// own key, and returns both as PEM. Who trusts it trusts that server alone.
func NewCertificate() (cert, key []byte, err error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("process: %w", err)
	}

	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "partywall test"},
		NotBefore:    now.Add(-time.Hour), // a container's clock may be behind
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}

	signed, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	encoded, keyErr := x509.MarshalPKCS8PrivateKey(secret)

	if err := errors.Join(err, keyErr); err != nil {
		return nil, nil, fmt.Errorf("process: %w", err)
	}

	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

// WriteCertificate makes a certificate and writes it and its key into the
// folder.
func (d *Dir) WriteCertificate() (cert, key string, err error) {
	certText, keyText, err := NewCertificate()
	if err != nil {
		return "", "", err
	}

	cert, err = d.WriteFile("server.crt", string(certText))
	if err != nil {
		return "", "", err
	}

	key, err = d.WriteFile("server.key", string(keyText))

	return cert, key, err
}
