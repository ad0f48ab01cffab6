package redirect

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/partywall/partywall/internal/hostname"
)

// maxHops is how many redirects in a row are followed to look for a loop.
// Browsers give up at about twenty.
const maxHops = 10

// Options change what [New] makes. The zero value changes nothing.
type Options struct {
	// TrustForwardedProto are the addresses of proxies whose X-Forwarded-Proto is
	// believed. Behind a proxy that ends TLS this has to be set: else each request
	// looks plain, and HTTPS leads in circles. A proxy has to overwrite the header.
	TrustForwardedProto []netip.Prefix
	// HTTPSPort is the port that plain HTTP is led to; 0 is 443.
	HTTPSPort int
}

type handler struct {
	sites Sites
	next  http.Handler
	trust []netip.Prefix
	port  string
}

// Handler is [New] without options.
func Handler(sites Sites, next http.Handler) http.Handler { return &handler{sites: sites, next: next} }

// New returns a handler that redirects what the sites say, and leaves the rest to
// next: hosts that are nobody's too. It stands in front of the handler that
// resolves tenants. Answers may be kept for an hour, so that a rule that was a
// mistake is not with browsers forever.
//
// The handler is safe for concurrent use. It never redirects
// /.well-known/acme-challenge/ and the challenges of package domain.
func New(sites Sites, next http.Handler, opts *Options) (http.Handler, error) {
	var all []error
	if sites == nil || next == nil {
		all = append(all, errors.New("redirect: sites and next handler are needed"))
	}
	h := &handler{sites: sites, next: next}
	if opts != nil {
		h.trust = append(h.trust, opts.TrustForwardedProto...)
		for _, p := range h.trust {
			if !p.IsValid() {
				all = append(all, errors.New("redirect: TrustForwardedProto has an invalid prefix"))
			}
		}
		if opts.HTTPSPort < 0 || opts.HTTPSPort > 65535 {
			all = append(all, fmt.Errorf("redirect: HTTPSPort %d is no port", opts.HTTPSPort))
		}
		if opts.HTTPSPort != 0 && opts.HTTPSPort != 443 {
			h.port = ":" + strconv.Itoa(opts.HTTPSPort)
		}
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	location, status, ok := h.redirect(r)
	if !ok {
		h.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Location", location)
	w.Header().Set("Cache-Control", "max-age=3600")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

func (h *handler) redirect(r *http.Request) (location string, status int, ok bool) {
	host, err := hostname.Normalize(r.Host)
	if err != nil || len(r.Header["Host"]) > 0 { // HTTP/2 with a second host; who resolves tenants refuses both
		return "", 0, false
	}
	site, ok := h.sites.Site(host)
	if !ok || site.Host != host {
		return "", 0, false
	}
	secure := h.secure(r)
	location, status, ok = site.target(r, secure, h.port)
	if !ok || !h.loops(site, place{secure: secure, host: host, path: r.URL.Path}) {
		return location, status, ok
	}
	// These were not saved through Check, or a host has gone since. Whatever else
	// they say, plain HTTP must not be served where HTTPS is demanded.
	site.Rules = Rules{HTTPS: site.Rules.HTTPS}
	return site.target(r, secure, h.port)
}

// loops follows the redirects in memory, as a browser would.
func (h *handler) loops(site Site, at place) bool {
	seen := make([]place, 0, maxHops)
	for range maxHops {
		to, _ := site.move(at, "")
		if to == at {
			return false
		}
		at = to
		if slices.Contains(seen, at) {
			return true
		}
		seen = append(seen, at)
		next, ok := h.sites.Site(at.host)
		if !ok {
			return false
		}
		site = next
	}
	return false
}

// secure reports whether the client's own connection is encrypted.
func (h *handler) secure(r *http.Request) bool {
	values := r.Header["X-Forwarded-Proto"]
	if len(h.trust) == 0 || len(values) != 1 {
		return r.TLS != nil
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.TLS != nil
	}
	for _, p := range h.trust {
		if p.Contains(peer.Addr().Unmap()) {
			return values[0] == "https"
		}
	}
	return r.TLS != nil
}
