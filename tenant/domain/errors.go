package domain

import (
	"errors"
	"fmt"
)

// The conditions worth branching on.
var (
	// ErrInvalid is returned for input that breaks a rule; see [HostError].
	ErrInvalid = errors.New("domain: invalid")
	// ErrNotFound is returned for a host that the tenant has not claimed.
	ErrNotFound = errors.New("domain: not found")
	// ErrExists is returned for a host that the tenant has claimed already.
	ErrExists = errors.New("domain: claimed already")
	// ErrQuarantined is returned for a claim by HTTP of a host that was another
	// claim's: what answers there may be what that one has left behind. A TXT
	// record proves it.
	ErrQuarantined = errors.New("domain: host was in use before; it needs a TXT record")
	// ErrLimit is returned when a tenant, or a host, has as many claims as it may.
	ErrLimit = errors.New("domain: too many claims")
	// ErrState is returned for what cannot be done to a domain in its state.
	ErrState = errors.New("domain: not in this state")
	// ErrConflict is returned when somebody else changes the domain at the same
	// time.
	ErrConflict = errors.New("domain: changed by somebody else")
	// ErrClosed is returned after [Catalog.Close].
	ErrClosed = errors.New("domain: catalog is closed")
)

// HostError says why a name cannot be a tenant's domain. It matches
// [ErrInvalid].
type HostError struct {
	// Host is what was given, cut to 253 bytes.
	Host string
	// Rule says what is wrong with it.
	Rule string
	// Err is the cause, or nil.
	Err error
}

// Error implements error.
func (e *HostError) Error() string { return fmt.Sprintf("domain: host %q %s", e.Host, e.Rule) }

// Is reports whether target is [ErrInvalid].
func (e *HostError) Is(target error) bool { return target == ErrInvalid }

// Unwrap returns the cause.
func (e *HostError) Unwrap() error { return e.Err }

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
