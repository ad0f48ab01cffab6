package redirect

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// place is where a request goes: the part of a URL that redirects change.
type place struct {
	secure bool
	host   string // in its one spelling
	port   string // ":8080", or "" for the scheme's own
	path   string // decoded
}

// Target returns where a request to this host is to go instead, and by which
// status. It reports false if it is to be served. The URL is absolute: its host
// is one of s.Hosts, and the query is the request's. Whether the request is
// secure is told by its TLS state; see [Options] for proxies.
func (s Site) Target(r *http.Request) (location string, status int, ok bool) {
	return s.target(r, r.TLS != nil, "")
}

// target is Target for a request of which it is known whether it is secure. The
// port goes into URLs that turn secure.
func (s Site) target(r *http.Request, secure bool, port string) (location string, status int, ok bool) {
	if !strings.HasPrefix(r.URL.Path, "/") { // OPTIONS *, CONNECT
		return "", 0, false
	}
	from := place{secure: secure, host: s.Host, port: portOf(r.Host), path: r.URL.Path}
	to, status := s.move(from, port)
	if to == from {
		return "", 0, false
	}
	return to.url(r.URL), status, true
}

// move returns where a place leads by the rules of its host; itself, if nowhere.
func (s Site) move(at place, port string) (place, int) {
	to, status := at, http.StatusPermanentRedirect
	if exempt(at.path) {
		return at, 0
	}
	to.host = s.other()
	if i, path := s.match(at.path); i >= 0 {
		to.path, status = path, s.Rules.Paths[i].status()
		if host, _ := s.Rules.Paths[i].to(); host != "" {
			to.host = host
		}
	}
	if s.Rules.HTTPS && !at.secure {
		to.secure, to.port = true, port
	}
	return to, status
}

// match returns the first path rule for a path, and where it leads; -1 if there
// is none.
func (s Site) match(path string) (int, string) {
	if len(s.Rules.Paths) == 0 || !clean(path) {
		return -1, ""
	}
	for i, rule := range s.Rules.Paths {
		to, ok := rule.rewrite(path)
		if !ok {
			continue
		}
		if host, _ := rule.to(); host == "" || s.has(host) {
			return i, to
		}
	}
	return -1, ""
}

// other returns the host that the rules for hosts lead to; s.Host, if none does.
func (s Site) other() string {
	if s.Rules.ToPrimary && s.Primary != s.Host && s.has(s.Primary) {
		return s.Primary
	}
	bare, www := strings.CutPrefix(s.Host, "www.")
	switch {
	case s.Rules.WWW == WWWAdd && !www && s.has("www."+s.Host):
		return "www." + s.Host
	case s.Rules.WWW == WWWDrop && www && s.has(bare):
		return bare
	}
	return s.Host
}

// has reports whether a host is the tenant's. A host that it has lost since a
// rule was saved is not.
func (s Site) has(host string) bool { return host != "" && slices.Contains(s.Hosts, host) }

// url writes the place as an absolute URL, with what it keeps of the old one.
func (p place) url(old *url.URL) string {
	u := url.URL{Scheme: "http", Host: p.host + p.port, Path: p.path}
	if p.secure {
		u.Scheme = "https"
	}
	if p.path == old.Path {
		u.RawPath = old.RawPath // as the client has escaped it
	}
	text := u.Scheme + "://" + u.Host + u.EscapedPath()
	if old.RawQuery != "" || old.ForceQuery {
		text += "?" + visible(old.RawQuery)
	}
	return text
}

// visible escapes what a query should have come escaped: net/http lets bytes
// through that are no part of a URL, and that some clients read otherwise.
func visible(query string) string {
	odd := func(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte("#\\\"<>`", c) >= 0 }
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; odd(c) {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// portOf returns the port of a Host header with its colon, or "". It is one that
// net/http has let through, which is not to say that it is a number.
func portOf(host string) string {
	_, port, err := net.SplitHostPort(host)
	if err != nil || port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return ""
	}
	return ":" + port
}
