package grpctenant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// Resolver reads from a call which tenant it names. It is used by many
// goroutines at once. Its answers mean what those of [httptenant.Resolver]
// mean: a zero Mention that the call says nothing here, an error that it says
// something that cannot be believed.
//
// A Resolver may also have Check() error, which [New] calls to learn of
// mistakes made when it was built.
type Resolver interface {
	// Resolve gets the context of the call, with its metadata and its peer.
	Resolve(ctx context.Context) (httptenant.Mention, error)
}

// FromHTTP reads a call as the HTTP/2 request that it is: with :authority as
// its host, the full method as its path, the peer's address, and all of the
// metadata as its header, except binary ones, whose keys end with "-bin".
// Resolvers of paths name no tenant here.
func FromHTTP(resolver httptenant.Resolver) Resolver { return fromHTTP{resolver} }

type fromHTTP struct{ resolver httptenant.Resolver }

// Resolve implements [Resolver].
func (f fromHTTP) Resolve(ctx context.Context) (httptenant.Mention, error) {
	if f.resolver == nil {
		return httptenant.Mention{}, httptenant.ErrConfig
	}
	r, err := f.request(ctx)
	if err != nil {
		return httptenant.Mention{}, err
	}
	m, err := f.resolver.Resolve(r)
	if err == nil && m.Prefix != "" {
		return httptenant.Mention{}, fmt.Errorf("%w: a method is no path with a tenant in it", httptenant.ErrMalformed)
	}
	return m, err //nolint:wrapcheck // the source's own error, for the table
}

func (f fromHTTP) request(ctx context.Context) (*http.Request, error) {
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{}, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}}
	r.URL.Path, _ = grpc.Method(ctx)
	md, _ := metadata.FromIncomingContext(ctx)
	// All of it, not what the resolver says it reads: one that forgot to say so
	// would find nothing, and the sources beside it would decide without it.
	for key, values := range md {
		if !strings.HasPrefix(key, ":") && !strings.HasSuffix(key, "-bin") {
			name := http.CanonicalHeaderKey(key)
			r.Header[name] = append(r.Header[name], values...)
		}
	}
	switch authority := md.Get(":authority"); len(authority) {
	case 0:
	case 1:
		r.Host = authority[0]
	default:
		return nil, fmt.Errorf("%w: authority is given twice", httptenant.ErrMalformed)
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		r.RemoteAddr = p.Addr.String()
	}
	return r.WithContext(ctx), nil
}

// Check returns the mistakes of the resolver.
func (f fromHTTP) Check() error {
	if f.resolver == nil {
		return errors.New("a resolver is missing")
	}
	if c, ok := f.resolver.(interface{ Check() error }); ok {
		return c.Check() //nolint:wrapcheck // New wraps all mistakes
	}
	return nil
}

// Authority names the tenant by the one label in front of base in :authority;
// see [httptenant.Subdomain].
func Authority(base string, own ...string) Resolver {
	return FromHTTP(httptenant.Subdomain(base, own...))
}

// Metadata names the tenant by the metadata called key; see
// [httptenant.Header]. [httptenant.TrustedProxies] asks for the peer of the
// connection, [httptenant.Signed] for what [httptenant.Sign] returned, so that
// a gateway can pass the header on as it is.
func Metadata(key string, trust httptenant.Trust) Resolver {
	return metadataKey{fromHTTP{httptenant.Header(key, trust)}, key}
}

type metadataKey struct {
	fromHTTP

	key string
}

// Check returns the mistakes in the arguments of [Metadata].
func (m metadataKey) Check() error {
	err := m.fromHTTP.Check()
	lower := strings.ToLower(m.key)
	if strings.HasPrefix(lower, "grpc-") || strings.HasSuffix(lower, "-bin") || lower == MetadataKey {
		err = errors.Join(err, fmt.Errorf("metadata: %q has a meaning of its own", m.key))
	}
	return err
}

