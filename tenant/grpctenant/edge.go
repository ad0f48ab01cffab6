package grpctenant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// Options are what an [Edge] can do without. The zero Options and nil are the
// same.
type Options struct {
	// Public reports whether a method, such as "/grpc.health.v1.Health/Check",
	// is served without a tenant, whatever the call names: its context is
	// tenant.Without. Defaults to no method.
	Public func(fullMethod string) bool

	// Admit reports whether t is served on a method although it is not active;
	// its context is tenant.Admit then. It is not asked about tenants that are
	// active, and about pending and deleted ones, which have no data. Defaults
	// to no method.
	Admit func(fullMethod string, t tenant.Tenant) bool

	// Logger gets one line per refused call: the code, the reason, the
	// tenant's ID if it is known, and never metadata. Defaults to
	// slog.Default().
	Logger *slog.Logger
}

// Edge is where calls get their tenant. It never changes after [New] and may be
// used by many goroutines at once.
type Edge struct {
	tenants  httptenant.Lookup
	resolver Resolver
	opts     Options
	log      *slog.Logger
}

// New returns an Edge that finds in tenants what resolver reads from calls. It
// reports all mistakes at once, with [httptenant.ErrConfig]; it dials nothing
// and starts nothing.
func New(tenants httptenant.Lookup, resolver Resolver, opts *Options) (*Edge, error) {
	if opts == nil {
		opts = &Options{}
	}
	var mistakes []error
	if tenants == nil {
		mistakes = append(mistakes, errors.New("the look-up of tenants is missing"))
	}
	if resolver == nil {
		mistakes = append(mistakes, errors.New("a resolver is missing"))
	} else {
		mistakes = append(mistakes, checkOf(resolver))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, fmt.Errorf("%w: %w", httptenant.ErrConfig, err)
	}
	e := &Edge{tenants: tenants, resolver: resolver, opts: *opts, log: opts.Logger}
	if e.log == nil {
		e.log = slog.Default()
	}
	return e, nil
}

// UnaryInterceptor returns the interceptor for calls with one answer.
func (e *Edge) UnaryInterceptor() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		in, err := e.enter(ctx, info.FullMethod)
		if err != nil {
			return nil, e.refuse(ctx, err)
		}
		resp, err := handler(in, req)
		return resp, translate(err)
	}
}

// StreamInterceptor returns the interceptor for streams.
func (e *Edge) StreamInterceptor() grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		in, err := e.enter(stream.Context(), info.FullMethod)
		if err != nil {
			return e.refuse(stream.Context(), err)
		}
		return translate(handler(srv, &tenantStream{stream, in}))
	}
}

// tenantStream is a stream whose context belongs to a tenant.
type tenantStream struct {
	grpc.ServerStream

	ctx context.Context //nolint:containedctx // this is how gRPC hands a context to streams
}

// Context returns the context of the stream's tenant.
func (s *tenantStream) Context() context.Context { return s.ctx }

// enter returns the context in which the handler is to run.
func (e *Edge) enter(ctx context.Context, method string) (context.Context, error) {
	if e.opts.Public != nil && e.opts.Public(method) {
		return tenant.Without(ctx), nil
	}
	m, err := e.resolver.Resolve(ctx)
	if err != nil {
		return nil, alive(ctx, err)
	}
	t, err := m.Find(ctx, e.tenants)
	if err != nil {
		return nil, alive(ctx, err)
	}
	// FromContext has the last word, as it will have in every wrapper behind us.
	in := tenant.NewContext(ctx, t)
	_, err = tenant.FromContext(in)
	var inactive *tenant.StatusError
	switch {
	case errors.Is(err, tenant.ErrTwoTenants):
		return nil, fmt.Errorf("%w: %w", httptenant.ErrMismatch, err)
	case errors.As(err, &inactive) && t.Status.Readable() && e.opts.Admit != nil && e.opts.Admit(method, t):
		return tenant.Admit(ctx, t), nil
	case err != nil:
		return nil, err //nolint:wrapcheck // the tenant's own error, for the table
	}
	return in, nil
}

// alive makes a cancellation that the client did not cause a fault of ours. A
// look-up shared between calls ends so when the first of them goes away.
func alive(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", tenant.ErrUnavailable, err)
	}
	return err
}

// refuse logs why a call was refused, and returns what the client is told. The
// error itself may hold what a client sent, so only its row is logged.
func (e *Edge) refuse(ctx context.Context, err error) error {
	s := StatusOf(err)
	reason, level := fmt.Sprintf("%T", err), slog.LevelDebug
	if r := rowOf(err); r != nil {
		reason = r.reason
		if r.err != nil {
			reason = r.err.Error()
		}
	}
	switch s.Code() {
	case codes.Internal:
		level = slog.LevelError
	case codes.PermissionDenied, codes.Unavailable:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("code", s.Code().String()), slog.String("reason", reason)}
	var inactive *tenant.StatusError
	if errors.As(err, &inactive) && !inactive.ID.IsZero() {
		attrs = append(attrs, slog.String("tenant", inactive.ID.String()))
	}
	e.log.LogAttrs(ctx, level, "grpctenant: call refused", attrs...)
	return s.Err() //nolint:wrapcheck // what gRPC wants from interceptors
}
