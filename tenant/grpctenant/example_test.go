package grpctenant_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/grpctenant"
)

// Two services of one installation: the tenant of the caller's context is the
// tenant of the handler's.
func Example() {
	tenants := newCatalog() // stands for a *tenant.Registry

	edge, err := grpctenant.New(tenants, grpctenant.Envelope(tenants), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(
		grpc.UnaryInterceptor(edge.UnaryInterceptor()),
		grpc.StreamInterceptor(edge.StreamInterceptor()),
	)
	grpc_health_v1.RegisterHealthServer(server, &health{}) // stands for the host's own service
	l := bufconn.Listen(1 << 16)
	defer server.Stop()
	go func() { _ = server.Serve(l) }()

	conn, err := grpc.NewClient("passthrough:///orders",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // use TLS where there is a wire
		grpc.WithUnaryInterceptor(grpctenant.UnaryClientInterceptor(tenants)),
		grpc.WithStreamInterceptor(grpctenant.StreamClientInterceptor(tenants)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	client := grpc_health_v1.NewHealthClient(conn)
	var header metadata.MD
	ctx := tenant.NewContext(context.Background(), tenants.Of("acme"))
	_, err = client.Check(ctx, nil, grpc.Header(&header))
	fmt.Println(header.Get("seen"), err)

	_, err = client.Check(context.Background(), nil)
	fmt.Println(err)
	// Output:
	// [acme] <nil>
	// grpctenant: envelope: tenant: no tenant in the context
}

// The codes that clients see.
func ExampleStatusOf() {
	unpaid := tenant.NewStatusError(tenant.Tenant{Status: tenant.Suspended, Reason: tenant.ReasonPayment})
	for _, err := range []error{tenant.ErrNotFound, unpaid, tenant.ErrUnavailable} {
		s := grpctenant.StatusOf(err)
		fmt.Println(s.Code(), s.Message())
	}
	// Output:
	// NotFound no such tenant
	// FailedPrecondition tenant is paused until its bill is paid
	// Unavailable try again later
}
