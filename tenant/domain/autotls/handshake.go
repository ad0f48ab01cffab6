package autotls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/mholt/acmez/v3"
)

// certificateFor implements tls.Config.GetCertificate. Without a certificate and
// an error crypto/tls answers "unrecognized name" (RFC 6066, section 3), which
// is what a host gets that may not be served, whether we know it or not.
func (m *Manager) certificateFor(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Equal(hello.SupportedProtos, []string{acmez.ACMETLS1Protocol}) {
		return m.challengeFor(hello)
	}
	if hello.ServerName == "" {
		return m.show(hello.Context(), m.opts.DefaultHost)
	}
	host, err := normalize(hello.ServerName)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // see above
	}
	return m.show(hello.Context(), host)
}

// challengeFor answers tls-alpn-01. No CA asks for a host that nobody ordered
// for.
func (m *Manager) challengeFor(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host, err := normalize(hello.ServerName)
	if err != nil || m.opts.NoTLSALPN01 {
		return nil, nil //nolint:nilnil,nilerr // unrecognized name
	}
	answer, err := m.challenges.answerTLS(hello.Context(), host)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // unrecognized name
	}
	return answer, err
}

// show returns the certificate of a host: from memory, else from storage, else
// by an order.
func (m *Manager) show(ctx context.Context, host string) (*tls.Certificate, error) {
	if host == "" || !m.hosts.MayServe(host) {
		return nil, nil //nolint:nilnil // unrecognized name
	}
	name := m.nameOf(host)
	if c := m.shelf.get(name); m.good(c) {
		return c.tls, nil
	}
	if err := m.rests.get(name, m.opts.Clock()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.opts.HandshakeWait, ErrPending)
	defer cancel()
	if err := m.bring(ctx, name); err != nil {
		if _, known := errors.AsType[*IssueError](err); !known && !errors.Is(err, ErrPending) {
			// The database is away, or there is nothing to be had: handshakes in the
			// next moments need not ask again.
			m.rests.put(name, m.opts.Clock().Add(time.Second), err)
		}
		m.opts.Logger.DebugContext(ctx, "autotls: handshake without a certificate", "host", host, "error", err)
		return nil, err
	}
	if c := m.shelf.get(name); m.good(c) {
		return c.tls, nil
	}
	return nil, fmt.Errorf("autotls: certificate of %s: %w", host, fs.ErrNotExist)
}

// bring puts a certificate on the shelf.
func (m *Manager) bring(ctx context.Context, name string) error {
	if m.opts.NoOnDemand {
		_, _, _, err := m.load(ctx, name)
		return err
	}
	return m.ensure(ctx, name)
}
