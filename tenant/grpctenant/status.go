package grpctenant

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// Domain is the domain of the errdetails.ErrorInfo in errors of this package.
const Domain = "partywall"

// row is one row of the table that maps errors to codes.
type row struct {
	err    error // nil for the suspension that paying ends
	code   codes.Code
	reason string
	text   string
}

// table is in the order in which rows are tried: what refuses a call comes
// before what merely describes its tenant.
func table() []row {
	const (
		nothing = "no such tenant"
		refused = "call refused"
		later   = "try again later"
		broken  = "internal error"
	)
	return []row{
		{httptenant.ErrConfig, codes.Internal, "INTERNAL", broken},
		{httptenant.ErrMismatch, codes.PermissionDenied, "TENANT_REFUSED", refused},
		{httptenant.ErrForged, codes.PermissionDenied, "TENANT_REFUSED", refused},
		{httptenant.ErrUntrusted, codes.PermissionDenied, "TENANT_REFUSED", refused},
		{tenant.ErrForged, codes.PermissionDenied, "TENANT_REFUSED", refused},
		{tenant.ErrForeign, codes.PermissionDenied, "TENANT_REFUSED", refused},
		{tenant.ErrStale, codes.PermissionDenied, "TENANT_REFUSED", refused},
		{httptenant.ErrUnauthenticated, codes.Unauthenticated, "UNAUTHENTICATED", "credentials not accepted"},
		{httptenant.ErrMalformed, codes.InvalidArgument, "MALFORMED", "malformed call"},
		{tenant.ErrTwoTenants, codes.Internal, "INTERNAL", broken},
		{tenant.ErrUnavailable, codes.Unavailable, "UNAVAILABLE", later},
		{tenant.ErrNoTenant, codes.NotFound, "TENANT_NOT_FOUND", nothing},
		{tenant.ErrNotFound, codes.NotFound, "TENANT_NOT_FOUND", nothing},
		{tenant.ErrPending, codes.NotFound, "TENANT_NOT_FOUND", nothing}, // unroutable until active
		{nil, codes.FailedPrecondition, "TENANT_PAYMENT_REQUIRED", "tenant is paused until its bill is paid"},
		{tenant.ErrSuspended, codes.FailedPrecondition, "TENANT_SUSPENDED", "tenant is suspended"},
		{tenant.ErrMaintenance, codes.Unavailable, "TENANT_MAINTENANCE", "tenant is under maintenance"},
		{tenant.ErrArchived, codes.FailedPrecondition, "TENANT_ARCHIVED", "tenant is archived"},
		{tenant.ErrDeleted, codes.NotFound, "TENANT_DELETED", "tenant is deleted"},
		{tenant.ErrInvalid, codes.InvalidArgument, "MALFORMED", "malformed call"},
		{tenant.ErrSlugTaken, codes.AlreadyExists, "SLUG_TAKEN", "slug is taken"},
		{tenant.ErrConflict, codes.Aborted, "CONFLICT", "changed by somebody else"},
		{tenant.ErrTransition, codes.FailedPrecondition, "TRANSITION", "no such transition"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE", "deadline exceeded"},
		{context.Canceled, codes.Canceled, "CANCELED", "canceled"},
	}
}

// rowOf returns the row for err, or nil when the table has none.
func rowOf(err error) *row {
	for _, r := range table() {
		if r.err == nil && payment(err) || r.err != nil && errors.Is(err, r.err) {
			return &r
		}
	}
	return nil
}

func payment(err error) bool {
	var s *tenant.StatusError
	return errors.As(err, &s) && s.Status == tenant.Suspended && s.Reason == tenant.ReasonPayment
}

// StatusOf returns the gRPC status for an error of Partywall. It is OK for nil,
// the error's own status when it has one, and Internal, without a word of the
// error, for one that it does not know. The reason is that of an
// errdetails.ErrorInfo of [Domain]; Unavailable has an errdetails.RetryInfo.
//
//	no tenant, not found, pending        NotFound            TENANT_NOT_FOUND
//	deleting, deleted                    NotFound            TENANT_DELETED
//	suspended for tenant.ReasonPayment   FailedPrecondition  TENANT_PAYMENT_REQUIRED
//	suspended otherwise                  FailedPrecondition  TENANT_SUSPENDED
//	archived                             FailedPrecondition  TENANT_ARCHIVED
//	maintenance                          Unavailable         TENANT_MAINTENANCE
//	catalog unavailable                  Unavailable         UNAVAILABLE
//	mismatch, forged, untrusted, stale   PermissionDenied    TENANT_REFUSED
//	credentials not accepted             Unauthenticated     UNAUTHENTICATED
//	malformed, tenant.ErrInvalid         InvalidArgument     MALFORMED
//	slug taken, conflict, transition     AlreadyExists, Aborted, FailedPrecondition
//	deadline exceeded, canceled          DeadlineExceeded, Canceled
//	two tenants, misconfigured           Internal            INTERNAL
func StatusOf(err error) *status.Status {
	r := rowOf(err)
	if r == nil {
		if own, ok := status.FromError(err); ok {
			return own // of nil: OK
		}
		return status.New(codes.Internal, "internal error")
	}
	s := status.New(r.code, r.text)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: r.reason, Domain: Domain}}
	if r.code == codes.Unavailable {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(httptenant.RetryAfter(err))})
	}
	if detailed, err := s.WithDetails(details...); err == nil {
		return detailed
	}
	return s // which cannot be: only OK takes no details
}

// translate gives errors of Partywall that a handler returns their status, and
// leaves all others as they are.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, own := status.FromError(err); own || rowOf(err) == nil {
		return err
	}
	return StatusOf(err).Err() //nolint:wrapcheck // what gRPC wants from interceptors
}
