package grpctenant_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/grpctenant"
)

func carrying(e grpctenant.Enveloper) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithUnaryInterceptor(grpctenant.UnaryClientInterceptor(e)),
		grpc.WithStreamInterceptor(grpctenant.StreamClientInterceptor(e)),
	}
}

func TestTenantTravels(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	edge := newEdge(t, tenants, grpctenant.Envelope(tenants), nil)
	conn := serve(t, edge, &health{}, "orders", carrying(tenants)...)

	for _, slug := range []string{"acme", "globex"} {
		got, err := call(t, conn, tenant.NewContext(t.Context(), tenants.Of(slug)))
		if got != slug || err != nil {
			t.Errorf("in the context of %s: got %q, %v", slug, got, err)
		}
	}
	// What was forwarded with the metadata of an incoming call is replaced.
	ctx := tenant.NewContext(t.Context(), tenants.Of("acme"))
	ctx = metadata.AppendToOutgoingContext(ctx, grpctenant.MetadataKey, tenants.seal(tenants.Of("globex")))
	if got, err := call(t, conn, ctx, "other", "kept"); got != "acme" || err != nil {
		t.Errorf("with a forwarded envelope: got %q, %v", got, err)
	}
	if md, _ := metadata.FromOutgoingContext(ctx); len(md.Get(grpctenant.MetadataKey)) != 1 {
		t.Errorf("the caller's metadata is %v now", md)
	}
	// Between two installations nothing travels.
	other := newCatalog()
	other.key = append([]byte("x"), other.key...)
	foreign := serve(t, edge, &health{}, "orders", carrying(other)...)
	if _, err := call(t, foreign, tenant.NewContext(t.Context(), other.Of("acme"))); status.Code(err) != codes.PermissionDenied {
		t.Errorf("from another installation: %v", err)
	}
}

func TestNothingIsSentWithoutTenant(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	edge := newEdge(t, tenants, grpctenant.Envelope(tenants), &grpctenant.Options{Public: func(string) bool { return true }})
	conn := serve(t, edge, &health{}, "orders", carrying(tenants)...)
	for name, c := range map[string]struct {
		ctx  context.Context
		want error
	}{
		"no tenant":   {t.Context(), tenant.ErrNoTenant},
		"without":     {tenant.Without(tenant.NewContext(t.Context(), tenants.Of("acme"))), tenant.ErrNoTenant},
		"suspended":   {tenant.NewContext(t.Context(), tenants.Of("unpaid")), tenant.ErrSuspended},
		"two tenants": {tenant.NewContext(tenant.NewContext(t.Context(), tenants.Of("acme")), tenants.Of("globex")), tenant.ErrTwoTenants},
	} {
		if got, err := call(t, conn, c.ctx); got != "" || !errors.Is(err, c.want) {
			t.Errorf("%s: got %q, %v; want %v", name, got, err, c.want)
		}
	}
	broken := serve(t, edge, &health{}, "orders", carrying(nil)...)
	if got, err := call(t, broken, tenant.NewContext(t.Context(), tenants.Of("acme"))); got != "" || err == nil {
		t.Errorf("without an Enveloper: got %q, %v", got, err)
	}
}
