package httptenant

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

const sourcePath = "path"

type pathPrefix struct {
	prefix string
	err    error
}

// PathPrefix names the tenant by the segment of the path that follows prefix:
// with the prefix "/t/", the path /t/acme/orders is the tenant with the slug
// "acme", and the handler sees /orders, as with [http.StripPrefix].
//
//	path                     meaning
//	/t/acme/orders           names acme, the handler sees /orders
//	/t/acme                  names acme, the handler sees /
//	/t, /t/, /other          says nothing
//	/t/acme%2Forders         refused with [ErrMalformed]: an encoded slash, or
//	/t/%61cme/               any encoding, where the tenant is named
//	/t/acme/../globex        refused: every proxy on the way may read it differently
//	//t/acme, /x/../t/acme   refused for the same reason
//
// What the handler, or its router, sends as Location gets the prefix back:
// "/orders/" goes out as "/t/acme/orders/". A whole URL, with scheme or host, is
// the way out of the tenant. Links in pages are the handler's own matter, and
// cookies too: under one host, browsers show those of one tenant to all others,
// so bind sessions to their tenant by [Claim].
func PathPrefix(prefix string) Resolver {
	p := &pathPrefix{prefix: prefix}
	plain := (&url.URL{Path: prefix}).EscapedPath() == prefix
	if !plain || !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/") || !cleanPath(prefix) {
		p.err = fmt.Errorf("path prefix: %q is not a clean path with a slash at both ends", prefix)
	}
	return p
}

// Resolve implements [Resolver].
func (p *pathPrefix) Resolve(r *http.Request) (Mention, error) {
	if p.err != nil {
		return Mention{}, ErrConfig
	}
	full := r.URL.Path
	rest, ok := strings.CutPrefix(full, p.prefix)
	if !cleanPath(full) {
		if !ok && !strings.HasPrefix(path.Clean("/"+full)+"/", p.prefix) {
			return Mention{}, nil // nothing that anyone could read as ours
		}
		return Mention{}, malformed(sourcePath, "has empty or dot segments")
	}
	slug, _, _ := strings.Cut(rest, "/")
	if !ok || slug == "" {
		return Mention{}, nil
	}
	key, err := slugKey(slug)
	if err != nil {
		return Mention{}, err
	}
	named := full[:len(p.prefix)+len(slug)]
	// As it was sent: EscapedPath writes anew what is not escaped by the rules.
	if raw := r.URL.RawPath; raw != "" && !boundary(raw, named) {
		return Mention{}, malformed(sourcePath, "names the tenant in encoded characters")
	}
	return Mention{Source: sourcePath, Key: key, Prefix: named}, nil
}

// Check returns the mistake in the argument of [PathPrefix].
func (p *pathPrefix) Check() error { return p.err }

// boundary reports whether raw is prefix, or starts with it and a slash. A
// path that is so after decoding only has hidden something.
func boundary(raw, prefix string) bool {
	rest, ok := strings.CutPrefix(raw, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// strip takes prefix off the path of u, as the handler is to see it, and
// reports whether it was there.
func strip(u *url.URL, prefix string) (*url.URL, bool) {
	if !boundary(u.Path, prefix) || u.RawPath != "" && !boundary(u.RawPath, prefix) {
		return u, false
	}
	v := *u
	v.Path = u.Path[len(prefix):]
	if v.Path == "" {
		v.Path = "/" // ServeMux would redirect an empty path to another tenant's root
	}
	if u.RawPath != "" {
		v.RawPath = u.RawPath[len(prefix):]
	}
	return &v, true
}

// cleanPath reports whether p has no empty, "." or ".." segment, so that all
// readers agree on what it names.
func cleanPath(p string) bool {
	if p == "" || p[0] != '/' {
		return p == "" || p == "*" // CONNECT and OPTIONS *
	}
	for rest := p[1:]; rest != ""; {
		segment, after, more := strings.Cut(rest, "/")
		if segment == "." || segment == ".." || segment == "" {
			return false
		}
		if !more {
			return true
		}
		rest = after
	}
	return true
}

// canonical reports whether a decision by the path of u is sound: it is clean,
// and it is spelled without needless encoding. A router that works on the
// escaped path sees /pay%2Fx as one segment where u.Path shows two.
func canonical(u *url.URL) bool { return u.RawPath == "" && cleanPath(u.Path) }
