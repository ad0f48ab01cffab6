package grpctenant

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// MetadataKey is the metadata in which envelopes travel.
const MetadataKey = "partywall-tenant"

// Enveloper seals the tenant of a context into a signed text; *tenant.Registry
// is one. It fails with tenant.ErrNoTenant for a context without a tenant.
type Enveloper interface {
	Envelope(ctx context.Context) (string, error)
}

// UnaryClientInterceptor returns an interceptor that sends the tenant of the
// context along with each call with one answer; [Envelope] reads it there.
//
// An envelope is a bearer token. The interceptor does not look at where the
// connection leads: give it only to connections to services of the same
// installation.
//
// A call without a tenant fails with tenant.ErrNoTenant before anything is
// sent: what a host calls for itself goes over a connection without this
// interceptor. An envelope that is in the outgoing metadata already, forwarded
// from an incoming call perhaps, is replaced, never added to.
func UnaryClientInterceptor(e Enveloper) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn,
		invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		out, err := outgoing(ctx, e)
		if err != nil {
			return err
		}
		return invoke(out, method, req, reply, conn, opts...)
	}
}

// StreamClientInterceptor is [UnaryClientInterceptor] for streams. The envelope
// is made once, when the stream is opened.
func StreamClientInterceptor(e Enveloper) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
		open grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		out, err := outgoing(ctx, e)
		if err != nil {
			return nil, err
		}
		return open(out, desc, conn, method, opts...)
	}
}

func outgoing(ctx context.Context, e Enveloper) (context.Context, error) {
	if e == nil {
		return nil, errors.New("grpctenant: the client interceptor was made without an Enveloper")
	}
	sealed, err := e.Envelope(ctx)
	if err != nil {
		return nil, fmt.Errorf("grpctenant: envelope: %w", err)
	}
	md, ok := metadata.FromOutgoingContext(ctx) // a copy
	if !ok {
		md = metadata.MD{}
	}
	md.Set(MetadataKey, sealed)
	return metadata.NewOutgoingContext(ctx, md), nil
}
