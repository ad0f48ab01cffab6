package httptenant

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/partywall/partywall/tenant"
)

// StatusClientClosed is the status of a request whose client has gone away. No
// client ever sees it; logs and metrics do.
const StatusClientClosed = 499

// unavailableRetry is what clients are told to wait when the catalog cannot be
// asked: the time it takes a connection pool to find its feet.
const unavailableRetry = 5 * time.Second

// rule is one row of the table that maps errors to answers. What clients read
// is a fixed text, never the error's own.
type rule struct {
	err    error // nil for the suspension that paying ends
	status int
	detail string
}

// rules is the table, the first match counts. What refuses a request comes
// before what merely describes its tenant, so that a forged header learns
// nothing of the tenant it named.
//
// All errors for "there is nothing to see" read the same, byte for byte:
// unknown, not yet active, no tenant named.
func rules() []rule {
	const (
		nothing   = "There is nothing at this address."
		refused   = "This request was refused."
		malformed = "This request could not be understood."
		later     = "This service is busy. Try again in a moment."
		broken    = "Something went wrong on our side."
		changed   = "This conflicts with a change made before."
	)
	return []rule{
		{ErrConfig, http.StatusInternalServerError, broken}, // first: also the page of errors that are not here
		{ErrMismatch, http.StatusForbidden, refused},
		{ErrForged, http.StatusForbidden, refused},
		{ErrUntrusted, http.StatusForbidden, refused},
		{tenant.ErrForged, http.StatusForbidden, refused},
		{tenant.ErrForeign, http.StatusForbidden, refused},
		{tenant.ErrStale, http.StatusForbidden, refused},
		{ErrUnauthenticated, http.StatusUnauthorized, "These credentials were not accepted."},
		{ErrMalformed, http.StatusBadRequest, malformed},
		{tenant.ErrTwoTenants, http.StatusInternalServerError, broken},
		{tenant.ErrUnavailable, http.StatusServiceUnavailable, later},
		{tenant.ErrNoTenant, http.StatusNotFound, nothing},
		{tenant.ErrNotFound, http.StatusNotFound, nothing},
		{tenant.ErrPending, http.StatusNotFound, nothing}, // unroutable until active
		{nil, http.StatusPaymentRequired, "This account is paused until its bill is paid."},
		{tenant.ErrSuspended, http.StatusForbidden, "This account is suspended."},
		{tenant.ErrMaintenance, http.StatusServiceUnavailable, "This account is under maintenance. Try again in a moment."},
		// An archived tenant can come back, so it is not 410: clients and
		// search engines would forget it.
		{tenant.ErrArchived, http.StatusForbidden, "This account is closed."},
		{tenant.ErrDeleted, http.StatusGone, "This account no longer exists."},
		{tenant.ErrInvalid, http.StatusBadRequest, malformed},
		{tenant.ErrSlugTaken, http.StatusConflict, changed},
		{tenant.ErrConflict, http.StatusConflict, changed},
		{tenant.ErrTransition, http.StatusConflict, changed},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, later},
		{context.Canceled, StatusClientClosed, later},
	}
}

// rowOf returns the index of the row for err, or -1 when the table has none.
func rowOf(rows []rule, err error) int {
	return slices.IndexFunc(rows, func(row rule) bool {
		return row.err == nil && payment(err) || row.err != nil && errors.Is(err, row.err)
	})
}

// payment reports whether err is the suspension that paying ends.
func payment(err error) bool {
	var s *tenant.StatusError
	return errors.As(err, &s) && s.Status == tenant.Suspended && s.Reason == tenant.ReasonPayment
}

// known reports whether the table has err.
func known(err error) bool {
	return rowOf(rules(), err) >= 0
}

// StatusOf returns the HTTP status for an error of Partywall, so that handlers
// answer as [Edge] does. It is 200 for nil and 500 for an error that it does
// not know.
//
//	no tenant, not found, pending           404
//	suspended for tenant.ReasonPayment      402
//	suspended otherwise, archived           403
//	deleting, deleted                       410
//	maintenance, catalog unavailable        503 with Retry-After
//	ErrMismatch, ErrForged, ErrUntrusted    403
//	envelope forged, foreign, stale         403
//	ErrUnauthenticated                      401
//	ErrMalformed, tenant.ErrInvalid         400
//	slug taken, conflict, transition        409
//	deadline exceeded, canceled             503, [StatusClientClosed]
//	two tenants, ErrConfig                  500
func StatusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	rows := rules()
	if i := rowOf(rows, err); i >= 0 {
		return rows[i].status
	}
	return http.StatusInternalServerError // our fault until proven otherwise
}

// RetryAfter returns how long a client should wait before it sends the request
// again, zero when waiting does not help. [Edge.Error] puts it into the
// Retry-After header.
func RetryAfter(err error) time.Duration {
	if err == nil || StatusOf(err) != http.StatusServiceUnavailable {
		return 0
	}
	var s *tenant.StatusError
	if errors.As(err, &s) && s.RetryAfter > 0 {
		return s.RetryAfter
	}
	return unavailableRetry
}

// wholeSeconds rounds up: a client that comes too early comes twice.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
