package httptenant

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/partywall/partywall/internal/hostname"
)

// NormalizeHost returns the one spelling of a host name: lower case, without
// port, without the dot of the root, international names as A-labels (IDNA
// 2008 in the Lookup profile of UTS 46). The result holds nothing but
// [a-z0-9.-], and normalizing it again changes nothing.
//
// It fails with [ErrMalformed] for what is not the name of a host: empty
// labels, user info, percent signs, control characters, IP addresses, names of
// more than 253 bytes. A name that is in its one spelling already, with or
// without a port, costs no allocation.
func NormalizeHost(host string) (string, error) {
	name, err := hostname.Normalize(host)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return name, nil
}

// hostOf returns the host that r was sent to, in its one spelling, or "" when
// that is an IP address: it names nobody, as any other host that is not ours.
//
// net/http has decided by now between the two places where HTTP/1 can carry
// it: the host of an absolute request target goes before the Host header, as
// RFC 9112, section 3.2.2 demands, and a second Host header is refused. HTTP/2
// and 3 have two places as well, :authority and a Host field; there net/http
// takes the former and leaves the latter standing, so it is compared here.
func hostOf(r *http.Request) (string, error) {
	host, err := NormalizeHost(r.Host)
	if err != nil && !errors.Is(err, hostname.ErrAddress) {
		return "", err
	}
	for _, other := range r.Header["Host"] {
		if other, err := NormalizeHost(other); err != nil || other != host || host == "" {
			return "", malformed("host", "is given twice")
		}
	}
	return host, nil
}
