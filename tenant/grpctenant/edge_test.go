package grpctenant_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/grpctenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// bearer reads a claim as if "token <name>" had been verified.
func bearer(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 {
		return "", nil
	}
	name, _ := strings.CutPrefix(values[0], "token ")
	if name == "forged" {
		return "", errors.New("signature is invalid")
	}
	return name, nil
}

func TestSources(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	signed, err := httptenant.Sign(tenants.key, "acme", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	expired, err := httptenant.Sign(tenants.key, "acme", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	byKey := httptenant.APIKey(func(_ context.Context, key string) (tenant.ID, error) {
		if key == "pk_acme" {
			return tenants.Of("acme").ID, nil
		}
		return tenant.ID{}, tenant.ErrNotFound
	})
	const envelope = grpctenant.MetadataKey
	sealed := tenants.seal(tenants.Of("acme"))
	authority, token := grpctenant.Authority("myapp.com"), grpctenant.Claim(bearer)
	header := grpctenant.Metadata("x-tenant", httptenant.Signed(tenants.key))
	far := grpctenant.Metadata("x-tenant", httptenant.TrustedProxies(netip.MustParsePrefix("127.0.0.0/8")))

	for name, c := range map[string]struct {
		resolver  grpctenant.Resolver
		authority string
		metadata  []string
		want      string
		code      codes.Code
	}{
		"authority":                {authority, "Acme.myapp.com.:443", nil, "acme", codes.OK},
		"authority, unknown":       {authority, "nosuch.myapp.com", nil, "", codes.NotFound},
		"authority, base":          {authority, "myapp.com", nil, "", codes.NotFound},
		"authority, deeper":        {authority, "x.acme.myapp.com", nil, "", codes.InvalidArgument},
		"claim":                    {token, "x", []string{"authorization", "token acme"}, "acme", codes.OK},
		"claim, absent":            {token, "x", nil, "", codes.NotFound},
		"claim, forged":            {token, "x", []string{"authorization", "token forged"}, "", codes.Unauthenticated},
		"signed":                   {header, "x", []string{"x-tenant", signed}, "acme", codes.OK},
		"signed, expired":          {header, "x", []string{"x-tenant", expired}, "", codes.PermissionDenied},
		"signed, bare":             {header, "x", []string{"x-tenant", "acme"}, "", codes.PermissionDenied},
		"signed, twice":            {header, "x", []string{"x-tenant", signed, "X-Tenant", signed}, "", codes.InvalidArgument},
		"peer has no address":      {far, "x", []string{"x-tenant", "acme"}, "", codes.PermissionDenied},
		"API key":                  {grpctenant.FromHTTP(byKey), "x", []string{"authorization", "Bearer pk_acme"}, "acme", codes.OK},
		"API key, unknown":         {grpctenant.FromHTTP(byKey), "x", []string{"x-api-key", "pk_guess"}, "", codes.Unauthenticated},
		"path prefix":              {grpctenant.FromHTTP(httptenant.PathPrefix("/")), "x", nil, "", codes.InvalidArgument},
		"envelope":                 {grpctenant.Envelope(tenants), "x", []string{envelope, sealed}, "acme", codes.OK},
		"envelope, absent":         {grpctenant.Envelope(tenants), "x", nil, "", codes.NotFound},
		"envelope, twice":          {grpctenant.Envelope(tenants), "x", []string{envelope, sealed, envelope, sealed}, "", codes.InvalidArgument},
		"envelope, forged":         {grpctenant.Envelope(tenants), "x", []string{envelope, sealed + "x"}, "", codes.PermissionDenied},
		"envelope, empty":          {grpctenant.Envelope(tenants), "x", []string{envelope, ""}, "", codes.PermissionDenied},
		"envelope of a suspended":  {grpctenant.Envelope(tenants), "x", []string{envelope, tenants.seal(tenants.Of("unpaid"))}, "", codes.FailedPrecondition},
		"first of, agree":          {grpctenant.FirstOf(authority, token), "acme.myapp.com", []string{"authorization", "token acme"}, "acme", codes.OK},
		"first of, one":            {grpctenant.FirstOf(authority, token), "x", []string{"authorization", "token acme"}, "acme", codes.OK},
		"first of, differ":         {grpctenant.FirstOf(authority, token), "acme.myapp.com", []string{"authorization", "token globex"}, "", codes.PermissionDenied},
		"first of, turned":         {grpctenant.FirstOf(token, authority), "acme.myapp.com", []string{"authorization", "token globex"}, "", codes.PermissionDenied},
		"envelope and authority":   {grpctenant.FirstOf(grpctenant.Envelope(tenants), authority), "globex.myapp.com", []string{envelope, sealed}, "", codes.PermissionDenied},
		"authority and envelope":   {grpctenant.FirstOf(authority, grpctenant.Envelope(tenants)), "globex.myapp.com", []string{envelope, sealed}, "", codes.PermissionDenied},
		"first of, broken second":  {grpctenant.FirstOf(authority, header), "acme.myapp.com", []string{"x-tenant", "acme"}, "", codes.PermissionDenied},
		"all agree":                {grpctenant.AllAgree(authority, token), "acme.myapp.com", []string{"authorization", "token acme"}, "acme", codes.OK},
		"all agree, one is silent": {grpctenant.AllAgree(authority, token), "acme.myapp.com", nil, "", codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := serve(t, newEdge(t, tenants, c.resolver, nil), &health{}, c.authority)
			got, err := call(t, conn, t.Context(), c.metadata...)
			if got != c.want || status.Code(err) != c.code {
				t.Errorf("got %q, %v; want %q, %v", got, err, c.want, c.code)
			}
		})
	}
}

// Over a socket the peer has an address, which decides whether it is believed;
// x-forwarded-for does not.
func TestTrustedPeer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		network string
		code    codes.Code
	}{"trusted": {"127.0.0.0/8", codes.OK}, "stranger": {"10.0.0.0/8", codes.PermissionDenied}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			resolver := grpctenant.Metadata("x-tenant", httptenant.TrustedProxies(netip.MustParsePrefix(c.network)))
			conn := serveOn(t, newEdge(t, newCatalog(), resolver, nil), &health{}, l, "passthrough:///"+l.Addr().String())
			_, err = call(t, conn, t.Context(), "x-tenant", "acme", "x-forwarded-for", "10.0.0.1")
			if status.Code(err) != c.code {
				t.Errorf("got %v, want %v", err, c.code)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	admit := &grpctenant.Options{Admit: func(method string, of tenant.Tenant) bool {
		if of.Status == tenant.Active || of.Status == tenant.Pending || of.Status == tenant.Deleted {
			t.Errorf("Admit was asked about %s", of.Slug)
		}
		return method == checkMethod || method == watchMethod
	}}
	for slug, c := range map[string]struct {
		plain, admitted codes.Code
		reason          string
	}{
		"acme":        {codes.OK, codes.OK, ""},
		"nosuch":      {codes.NotFound, codes.NotFound, "TENANT_NOT_FOUND"},
		"pending":     {codes.NotFound, codes.NotFound, "TENANT_NOT_FOUND"},
		"unpaid":      {codes.FailedPrecondition, codes.OK, "TENANT_PAYMENT_REQUIRED"},
		"suspended":   {codes.FailedPrecondition, codes.OK, "TENANT_SUSPENDED"},
		"maintenance": {codes.Unavailable, codes.OK, "TENANT_MAINTENANCE"},
		"archived":    {codes.FailedPrecondition, codes.OK, "TENANT_ARCHIVED"},
		"deleted":     {codes.NotFound, codes.NotFound, "TENANT_DELETED"},
	} {
		t.Run(slug, func(t *testing.T) {
			t.Parallel()
			conn := serve(t, newEdge(t, tenants, grpctenant.Authority("myapp.com"), nil), &health{}, slug+".myapp.com")
			_, err := call(t, conn, t.Context())
			if status.Code(err) != c.plain {
				t.Errorf("got %v, want %v", err, c.plain)
			}
			reason, retry := detailsOf(err)
			if reason != c.reason || (retry > 0) != (c.plain == codes.Unavailable) {
				t.Errorf("reason %q, retry in %v; want %q", reason, retry, c.reason)
			}
			open := serve(t, newEdge(t, tenants, grpctenant.Authority("myapp.com"), admit), &health{}, slug+".myapp.com")
			got, err := call(t, open, t.Context())
			if status.Code(err) != c.admitted || err == nil && got != slug {
				t.Errorf("admitted: got %q, %v; want %v", got, err, c.admitted)
			}
		})
	}
}

func detailsOf(err error) (reason string, retry time.Duration) {
	for _, detail := range status.Convert(err).Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetReason()
		case *errdetails.RetryInfo:
			retry = d.GetRetryDelay().AsDuration()
		}
	}
	return reason, retry
}

