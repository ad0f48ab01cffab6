package tenant

import (
	"errors"
	"fmt"
	"time"
)

// The conditions worth branching on. Errors of this package and of the
// packages built on it match them with [errors.Is].
var (
	// ErrNoTenant is what every call gets whose context belongs to no tenant.
	ErrNoTenant = errors.New("tenant: no tenant in the context")
	// ErrTwoTenants is what every call gets whose context was given two.
	ErrTwoTenants = errors.New("tenant: two tenants in one context")
	// ErrNotFound is returned for a tenant that the catalog does not have.
	ErrNotFound = errors.New("tenant: not found")
	// ErrInvalid is returned for input that breaks a rule; see [InvalidError].
	ErrInvalid = errors.New("tenant: invalid")
	// ErrSlugTaken is returned for a slug that another tenant has or had.
	ErrSlugTaken = errors.New("tenant: slug is taken")
	// ErrConflict is returned for an update of a version that is not the
	// newest.
	ErrConflict = errors.New("tenant: changed by somebody else")
	// ErrTransition is returned for a change of status that is not legal; see
	// [TransitionError].
	ErrTransition = errors.New("tenant: no such transition")
	// ErrUnavailable is returned when the catalog cannot be asked and what is
	// remembered of it is too old, or says nothing of the tenant.
	ErrUnavailable = errors.New("tenant: catalog is unavailable")
	// ErrRewound is what [Store.Changes] returns for a mark that is not of the
	// catalog's history: it was restored to an earlier state, or is another.
	// A [Registry] answers it by loading everything anew.
	ErrRewound = errors.New("tenant: catalog was rewound")

	// ErrForged is returned for an envelope that this installation did not
	// sign, or that is no envelope at all.
	ErrForged = errors.New("tenant: envelope is forged")
	// ErrForeign is returned for an envelope of another installation.
	ErrForeign = errors.New("tenant: envelope is of another installation")
	// ErrStale is returned for an envelope that is too old, or made in what is
	// the future here.
	ErrStale = errors.New("tenant: envelope is stale")

	// ErrPending, ErrSuspended, ErrMaintenance, ErrArchived and ErrDeleted are
	// what a tenant that is not active gets; see [StatusError].
	ErrPending     = errors.New("tenant: not yet active")
	ErrSuspended   = errors.New("tenant: suspended")
	ErrMaintenance = errors.New("tenant: under maintenance")
	ErrArchived    = errors.New("tenant: archived")
	ErrDeleted     = errors.New("tenant: deleted")
)

// InvalidError says which input broke which rule. It matches [ErrInvalid].
type InvalidError struct {
	// Field names the input, such as "slug".
	Field string
	// Value is the input, cut to 64 bytes.
	Value string
	// Rule says what is wrong with it.
	Rule string
}

// Error implements error.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("tenant: %s %q %s", e.Field, e.Value, e.Rule)
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

func invalid(field, value, rule string) error {
	if len(value) > 64 {
		value = value[:64]
	}
	return &InvalidError{Field: field, Value: value, Rule: rule}
}

// TransitionError says which change of status was refused. It matches
// [ErrTransition].
type TransitionError struct {
	ID       ID
	From, To Status
	// NotBefore is when the transition becomes legal, zero when it is not a
	// matter of time.
	NotBefore time.Time
}

// Error implements error.
func (e *TransitionError) Error() string {
	msg := fmt.Sprintf("tenant: %s cannot go from %s to %s", e.ID, e.From, e.To)
	if !e.NotBefore.IsZero() {
		msg += " before " + e.NotBefore.UTC().Format(time.RFC3339)
	}
	return msg
}

// Is reports whether target is [ErrTransition].
func (e *TransitionError) Is(target error) bool { return target == ErrTransition }

// StatusError is what a tenant that is not active gets. It matches the
// sentinel of its status, such as [ErrSuspended].
type StatusError struct {
	ID     ID
	Slug   string
	Status Status
	// Reason is the tenant's; see [ReasonPayment].
	Reason string
	// RetryAfter is how long to wait before trying again, zero when waiting
	// does not help.
	RetryAfter time.Duration
}

// maintenanceRetry is what a client of a tenant under maintenance is told to
// wait: a move takes far less, a restore is asked again.
const maintenanceRetry = 5 * time.Second

// NewStatusError returns the error that t's status asks for.
func NewStatusError(t Tenant) *StatusError {
	e := &StatusError{ID: t.ID, Slug: t.Slug, Status: t.Status, Reason: t.Reason}
	if t.Status == Maintenance {
		e.RetryAfter = maintenanceRetry
	}
	return e
}

// Error implements error.
func (e *StatusError) Error() string {
	msg := fmt.Sprintf("tenant: %s (%s) is %s", e.ID, e.Slug, e.Status)
	if e.Reason != "" {
		msg += ": " + e.Reason
	}
	return msg
}

// Is reports whether target is the sentinel of the status.
func (e *StatusError) Is(target error) bool { return target == e.sentinel() }

func (e *StatusError) sentinel() error {
	switch e.Status {
	case Suspended:
		return ErrSuspended
	case Maintenance:
		return ErrMaintenance
	case Archived:
		return ErrArchived
	case Deleting, Deleted:
		return ErrDeleted
	}
	return ErrPending
}