// Claim names the tenant by what read finds in a token that it, or an
// interceptor in front, has verified; see [httptenant.Claim].
func Claim(read func(ctx context.Context) (slugOrID string, err error)) Resolver {
	if read == nil {
		return FromHTTP(httptenant.Claim(nil))
	}
	return FromHTTP(httptenant.Claim(func(r *http.Request) (string, error) { return read(r.Context()) }))
}

// Resumer opens envelopes; *tenant.Registry is one. Resume returns a context
// that belongs to the tenant of the envelope, or fails: with a
// *tenant.StatusError when that tenant is not active.
type Resumer interface {
	Resume(ctx context.Context, envelope string) (context.Context, error)
}

type envelope struct{ resumer Resumer }

// Envelope names the tenant by the envelope that [UnaryClientInterceptor] sent.
// One that does not open is refused, and so are two. An error of the resumer
// that is not in the table of [StatusOf] counts as tenant.ErrForged.
func Envelope(resumer Resumer) Resolver { return envelope{resumer} }

// Resolve implements [Resolver].
func (e envelope) Resolve(ctx context.Context) (httptenant.Mention, error) {
	if e.resumer == nil {
		return httptenant.Mention{}, httptenant.ErrConfig
	}
	values := metadata.ValueFromIncomingContext(ctx, MetadataKey)
	if len(values) == 0 {
		return httptenant.Mention{}, nil
	}
	if len(values) > 1 {
		return httptenant.Mention{}, fmt.Errorf("%w: envelope is there more than once", httptenant.ErrMalformed)
	}
	// Without the tenant that an outer interceptor may have found: whether the
	// two agree is compared by the Edge, as for every other source.
	resumed, err := e.resumer.Resume(tenant.Without(ctx), values[0])
	var t tenant.Tenant
	if err == nil {
		t, err = tenant.FromContext(resumed)
	}
	var inactive *tenant.StatusError
	switch {
	case errors.As(err, &inactive) && !inactive.ID.IsZero():
		t.ID = inactive.ID // the envelope is genuine; what its tenant may do is not decided here
	case err != nil && (inactive != nil || rowOf(err) == nil):
		return httptenant.Mention{}, fmt.Errorf("%w: %w", tenant.ErrForged, err)
	case err != nil:
		return httptenant.Mention{}, fmt.Errorf("grpctenant: envelope: %w", err)
	}
	return httptenant.Mention{Source: "envelope", Key: tenant.ByID(t.ID)}, nil
}

// Check reports a missing resumer.
func (e envelope) Check() error {
	if e.resumer == nil {
		return errors.New("envelope: the resumer is missing")
	}
	return nil
}

// FirstOf asks all sources. The first one that is present names the tenant;
// every other one that is present must name the same. See [httptenant.FirstOf].
func FirstOf(sources ...Resolver) Resolver {
	return FromHTTP(httptenant.FirstOf(overHTTP(sources)...))
}

// AllAgree asks all sources, and all must be present and name the same tenant.
// See [httptenant.AllAgree].
func AllAgree(sources ...Resolver) Resolver {
	return FromHTTP(httptenant.AllAgree(overHTTP(sources)...))
}

// source is a Resolver of ours where one of httptenant is wanted, so that the
// rules of agreement are written once.
type source struct{ Resolver }

// Resolve implements [httptenant.Resolver].
func (s source) Resolve(r *http.Request) (httptenant.Mention, error) {
	return s.Resolver.Resolve(r.Context()) //nolint:wrapcheck // the source's own error, for the table
}

// Check returns the mistakes of the source.
func (s source) Check() error { return checkOf(s.Resolver) }

func overHTTP(sources []Resolver) []httptenant.Resolver {
	over := make([]httptenant.Resolver, len(sources))
	for i, s := range sources {
		if s != nil { // nil stays nil, and is reported as such
			over[i] = source{s}
		}
	}
	return over
}

func checkOf(r Resolver) error {
	if c, ok := r.(interface{ Check() error }); ok {
		return c.Check() //nolint:wrapcheck // New wraps all mistakes
	}
	return nil
}
