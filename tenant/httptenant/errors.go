package httptenant

import (
	"errors"
	"fmt"

	"github.com/partywall/partywall/tenant"
)

// The reasons of this package to refuse a request. Errors of resolvers match
// one of them, or one of package tenant; [StatusOf] has the table.
var (
	// ErrMalformed is returned for a host, path, header or name that breaks
	// its grammar, or that is there twice.
	ErrMalformed = errors.New("httptenant: malformed request")
	// ErrMismatch is returned when two sources name different tenants; see
	// [MismatchError].
	ErrMismatch = errors.New("httptenant: sources name different tenants")
	// ErrForged is returned for a signed header that nobody with our key has
	// signed, or that has expired.
	ErrForged = errors.New("httptenant: forged or expired signature")
	// ErrUntrusted is returned for a tenant header from a peer that may not
	// send one.
	ErrUntrusted = errors.New("httptenant: header from an untrusted peer")
	// ErrUnauthenticated is returned for a token or an API key that its
	// verifier does not accept.
	ErrUnauthenticated = errors.New("httptenant: credentials not accepted")
	// ErrConfig is returned by a resolver that was made with mistakes; [New]
	// says which.
	ErrConfig = errors.New("httptenant: not configured correctly")
)

// MismatchError says which two sources of a request name different tenants. It
// matches [ErrMismatch]. Its text is for the host's own eyes: answers to
// clients never hold it.
type MismatchError struct {
	// Source and Says are the source that was asked first, such as "host", and
	// what it says.
	Source string
	Says   tenant.Key
	// Other and OtherSays are the source that disagrees. OtherSays is the zero
	// Key when it says nothing although [AllAgree] wants it to.
	Other     string
	OtherSays tenant.Key
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("httptenant: %s says %s, %s says %s: refused", e.Source, e.Says, e.Other, e.OtherSays)
}

// Is reports whether target is [ErrMismatch].
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }

// malformed returns an error of [ErrMalformed]. The rule never quotes the
// input, so that the error may be logged.
func malformed(source, rule string) error {
	return fmt.Errorf("%w: %s %s", ErrMalformed, source, rule)
}