func TestPublic(t *testing.T) {
	t.Parallel()
	opts := &grpctenant.Options{Public: func(method string) bool { return strings.HasPrefix(method, "/grpc.health.v1.Health/") }}
	for _, authority := range []string{"acme.myapp.com", "nosuch.myapp.com", "10.0.0.1:80", "a.b.myapp.com"} {
		conn := serve(t, newEdge(t, newCatalog(), grpctenant.Authority("myapp.com"), opts), &health{}, authority)
		if got, err := call(t, conn, t.Context()); got != "nobody" || err != nil {
			t.Errorf("%s: got %q, %v", authority, got, err)
		}
	}
}

func TestHandlerErrorsAreTranslated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code codes.Code
	}{
		"ours":       {tenant.ErrConflict, codes.Aborted},
		"own status": {status.Error(codes.DataLoss, "own"), codes.DataLoss},
		"both":       {fmt.Errorf("%w: %w", tenant.ErrConflict, status.Error(codes.DataLoss, "own")), codes.DataLoss},
		"the host's": {errors.New("own"), codes.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, newCatalog(), grpctenant.Authority("myapp.com"), nil)
			conn := serve(t, e, &health{err: c.err}, "acme.myapp.com")
			if err := finish(t, conn); status.Code(err) != c.code {
				t.Errorf("got %v, want %v", err, c.code)
			}
		})
	}
}

func TestLookupFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code codes.Code
	}{
		"unavailable":              {tenant.ErrUnavailable, codes.Unavailable},
		"somebody else's was gone": {context.Canceled, codes.Unavailable},
		"unknown error":            {errors.New("pq: password=hunter2"), codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			tenants := newCatalog()
			tenants.Err = c.err
			opts := &grpctenant.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))}
			intercept := newEdge(t, tenants, grpctenant.Claim(func(context.Context) (string, error) { return "acme", nil }), opts).UnaryInterceptor()
			_, err := intercept(t.Context(), nil, &grpc.UnaryServerInfo{}, nil)
			if status.Code(err) != c.code || strings.Contains(err.Error()+out.String(), "hunter2") {
				t.Errorf("got %v, want %v; log:\n%s", err, c.code, &out)
			}
		})
	}
}

// prefixed is a resolver of paths of the host's own.
type prefixed struct{}

func (prefixed) Resolve(*http.Request) (httptenant.Mention, error) {
	return httptenant.Mention{Source: "path", Key: tenant.BySlug("acme"), Prefix: "/grpc"}, nil
}

func TestPathsNameNoTenant(t *testing.T) {
	t.Parallel()
	m, err := grpctenant.FromHTTP(prefixed{}).Resolve(t.Context())
	if m.Present() || !errors.Is(err, httptenant.ErrMalformed) {
		t.Errorf("got %v, %v", m, err)
	}
}

// odd is a resumer with an error of its own.
type odd struct{}

func (odd) Resume(context.Context, string) (context.Context, error) { return nil, errors.New("odd") }

func TestEnvelopeThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(grpctenant.MetadataKey, "x"))
	m, err := grpctenant.Envelope(odd{}).Resolve(ctx)
	if m.Present() || !errors.Is(err, tenant.ErrForged) {
		t.Errorf("got %v, %v", m, err)
	}
}

// Two interceptors in a row must agree.
func TestIncomingContext(t *testing.T) {
	t.Parallel()
	tenants := newCatalog()
	sealed := metadata.NewIncomingContext(t.Context(), metadata.Pairs(grpctenant.MetadataKey, tenants.seal(tenants.Of("acme"))))
	byEnvelope := newEdge(t, tenants, grpctenant.Envelope(tenants), nil).UnaryInterceptor()
	public := newEdge(t, tenants, grpctenant.Envelope(tenants), &grpctenant.Options{Public: func(string) bool { return true }}).UnaryInterceptor()
	intercept := newEdge(t, tenants, grpctenant.Claim(func(context.Context) (string, error) { return "acme", nil }), nil).UnaryInterceptor()
	handler := func(ctx context.Context, _ any) (any, error) { return tenant.FromContext(ctx) }
	for slug, want := range map[string]codes.Code{"acme": codes.OK, "globex": codes.PermissionDenied} {
		ctx := tenant.NewContext(t.Context(), tenants.Of(slug))
		if _, err := intercept(ctx, nil, &grpc.UnaryServerInfo{}, handler); status.Code(err) != want {
			t.Errorf("inside %s: %v, want %v", slug, err, want)
		}
		inside := tenant.NewContext(sealed, tenants.Of(slug))
		if _, err := byEnvelope(inside, nil, &grpc.UnaryServerInfo{}, handler); status.Code(err) != want {
			t.Errorf("envelope inside %s: %v, want %v", slug, err, want)
		}
		if got, err := public(inside, nil, &grpc.UnaryServerInfo{}, handler); status.Code(err) != codes.NotFound {
			t.Errorf("public inside %s: got %v, %v; want no tenant", slug, got, err)
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := grpctenant.New(nil, grpctenant.FirstOf(
		grpctenant.Authority("my app"), grpctenant.Metadata("grpc-tenant", nil), grpctenant.Claim(nil),
		grpctenant.Envelope(nil), nil, grpctenant.FromHTTP(nil), grpctenant.Metadata("tenant-bin", httptenant.Signed()),
	), nil)
	if !errors.Is(err, httptenant.ErrConfig) {
		t.Fatalf("New = %v, want ErrConfig", err)
	}
	for _, mistake := range []string{
		"look-up of tenants", `"my app"`, "trust is missing", "claim", "resumer", "resolver is missing", `"grpc-tenant"`, `"tenant-bin"`, "no key",
	} {
		if !strings.Contains(err.Error(), mistake) {
			t.Errorf("error does not tell of %s:\n%v", mistake, err)
		}
	}
	if _, err := grpctenant.New(newCatalog(), nil, nil); !errors.Is(err, httptenant.ErrConfig) {
		t.Errorf("New = %v, want ErrConfig", err)
	}
}
