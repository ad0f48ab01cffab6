// Package hostname holds what the packages of this module know of host names:
// their one spelling, how to show them to people, which of them one registrant
// controls, and which stand below which.
//
// All but [Normalize] take names in their one spelling. Everything here is safe
// for concurrent use, and asks no network: the public suffix list is the one
// that golang.org/x/net was built with.
package hostname

import (
	"errors"
	"strings"

	"golang.org/x/net/publicsuffix"
)

var (
	// ErrMalformed is returned for what is not the name of a host.
	ErrMalformed = errors.New("malformed host name")
	// ErrAddress is returned for IP addresses, which are hosts without a name.
	// It matches [ErrMalformed].
	ErrAddress error = malformed("is an IP address")
	// ErrPublicSuffix is returned for a name below which the public may register
	// names, such as co.uk or github.io: nobody may have it as a whole.
	ErrPublicSuffix = errors.New("host name is a public suffix")
)

// Registrable returns the part of a host's name that one registrant controls:
// the public suffix and one label more. It reads both parts of the list
// (https://publicsuffix.org), so below blogspot.com or github.io each name is a
// registrant's own.
//
// It fails with [ErrPublicSuffix] for a public suffix itself. A top-level domain
// that the list does not know is taken for one, as the list says.
func Registrable(host string) (string, error) {
	host, err := Normalize(host)
	if err != nil {
		return "", err
	}
	suffix, _ := publicsuffix.PublicSuffix(host)
	if suffix == host {
		return "", ErrPublicSuffix
	}
	rest, ok := strings.CutSuffix(host, "."+suffix)
	if !ok { // cannot be: a suffix ends the name that it is of
		return "", malformed("has no public suffix")
	}
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix, nil
}

// Under reports whether host is zone or stands below it. It compares labels:
// notexample.com is not below example.com. Nothing stands below "".
func Under(host, zone string) bool {
	if zone == "" || !strings.HasSuffix(host, zone) {
		return false
	}
	return len(host) == len(zone) || host[len(host)-len(zone)-1] == '.'
}
