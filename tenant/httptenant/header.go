package httptenant

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/partywall/partywall/internal/sourcetoken"
)

// Trust decides whether a header that names a tenant is believed. A header
// that anyone can send proves nothing; so [Header] does not go without.
// [TrustedProxies] and [Signed] are the two that this package has; a host may
// have its own, by client certificate for example.
//
// Verify returns the slug or the ID that value stands for. It must fail when
// in doubt; an error that is not in the table of [StatusOf] counts as
// [ErrUntrusted]. It is called by many goroutines at once. A Trust may also
// have Check() error, as a [Resolver] may.
type Trust interface {
	Verify(r *http.Request, value string) (slugOrID string, err error)
}

type header struct {
	name  string
	trust Trust
}

// Header names the tenant by the request header called name, which holds a
// slug or an ID in the form that trust wants. The header has one value, and is
// there once.
//
//	header          trust      meaning
//	absent, empty   not asked  says nothing
//	one value       believes   names the tenant
//	one value       does not   refused; with [ErrUntrusted], unless trust says why
//	two values      not asked  refused with [ErrMalformed]
//
// A header that is not believed is refused and not overlooked: who sends one
// expects to be served as that tenant, and would be served as another one, by
// a source that comes later in [FirstOf]. An empty one names nobody, and is
// what proxies send that set the header always.
func Header(name string, trust Trust) Resolver {
	return &header{name: http.CanonicalHeaderKey(name), trust: trust}
}

// Resolve implements [Resolver].
func (h *header) Resolve(r *http.Request) (Mention, error) {
	if h.trust == nil {
		return Mention{}, ErrConfig
	}
	values := r.Header[h.name]
	if len(values) > 1 {
		return Mention{}, malformed("tenant header", "is there more than once")
	}
	if len(values) == 0 || values[0] == "" {
		return Mention{}, nil
	}
	name, err := h.trust.Verify(r, values[0])
	if err != nil {
		if !known(err) {
			err = fmt.Errorf("%w: %w", ErrUntrusted, err)
		}
		return Mention{}, err
	}
	key, err := ParseName(name)
	if err != nil {
		return Mention{}, err
	}
	return Mention{Source: "header " + h.name, Key: key}, nil
}

// Check returns the mistakes in the arguments of [Header].
func (h *header) Check() error {
	var mistakes []error
	switch h.name {
	case "":
		mistakes = append(mistakes, errors.New("header: the name is missing"))
	case "Host", "Forwarded", "X-Forwarded-Host", "X-Forwarded-For", "Authorization", "Cookie":
		mistakes = append(mistakes, fmt.Errorf("header: %s has a meaning of its own", h.name))
	}
	if strings.Trim(h.name, tokenChars) != "" {
		mistakes = append(mistakes, fmt.Errorf("header: %q is not the name of a header", h.name))
	}
	if h.trust == nil {
		mistakes = append(mistakes, errors.New("header: trust is missing; anyone can send a header"))
	}
	if c, ok := h.trust.(interface{ Check() error }); ok {
		mistakes = append(mistakes, c.Check())
	}
	return errors.Join(mistakes...)
}

// Vary returns the name of the header.
func (h *header) Vary() []string { return []string{h.name} }

// tokenChars is what header names are made of that anyone uses; RFC 9110 has
// some more, and the underscore is left out on purpose: proxies that map it
// would have X_Tenant pass for X-Tenant.
const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"

type trustedProxies struct {
	peers sourcetoken.Peers
	err   error
}

// TrustedProxies believes a header that holds the bare slug or ID, when the
// peer of the TCP connection lies in one of prefixes. X-Forwarded-For is never
// looked at: anyone can write it.
//
// The proxies must remove the header from what clients send them, or set it
// always. A peer whose address is not known, as on a Unix socket, is not
// believed. Networks that hold every address are refused by [New].
func TrustedProxies(prefixes ...netip.Prefix) Trust {
	peers, err := sourcetoken.NewPeers(prefixes...)
	return &trustedProxies{peers, err}
}

// Verify implements [Trust].
func (p *trustedProxies) Verify(r *http.Request, value string) (string, error) {
	if p.err != nil {
		return "", ErrConfig
	}
	if !p.peers.Contain(r.RemoteAddr) {
		return "", ErrUntrusted
	}
	return value, nil
}

// Check returns the mistakes in the arguments of [TrustedProxies].
func (p *trustedProxies) Check() error { return p.err }

type signed struct {
	keys [][]byte
}

// Signed believes a header that holds what [Sign] returned for one of keys,
// until it expires. To change the key, give the new one beside the old one
// until the last token of the old one has expired.
//
// Such a token is a bearer token: who reads it can send it until it expires. A
// minute is enough for a gateway that signs each request.
func Signed(keys ...[]byte) Trust {
	s := &signed{}
	for _, key := range keys {
		s.keys = append(s.keys, slices.Clone(key)) // callers may wipe theirs
	}
	return s
}

// Verify implements [Trust].
func (s *signed) Verify(_ *http.Request, value string) (string, error) {
	name, err := sourcetoken.Verify(s.keys, value, time.Now())
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrForged, err)
	}
	return name, nil
}

// Check returns the mistakes in the arguments of [Signed].
func (s *signed) Check() error {
	var mistakes []error
	if len(s.keys) == 0 {
		mistakes = append(mistakes, errors.New("signed header: no key is given"))
	}
	for _, key := range s.keys {
		if len(key) < sourcetoken.MinKey {
			mistakes = append(mistakes, fmt.Errorf("signed header: key has %d bytes, want at least %d", len(key), sourcetoken.MinKey))
		}
	}
	return errors.Join(mistakes...)
}

// Sign returns the value of a header that [Signed] believes: it names the
// tenant slugOrID until expires, and is signed with HMAC-SHA256. It fails with
// [ErrMalformed] for what is no slug or ID, and with [ErrConfig] for a key of
// less than 32 bytes.
func Sign(key []byte, slugOrID string, expires time.Time) (string, error) {
	if _, err := ParseName(slugOrID); err != nil {
		return "", err
	}
	token, err := sourcetoken.Sign(key, slugOrID, expires)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return token, nil
}
