package grpctenant_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/grpctenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	of := func(s tenant.Status, reason string) error {
		return fmt.Errorf("secret: %w", tenant.NewStatusError(tenant.Tenant{Status: s, Slug: "secret", Reason: reason}))
	}
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{nil, codes.OK},
		{tenant.ErrNoTenant, codes.NotFound},
		{tenant.ErrNotFound, codes.NotFound},
		{of(tenant.Pending, ""), codes.NotFound},
		{of(tenant.Suspended, tenant.ReasonPayment), codes.FailedPrecondition},
		{of(tenant.Suspended, "secret"), codes.FailedPrecondition},
		{of(tenant.Maintenance, ""), codes.Unavailable},
		{of(tenant.Archived, ""), codes.FailedPrecondition},
		{of(tenant.Deleting, ""), codes.NotFound},
		{of(tenant.Deleted, ""), codes.NotFound},
		{tenant.ErrUnavailable, codes.Unavailable},
		{tenant.ErrTwoTenants, codes.Internal},
		{&tenant.InvalidError{Value: "secret"}, codes.InvalidArgument},
		{tenant.ErrSlugTaken, codes.AlreadyExists},
		{tenant.ErrConflict, codes.Aborted},
		{tenant.ErrTransition, codes.FailedPrecondition},
		{tenant.ErrForged, codes.PermissionDenied},
		{tenant.ErrForeign, codes.PermissionDenied},
		{tenant.ErrStale, codes.PermissionDenied},
		{&httptenant.MismatchError{Says: tenant.BySlug("secret")}, codes.PermissionDenied},
		{httptenant.ErrForged, codes.PermissionDenied},
		{httptenant.ErrUntrusted, codes.PermissionDenied},
		{httptenant.ErrUnauthenticated, codes.Unauthenticated},
		{httptenant.ErrMalformed, codes.InvalidArgument},
		{httptenant.ErrConfig, codes.Internal},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{errors.New("secret"), codes.Internal},
		{status.Error(codes.DataLoss, "own"), codes.DataLoss},
		{fmt.Errorf("%w: %w", tenant.ErrNotFound, httptenant.ErrMismatch), codes.PermissionDenied},
	} {
		s := grpctenant.StatusOf(c.err)
		if s.Code() != c.want || strings.Contains(fmt.Sprint(s.Message(), s.Details()), "secret") {
			t.Errorf("StatusOf(%v) = %v, want %v", c.err, s, c.want)
		}
	}
}
