package provisioning

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/partywall/partywall/tenant"
)

// The conditions worth branching on.
var (
	// ErrInvalid is returned for input that makes no sense; the error says what
	// is wrong with it, all at once.
	ErrInvalid = errors.New("provisioning: invalid")
	// ErrNotFound is returned for an operation that there is not.
	ErrNotFound = errors.New("provisioning: no such operation")
	// ErrBusy is returned when the tenant has another operation under way; see
	// [BusyError].
	ErrBusy = errors.New("provisioning: tenant has another operation under way")
	// ErrKeyUsed is returned for an idempotency key that an earlier request
	// had, with another input or of another tenant.
	ErrKeyUsed = errors.New("provisioning: idempotency key was used for another request")
	// ErrCommitted is returned when it is too late to pause or cancel.
	ErrCommitted = errors.New("provisioning: past the point of no return")
	// ErrEnded is returned when the operation has ended already.
	ErrEnded = errors.New("provisioning: operation has ended")
	// ErrLost is what a step's work gets when another worker has taken the
	// operation over: nothing of it counts any more. It is the cause of the
	// step's context then.
	ErrLost = errors.New("provisioning: operation was taken over")
	// ErrCanceled is the cause of a step's context when its operation is
	// cancelled, and why such an operation is undone.
	ErrCanceled = errors.New("provisioning: cancelled")
	// ErrStopping is the cause of a step's context when its worker stops.
	ErrStopping = errors.New("provisioning: worker is stopping")
	// ErrDeadline is why an operation is undone that took too long.
	ErrDeadline = errors.New("provisioning: deadline exceeded")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// BusyError says which operation a tenant is busy with. It matches [ErrBusy].
type BusyError struct {
	Tenant    tenant.ID
	Operation ID
	Kind      string
}

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%v: tenant %s: %s %s", ErrBusy, e.Tenant, e.Kind, e.Operation)
}

// Is reports whether target is [ErrBusy].
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// UndoneError is what an operation ended with that did not succeed: everything
// that it had done was taken back.
type UndoneError struct {
	Operation ID
	Kind      string
	// Reason is what made it fail, in the words of the error that did.
	Reason string
}

// Error implements error.
func (e *UndoneError) Error() string {
	return fmt.Sprintf("provisioning: %s %s was undone: %s", e.Kind, e.Operation, e.Reason)
}

// Class says what an error means for the step that failed with it.
type Class int

// The classes of errors.
const (
	// Transient errors are tried again.
	Transient Class = iota
	// Permanent errors are not: the operation is undone.
	Permanent
)

// permanentError is an error that trying again does not help against.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Fail marks err as permanent: the operation that gets it from a step is undone
// at once. It returns nil for nil.
func Fail(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// laterError is an error that goes away by itself, after a time that is known.
type laterError struct {
	error

	after time.Duration
}

func (e laterError) Unwrap() error { return e.error }

// Later marks err as one to try again after the time given, and not before. It
// does not count as an attempt, so that a step can wait for as long as its
// operation's deadline allows: for a record in DNS, for another party. It
// returns nil for nil.
func Later(after time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return laterError{err, after}
}

// classify is what [Options.Classify] leaves open.
func classify(err error) Class {
	var known permanentError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &known):
		return Permanent
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Transient
	case errors.Is(err, tenant.ErrInvalid), errors.Is(err, tenant.ErrNotFound), errors.Is(err, tenant.ErrTransition),
		errors.Is(err, tenant.ErrSlugTaken), errors.Is(err, tenant.ErrDeleted), errors.Is(err, ErrInvalid):
		return Permanent
	case errors.As(err, &pg):
		return classifySQL(pg.Code)
	}
	return Transient
}

// classifySQL tells by PostgreSQL's appendix A which errors lie in the
// statement, and which in the state of things.
func classifySQL(code string) Class {
	switch code[:min(2, len(code))] {
	case "0A", "21", "22", "23", "2B", "2D", "2F", "34", "39", "3D", "3F", "42", "44", "P0":
		return Permanent
	}
	return Transient
}
