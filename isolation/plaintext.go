package isolation

import (
	"context"
	"net/netip"
	"path/filepath"

	"github.com/jackc/pgx/v5"
)

// warnOfPlaintext logs which of the server's URLs may send over a network in the
// clear what lets tenants in: the gate's secrets, or the keys that sign them.
func (s *server) warnOfPlaintext(ctx context.Context) {
	for _, one := range []struct{ field, url string }{{"App", s.config.App}, {"Migrator", s.config.Migrator}, {"System", s.config.System}} {
		if config, err := parseURL(one.url); err == nil && plaintext(config) {
			s.opts.Logger.WarnContext(ctx, "isolation: the server may be reached without TLS: who reads the network reads rows, and can come in; use sslmode=verify-full",
				"server", s.name, "url", one.field)
		}
	}
}

// plaintext reports whether a connection may go over a network in the clear:
// from the start, or once the server, or somebody in between, says that it
// speaks no TLS.
func plaintext(config *pgx.ConnConfig) bool {
	if config.TLSConfig == nil && !local(config.Host) {
		return true
	}
	for _, f := range config.Fallbacks {
		if f.TLSConfig == nil && !local(f.Host) {
			return true
		}
	}
	return false
}

// local reports whether a host is this machine: a Unix socket, or loopback.
func local(host string) bool {
	if filepath.IsAbs(host) || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
