package grpctenant_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/partywall/partywall/internal/sourcetoken"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/grpctenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

// session is a resolver of the host's own, that tells nobody what it reads.
type session struct{}

func (session) Resolve(r *http.Request) (httptenant.Mention, error) {
	slug := r.Header.Get("X-Session")
	if slug == "" {
		return httptenant.Mention{}, nil
	}
	return httptenant.Mention{Source: "session", Key: tenant.BySlug(slug)}, nil
}

// A source must find what the client sent, whether it says that it looks for
// it or not: one that finds nothing says nothing, and the sources that it was
// to be compared with decide alone.
func TestFromHTTPHidesNothing(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(
		":authority", "acme.myapp.com", "x-session", "globex", "trace-bin", "\x00\xff"))
	claim := httptenant.Claim(func(r *http.Request) (string, error) { return r.Header.Get("X-Session"), nil })
	for name, source := range map[string]httptenant.Resolver{"claim": claim, "own": session{}} {
		m, err := grpctenant.FromHTTP(source).Resolve(ctx)
		if m.Key != tenant.BySlug("globex") || err != nil {
			t.Errorf("%s: names %v, %v", name, m.Key, err)
		}
		both := grpctenant.FirstOf(grpctenant.Authority("myapp.com"), grpctenant.FromHTTP(source))
		if m, err := both.Resolve(ctx); !errors.Is(err, httptenant.ErrMismatch) {
			t.Errorf("%s beside the authority: names %v, %v", name, m.Key, err)
		}
	}
	seen := grpctenant.FromHTTP(httptenant.Claim(func(r *http.Request) (string, error) {
		if len(r.Header) != 1 {
			t.Errorf("headers %v", r.Header)
		}
		return "", nil
	}))
	if _, err := seen.Resolve(ctx); err != nil {
		t.Error(err)
	}
}

// nameless is a resumer that refuses and does not say whom.
type nameless struct{}

func (nameless) Resume(context.Context, string) (context.Context, error) {
	return nil, &tenant.StatusError{Status: tenant.Suspended}
}

// An envelope that is there is never taken for none.
func TestEnvelopeOfNobody(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(grpctenant.MetadataKey, "x"))
	if m, err := grpctenant.Envelope(nameless{}).Resolve(ctx); !errors.Is(err, tenant.ErrForged) {
		t.Errorf("names %v, %v", m.Key, err)
	}
}

// Whatever metadata comes, a call names no tenant that nothing proves, and the
// error has a code of the table.
func FuzzMetadata(f *testing.F) {
	tenants := newCatalog()
	// The workers of the fuzzer share the seeds, so these are the same for all.
	tenants.Tenants[0].ID = tenant.ID{6: 0x70, 8: 0x80}
	sealed, err := sourcetoken.Sign(tenants.key, tenants.Of("acme").ID.String(), time.Unix(1<<40, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(grpctenant.MetadataKey, sealed, "acme.myapp.com")
	f.Add("x-tenant", sealed, "acme.myapp.com:443")
	f.Add("authorization", "token globex", "globex.myapp.com")
	f.Add(":authority", "globex.myapp.com", "acme.myapp.com")
	f.Add("host", "globex.myapp.com", "acme.myapp.com")
	f.Add("", "\x00", "")
	resolver := grpctenant.FirstOf(grpctenant.Authority("myapp.com"), grpctenant.Envelope(tenants),
		grpctenant.Metadata("x-tenant", httptenant.Signed(tenants.key)))
	f.Fuzz(func(t *testing.T, key, value, authority string) {
		md := metadata.MD{":authority": {authority}}
		md.Append(key, value)
		m, err := resolver.Resolve(metadata.NewIncomingContext(t.Context(), md))
		if err != nil {
			if m.Present() || grpctenant.StatusOf(err).Message() == "internal error" {
				t.Fatalf("%v, %v", m.Key, err)
			}
			return
		}
		host, hostErr := httptenant.NormalizeHost(authority)
		slug, bySlug := m.Key.Slug()
		switch {
		case bySlug && (hostErr != nil || host != slug+".myapp.com"):
			t.Fatalf("%q names %q", authority, slug)
		case !bySlug && m.Present() && value != sealed:
			t.Fatalf("%q: %q names %v", key, value, m.Key)
		}
	})
}
