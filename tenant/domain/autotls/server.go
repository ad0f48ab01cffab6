package autotls

import (
	"bytes"
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
)

// TLSConfig returns the settings of a TLS server that serves all hosts that
// have or may have a certificate, over TLS 1.2 and 1.3, for HTTP/1.1 and 2. The
// caller may change it, but for GetCertificate, and for "acme-tls/1" in
// NextProtos while tls-alpn-01 is on.
//
// A session is resumed for the host that it was begun for, as long as that may
// be served, and for no other.
func (m *Manager) TLSConfig() *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: m.certificateFor,
	}
	if !m.opts.NoTLSALPN01 {
		c.NextProtos = append(c.NextProtos, acmez.ACMETLS1Protocol)
	}
	tickets := &tls.Config{MinVersion: tls.VersionTLS12} // holds the keys that tickets are sealed with
	c.WrapSession = func(at tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		session.Extra = append(session.Extra, append([]byte(sessionMark), at.ServerName...))
		return tickets.EncryptTicket(at, session)
	}
	c.UnwrapSession = func(ticket []byte, at tls.ConnectionState) (*tls.SessionState, error) {
		session, err := tickets.DecryptTicket(ticket, at)
		if err != nil || session == nil || !m.resumes(session, at.ServerName) {
			return nil, err // without a session there is a whole handshake
		}
		return session, nil
	}
	return c
}

// sessionMark tells what we have added to a session.
const sessionMark = "partywall host "

func (m *Manager) resumes(session *tls.SessionState, name string) bool {
	host, err := normalize(name)
	if name == "" {
		host, err = m.opts.DefaultHost, nil
	}
	return err == nil && m.hosts.MayServe(host) && slices.ContainsFunc(session.Extra, func(extra []byte) bool {
		return bytes.Equal(extra, append([]byte(sessionMark), name...))
	})
}

// Server returns a server for handler on Options.HTTPSPort, with timeouts
// against clients that are slow on purpose; those for whole requests are the
// host's to set. It serves by ListenAndServeTLS("", ""), and misdirected
// requests do not come to handler.
func (m *Manager) Server(handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              ":" + strconv.Itoa(m.opts.HTTPSPort),
		Handler:           Misdirected(handler),
		TLSConfig:         m.TLSConfig(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(lines{m.opts.Logger}, "", 0),
	}
}

// lines logs what net/http has to say, which is mostly of clients that went.
type lines struct{ logger *slog.Logger }

// Write implements io.Writer.
func (l lines) Write(text []byte) (int, error) {
	l.logger.DebugContext(context.Background(), "autotls: "+strings.TrimSpace(string(text)))
	return len(text), nil
}

// Misdirected answers 421 Misdirected Request (RFC 9110, section 15.5.20) when
// a request over TLS is for another host than the connection was made for:
// walls that look at the certificate and walls that look at the host would not
// agree whose it is. Browsers make a new connection then, also where they have
// shared one because a wildcard's certificate covers both hosts.
func Misdirected(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && r.TLS.ServerName != "" {
			host, err := normalize(r.Host)
			name, err2 := normalize(r.TLS.ServerName)
			if err != nil || err2 != nil || host != name {
				http.Error(w, http.StatusText(http.StatusMisdirectedRequest), http.StatusMisdirectedRequest)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// acmePath is where http-01 is answered (RFC 8555, section 8.3).
const acmePath = "/.well-known/acme-challenge/"

// HTTPHandler is for port 80: it answers http-01, and gives all else to next.
// A nil next sends those to https who ask for a host that may be served, and
// is 404 for others.
func (m *Manager) HTTPHandler(next http.Handler) http.Handler {
	if next == nil {
		next = http.HandlerFunc(m.toHTTPS)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, acmePath) && !m.opts.NoHTTP01 && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			m.challenges.answerHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (m *Manager) toHTTPS(w http.ResponseWriter, r *http.Request) {
	host, err := normalize(r.Host)
	if err != nil || !m.hosts.MayServe(host) || !strings.HasPrefix(r.URL.Path, "/") {
		http.NotFound(w, r)
		return
	}
	if m.opts.HTTPSPort != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(m.opts.HTTPSPort))
	}
	w.Header().Set("Connection", "close")
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect) //nolint:gosec // G710: to the host that was asked for, which is ours
}
