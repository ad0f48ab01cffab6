package acmetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/partywall/partywall/internal/process"
)

// ErrNotFound is returned by [Find] and [Start] when this machine has no
// Pebble.
var ErrNotFound = errors.New("acmetest: found no pebble in PATH or .bin: run make test once, which builds it")

// portTries is how often new ports are tried when somebody else took those
// that were free a moment ago.
const portTries = 5

// The profiles that the authority offers.
const (
	// Classic is good for 90 days. It is what an order gets that names none.
	Classic = "default"
	// Brief is good for two minutes.
	Brief = "brief"
)

// CA is one running authority.
type CA struct {
	// HTTPPort and TLSPort of 127.0.0.1 are where it looks for answers to
	// http-01 and tls-alpn-01.
	HTTPPort, TLSPort int

	bin, dns    string
	port, admin int
	dir         *process.Dir
	child       *process.Child
	server      *x509.CertPool // who signed its own two servers
	roots       *x509.CertPool
	pem         []byte // of roots
}

// Find returns the program, as [process.Built] finds it, or [ErrNotFound].
func Find() (string, error) {
	if path := process.Built("pebble"); path != "" {
		return path, nil
	}
	return "", ErrNotFound
}

// Start starts an authority that knows nobody, and returns when it answers. dns
// is the host:port of whom it asks for names. Authorities that are given the same
// ports look for challenges at one server. ctx bounds the start only.
func Start(ctx context.Context, dns string, httpPort, tlsPort int) (*CA, error) {
	bin, err := Find()
	if err != nil {
		return nil, err
	}
	dir, err := process.NewDir("pebble", "", nil)
	if err != nil {
		return nil, err
	}
	c := &CA{bin: bin, dir: dir, dns: dns, HTTPPort: httpPort, TLSPort: tlsPort}
	for range portTries {
		if err = c.run(ctx); !errors.Is(err, process.ErrExited) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	return c, nil
}

// run starts the program on free ports, and reads its root.
func (c *CA) run(ctx context.Context) error {
	var err error
	for _, port := range []*int{&c.port, &c.admin} {
		if *port, err = process.FreePort(ctx); err != nil {
			return err
		}
	}
	config, err := c.configure()
	if err != nil {
		return err
	}
	log, err := process.OpenLog(filepath.Join(c.dir.Path, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	c.child, err = c.dir.Start(&process.Command{
		Path: c.bin,
		Args: []string{"-config", config, "-strict", "-dnsserver", c.dns},
		Env: append(process.Environ("PEBBLE_"),
			"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=5", "PEBBLE_WFE_AUTHZREUSE=0"),
		Stdout: log.File(), Stderr: log.File(),
		DeathSignal: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	if err := c.child.WaitReady(ctx, func(ctx context.Context) bool { return c.readRoots(ctx) == nil && c.answers(ctx) }); err != nil {
		return errors.Join(fmt.Errorf("acmetest: %w\n%s", err, log.Tail()), c.child.Stop(context.WithoutCancel(ctx), syscall.SIGKILL))
	}
	return nil
}

// configure writes the program's settings, and the certificate of its servers.
func (c *CA) configure() (string, error) {
	cert, key, err := process.NewCertificate()
	if err != nil {
		return "", err
	}
	c.server = x509.NewCertPool()
	c.server.AppendCertsFromPEM(cert)
	certFile, err := c.dir.WriteFile("server.crt", string(cert))
	if err != nil {
		return "", err
	}
	keyFile, err := c.dir.WriteFile("server.key", string(key))
	if err != nil {
		return "", err
	}
	profile := func(life time.Duration) map[string]any {
		return map[string]any{"description": "for tests", "validityPeriod": int(life.Seconds())}
	}
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress":           local(c.port),
		"managementListenAddress": local(c.admin),
		"certificate":             certFile, "privateKey": keyFile,
		"httpPort": c.HTTPPort, "tlsPort": c.TLSPort,
		"keyAlgorithm": "ecdsa",
		"retryAfter":   map[string]int{"authz": 1, "order": 1},
		"profiles":     map[string]any{Classic: profile(90 * 24 * time.Hour), Brief: profile(2 * time.Minute)},
	}})
	if err != nil {
		return "", err
	}
	return c.dir.WriteFile("pebble.json", string(text))
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// client trusts the authority's own servers.
func (c *CA) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: c.server, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
}

// answers reports whether the directory is served.
func (c *CA) answers(ctx context.Context) bool {
	_, err := c.get(ctx, c.Directory())
	return err == nil
}

func (c *CA) get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.client().Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("acmetest: %s: %s", url, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 1<<20))
}

func (c *CA) readRoots(ctx context.Context) error {
	root, err := c.get(ctx, "https://"+local(c.admin)+"/roots/0")
	if err != nil {
		return err
	}
	c.roots, c.pem = x509.NewCertPool(), root
	if !c.roots.AppendCertsFromPEM(root) {
		return errors.New("acmetest: the root is no certificate")
	}
	return nil
}

// Directory is where ACME clients begin.
func (c *CA) Directory() string { return "https://" + local(c.port) + "/dir" }

// Server returns whom a client of the authority itself has to trust.
func (c *CA) Server() *x509.CertPool { return c.server }

// Roots returns who has signed what the authority has issued.
func (c *CA) Roots() *x509.CertPool { return c.roots }

// PEM returns those of Roots as a file for other programs, such as curl.
func (c *CA) PEM() []byte { return c.pem }

// Revoked reports what the authority says of a certificate.
func (c *CA) Revoked(ctx context.Context, cert *x509.Certificate) (bool, error) {
	text, err := c.get(ctx, "https://"+local(c.admin)+"/cert-status-by-serial/"+fmt.Sprintf("%x", cert.SerialNumber))
	if err != nil {
		return false, err
	}
	var status struct {
		Status string `json:"Status"`
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return false, err
	}
	return status.Status == "Revoked", nil
}

// SuggestWindow has the authority suggest when a certificate is to be renewed
// (RFC 9773).
func (c *CA) SuggestWindow(ctx context.Context, cert *x509.Certificate, start, end time.Time) error {
	info, err := json.Marshal(map[string]any{"suggestedWindow": map[string]time.Time{"start": start, "end": end}})
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{
		"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
		"ariResponse": string(info),
	})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+local(c.admin)+"/set-renewal-info/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := c.client().Do(r)
	if err != nil {
		return err
	}
	_ = answer.Body.Close() // its status is all it says
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("acmetest: suggesting a window: %s", answer.Status)
	}
	return nil
}

// Stop ends the authority, which forgets everything, and removes its folder.
func (c *CA) Stop(ctx context.Context) error {
	return errors.Join(c.child.Stop(ctx, syscall.SIGTERM), c.dir.Remove())
}
