// Package grpctenant gives every gRPC call its tenant, once, at the edge, and
// carries it on to the next service.
//
// On the server an [Edge] reads from the call which tenant it names, by a
// [Resolver], looks the tenant up, and runs the handler in the tenant's
// context:
//
//	edge, err := grpctenant.New(tenants, grpctenant.Envelope(tenants), nil)
//	server := grpc.NewServer(
//		grpc.UnaryInterceptor(edge.UnaryInterceptor()),
//		grpc.StreamInterceptor(edge.StreamInterceptor()),
//	)
//
// On the client [UnaryClientInterceptor] and [StreamClientInterceptor] send the
// tenant of the context along, in a signed envelope:
//
//	conn, err := grpc.NewClient(addr,
//		grpc.WithUnaryInterceptor(grpctenant.UnaryClientInterceptor(tenants)),
//		grpc.WithStreamInterceptor(grpctenant.StreamClientInterceptor(tenants)),
//	)
//
// The envelope goes to whatever server conn leads to, and whoever reads it can
// send it as their own for as long as it is valid. So a connection with these
// interceptors is one to a service of the same installation, over TLS; calls to
// anybody else go over a connection without them.
//
// Health checks and reflection have no tenant. [Options.Public] lets them in:
//
//	Public: func(method string) bool {
//		return strings.HasPrefix(method, "/grpc.health.v1.Health/") || strings.HasPrefix(method, "/grpc.reflection.")
//	}
//
// # Sources
//
// A call is an HTTP/2 request, and the rules for who may name a tenant are
// those of package httptenant: [Authority] is its Subdomain, [Metadata] its
// Header, [Claim] its Claim, and [FromHTTP] takes any other of its resolvers.
// [FirstOf] and [AllAgree] combine sources, and two that disagree are refused
// in every order. [Envelope] is what only services of one installation have.
//
// # Errors
//
// [StatusOf] has the one table of errors and codes. The interceptors answer by
// it, and translate errors of Partywall that handlers return. Clients read a
// fixed text, a reason for programs (errdetails.ErrorInfo), and when to come
// back (errdetails.RetryInfo).
//
// # Limits
//
// A stream gets its tenant when it is opened and keeps it; the tenant's status
// is not read again, though every query of the handler is checked by itself.
// An envelope and a signed header are bearer tokens: use them over TLS.
package grpctenant
