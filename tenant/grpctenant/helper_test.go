package grpctenant_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/partywall/partywall/internal/sourcetoken"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/grpctenant"
	"github.com/partywall/partywall/tenant/internal/lookuptest"
)

// A registry is what tests stand in for.
var (
	_ grpctenant.Enveloper = (*tenant.Registry)(nil)
	_ grpctenant.Resumer   = (*tenant.Registry)(nil)
)

// catalog is a registry in memory. Its envelopes are those of a gateway's
// header: signed names.
type catalog struct {
	lookuptest.Catalog

	key []byte
}

func newCatalog() *catalog {
	return &catalog{*lookuptest.New(), bytes.Repeat([]byte("k"), 32)}
}

// Envelope implements grpctenant.Enveloper.
func (c *catalog) Envelope(ctx context.Context) (string, error) {
	t, err := tenant.FromContext(ctx)
	if err != nil {
		return "", err
	}
	return c.seal(t), nil
}

func (c *catalog) seal(t tenant.Tenant) string {
	token, err := sourcetoken.Sign(c.key, t.ID.String(), time.Now().Add(time.Hour))
	if err != nil {
		panic(err)
	}
	return token
}

// Resume implements grpctenant.Resumer, with the errors of a registry.
func (c *catalog) Resume(ctx context.Context, envelope string) (context.Context, error) {
	name, err := sourcetoken.Verify([][]byte{c.key}, envelope, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tenant.ErrForged, err)
	}
	id, err := tenant.ParseID(name)
	if err != nil {
		return nil, err
	}
	t, err := c.Lookup(ctx, tenant.ByID(id))
	if err != nil {
		return nil, err
	}
	resumed := tenant.NewContext(ctx, t)
	if _, err := tenant.FromContext(resumed); err != nil {
		return nil, fmt.Errorf("resuming: %w", err)
	}
	return resumed, nil
}

// health is a service that tells in a header which tenant it sees.
type health struct {
	grpc_health_v1.UnimplementedHealthServer

	err error // returned by every method
}

func seen(ctx context.Context) metadata.MD {
	t, err := tenant.FromContext(ctx)
	if err != nil {
		return metadata.Pairs("seen", "nobody")
	}
	return metadata.Pairs("seen", t.Slug)
}

// Check implements the unary method.
func (h *health) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if err := grpc.SetHeader(ctx, seen(ctx)); err != nil {
		return nil, err
	}
	return &grpc_health_v1.HealthCheckResponse{}, h.err
}

// Watch implements the stream: one message, then the end.
func (h *health) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := stream.SetHeader(seen(stream.Context())); err != nil {
		return err
	}
	if err := stream.Send(&grpc_health_v1.HealthCheckResponse{}); err != nil {
		return err
	}
	return h.err
}

const checkMethod, watchMethod = grpc_health_v1.Health_Check_FullMethodName, grpc_health_v1.Health_Watch_FullMethodName

func newEdge(t *testing.T, tenants *catalog, resolver grpctenant.Resolver, opts *grpctenant.Options) *grpctenant.Edge {
	t.Helper()
	var own grpctenant.Options // a copy: parallel tests share theirs
	if opts != nil {
		own = *opts
	}
	if own.Logger == nil {
		own.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := grpctenant.New(tenants, resolver, &own)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// serve runs a server behind e until the test ends, on l or in memory, and
// returns a connection to it.
func serve(t *testing.T, e *grpctenant.Edge, service *health, authority string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
	return serveOn(t, e, service, l, "passthrough:///memory", append(opts, dial, grpc.WithAuthority(authority))...)
}

func serveOn(t *testing.T, e *grpctenant.Edge, service *health, l net.Listener, target string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	server := grpc.NewServer(grpc.UnaryInterceptor(e.UnaryInterceptor()), grpc.StreamInterceptor(e.StreamInterceptor()))
	grpc_health_v1.RegisterHealthServer(server, service)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	conn, err := grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-done
	})
	return conn
}

// call makes one unary call and one stream with the metadata given. They must
// agree, and what they agree on is returned.
func call(t *testing.T, conn *grpc.ClientConn, ctx context.Context, pairs ...string) (string, error) {
	t.Helper()
	ctx = metadata.AppendToOutgoingContext(ctx, pairs...)
	client := grpc_health_v1.NewHealthClient(conn)

	var header metadata.MD
	_, unaryErr := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&header))

	stream, streamErr := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	var streamHeader metadata.MD
	if streamErr == nil {
		if _, streamErr = stream.Recv(); streamErr == nil {
			streamHeader, streamErr = stream.Header()
		}
	}
	if unaryErr != nil || streamErr != nil {
		if unaryErr == nil || streamErr == nil || unaryErr.Error() != streamErr.Error() {
			t.Errorf("unary: %v, stream: %v", unaryErr, streamErr)
		}
		return "", unaryErr
	}
	if a, b := header.Get("seen"), streamHeader.Get("seen"); len(a) != 1 || len(b) != 1 || a[0] != b[0] {
		t.Errorf("unary: %q, stream: %q", a, b)
		return "", nil
	}
	return header.Get("seen")[0], nil
}

// finish makes one unary call and one stream, to their ends, and returns the
// error that they agree on.
func finish(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	client := grpc_health_v1.NewHealthClient(conn)
	_, unaryErr := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	stream, streamErr := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	for streamErr == nil {
		_, streamErr = stream.Recv()
	}
	if status.Code(unaryErr) != status.Code(streamErr) {
		t.Errorf("unary: %v, stream: %v", unaryErr, streamErr)
	}
	return unaryErr
}
