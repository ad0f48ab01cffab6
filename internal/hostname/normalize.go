package hostname

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxHost  = 253 // RFC 1035, section 2.3.4, less the length bytes
	maxLabel = 63
)

// Normalize returns the one spelling of a host name: lower case, without
// port, without the dot of the root, international names as A-labels (IDNA
// 2008 in the Lookup profile of UTS 46). The result holds nothing but
// [a-z0-9.-], and normalizing it again changes nothing.
//
// It fails with [ErrMalformed] for what is not the name of a host: empty
// labels, user info, percent signs, control characters, IP addresses, names of
// more than 253 bytes. A name that is in its one spelling already, with or
// without a port, costs no allocation.
func Normalize(host string) (string, error) {
	if strings.HasPrefix(host, "[") {
		return "", ErrAddress // or broken; either way it is no name
	}
	name, err := cutPort(host)
	if err != nil {
		return "", err
	}
	name = strings.TrimSuffix(name, ".") // one; a second one leaves an empty label
	lower, ascii := true, true
	for i := range len(name) {
		switch c := name[i]; {
		case hostByte(c):
		case 'A' <= c && c <= 'Z':
			lower = false
		case c >= utf8.RuneSelf:
			ascii = false
		default:
			return "", malformed("has a character that host names do not have")
		}
	}
	if !lower && ascii { // other names are folded by toASCII, and by one rule
		name = strings.ToLower(name)
	}
	if !ascii || strings.HasPrefix(name, "xn--") || strings.Contains(name, ".xn--") {
		if name, err = toASCII(name); err != nil {
			return "", err
		}
	}
	if err := checkLabels(name); err != nil {
		return "", err
	}
	return name, nil
}

// cutPort takes the port off. Its number does not matter to us, its grammar
// does: what follows the colon must not be a part of the name to anyone.
func cutPort(host string) (string, error) {
	name, port, ok := strings.Cut(host, ":")
	if !ok {
		return host, nil
	}
	if port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return "", malformed("has a port that is not a number")
	}
	return name, nil
}

// toASCII maps a name to A-labels, and checks the A-labels that it has: a
// label that decodes to what another label encodes to is not let through.
func toASCII(name string) (string, error) {
	if len(name) > 4*maxHost || !utf8.ValidString(name) {
		return "", malformed("is not a name in UTF-8 of bearable length")
	}
	mapped, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return "", malformed("is not a valid international name")
	}
	// Some mappings are not final: what they return maps to something else
	// again. Two spellings for one name is what this file is to prevent.
	if again, err := idna.Lookup.ToASCII(mapped); err != nil || again != mapped {
		return "", malformed("has no single spelling")
	}
	return mapped, nil
}

// checkLabels checks what remains, whichever way it came here.
func checkLabels(name string) error {
	if name == "" || len(name) > maxHost {
		return malformed("is empty or too long")
	}
	label := 0 // where the current label starts
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			if !hostByte(name[i]) {
				return malformed("has a character that host names do not have")
			}
			continue
		}
		switch {
		case i == label || i-label > maxLabel:
			return malformed("has a label that is empty or too long")
		case name[label] == '-' || name[i-1] == '-':
			return malformed("has a label that starts or ends with a hyphen")
		case i == len(name) && numeric(name[label:]):
			return ErrAddress
		}
		label = i + 1
	}
	return nil
}

// numeric reports whether a last label makes the host an IPv4 address to the
// browsers' parser (WHATWG URL, "ends in a number"), which reads 127.1 and
// 0x7f.0x1 as addresses too. No top-level domain is a number.
func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func hostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.'
}

// malformed is a rule that a name breaks. It never quotes the input, so that the
// error may be logged.
type malformed string

// Error implements error.
func (m malformed) Error() string { return "host " + string(m) }

// Is reports whether target is [ErrMalformed].
func (m malformed) Is(target error) bool { return target == ErrMalformed }
