package domain

import (
	"strings"

	"github.com/partywall/partywall/internal/hostname"
)

const (
	maxHost = 253 // RFC 1035, section 2.3.4
	// maxChallenge is what is left of it for a host below the challenge's label.
	maxChallenge = maxHost - len("_partywall-challenge.")
)

// ParseHost returns the one spelling of a name that may be a tenant's domain. It
// fails with a [HostError] for what is no host name, for IP addresses, for public
// suffixes such as co.uk or github.io, under which others have theirs, and for
// what is in one of the zones: the platform's own.
func ParseHost(name string, zones ...string) (string, error) {
	refuse := func(rule string, err error) (string, error) {
		return "", &HostError{Host: name[:min(len(name), maxHost)], Rule: rule, Err: err}
	}
	if strings.Contains(name, ":") && !strings.HasPrefix(name, "[") {
		return refuse("has a port", nil)
	}
	host, err := hostname.Normalize(name)
	switch {
	case err != nil:
		return refuse("is no host name", err)
	case !strings.Contains(host, "."):
		return refuse("has one label only", nil)
	case special(host):
		return refuse("is in a zone that the public DNS does not have", nil)
	case len(host) > maxChallenge:
		return refuse("is too long", nil)
	}
	if _, err := hostname.Registrable(host); err != nil {
		return refuse("is a public suffix", err)
	}
	for _, zone := range zones {
		switch {
		case hostname.Under(host, zone):
			return refuse("is the platform's own", nil)
		case hostname.Under(zone, host):
			return refuse("is what the platform's own names stand below", nil)
		}
	}
	return host, nil
}

// special are the names of RFC 2606 and RFC 6761 and others that no public DNS
// answers for.
func special(host string) bool {
	for _, zone := range []string{"localhost", "local", "internal", "invalid", "onion", "arpa"} {
		if hostname.Under(host, zone) {
			return true
		}
	}
	return false
}
