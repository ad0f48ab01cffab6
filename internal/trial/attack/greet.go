package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/url"
	"os"

	"github.com/partywall/partywall/internal/process"
)

// sslRequest is what a client of PostgreSQL says first if it wants TLS.
func sslRequest() []byte { return []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f} }

// greet deals with a client's wish for TLS, as whoever is in the middle does, and
// returns the client as it goes on.
func (w *wire) greet(ctx context.Context, client, server net.Conn) (_ net.Conn, secured bool, _ error) {
	first := make([]byte, len(sslRequest()))
	if _, err := io.ReadFull(client, first); err != nil {
		return nil, false, err
	}
	answer := []byte{'N'}
	switch {
	case !bytes.Equal(first, sslRequest()):
		return begun{client, io.MultiReader(bytes.NewReader(first), client)}, false, nil
	case w.middle.as != nil:
		answer[0] = 'S'
	case !w.middle.strip:
		if _, err := server.Write(first); err != nil {
			return nil, false, err
		}
		if _, err := io.ReadFull(server, answer); err != nil {
			return nil, false, err
		}
	}
	if _, err := client.Write(answer); err != nil {
		return nil, false, err
	}
	if w.middle.as != nil {
		ours := tls.Server(client, &tls.Config{Certificates: []tls.Certificate{*w.middle.as}, MinVersion: tls.VersionTLS12})
		return ours, false, ours.HandshakeContext(ctx)
	}
	secured = answer[0] == 'S'
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secured = w.secured || secured
	return client, secured, nil
}

// begun is a connection of which something has been read already.
type begun struct {
	net.Conn

	rest io.Reader
}

func (b begun) Read(p []byte) (int, error) { return b.rest.Read(p) }

// impostor is a certificate that nobody trusts.
func impostor() (*tls.Certificate, error) {
	cert, key, err := process.NewCertificate()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	return &pair, err
}

// errNoTLS is a server that has no certificate.
var errNoTLS = errors.New("the server speaks no TLS")

// writeRoot asks a server for its certificate, past whoever is on the wire, and
// writes it to a file for clients to trust. The caller removes it.
func writeRoot(ctx context.Context, base string) (path string, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", errors.New("the server's URL cannot be parsed")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // all is read
	if _, err := conn.Write(sslRequest()); err != nil {
		return "", err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return "", err
	}
	if answer[0] != 'S' {
		return "", errNoTLS
	}
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // G402: it is being learnt whom to trust
	if err := secure.HandshakeContext(ctx); err != nil {
		return "", err
	}
	file, err := os.CreateTemp("", "attack-root")
	if err != nil {
		return "", err
	}
	leaf := secure.ConnectionState().PeerCertificates[0]
	return file.Name(), errors.Join(pem.Encode(file, &pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), file.Close())
}
