package httptenant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/partywall/partywall/tenant"
)

// Lookup finds tenants; *tenant.Registry is one. It is used by many goroutines
// at once, and fails with tenant.ErrNotFound for a tenant that does not exist,
// with tenant.ErrUnavailable when that cannot be known. It returns tenants of
// every status.
type Lookup interface {
	Lookup(ctx context.Context, key tenant.Key) (tenant.Tenant, error)
}

// Resolver reads from a request which tenant it names. It is used by many
// goroutines at once and must not change the request.
//
//	mention    error   meaning
//	present    nil     the request names this tenant
//	zero       nil     the request says nothing here; another source may
//	any        error   it says something that cannot be believed: refused
//
// The last row is what keeps an attacker from silencing a source by breaking
// it: a forged signature is an error, never the second row.
//
// A Resolver may also have Check() error, which [New] calls to learn of
// mistakes made when it was built, and Vary() []string, the request headers it
// reads, which then show in the Vary header of every response.
type Resolver interface {
	Resolve(r *http.Request) (Mention, error)
}

// Mention is what a request says about its tenant. The zero Mention says
// nothing.
type Mention struct {
	// Source tells people where it was said: "host", "path", "token".
	Source string
	// Key is the tenant that is named.
	Key tenant.Key
	// Prefix is the part of the path that named the tenant, such as "/t/acme",
	// and that the handler must not see. It is mostly empty.
	Prefix string

	// also holds what other sources said, where their keys are of another kind
	// and can be compared only once the tenant is found.
	also []Mention
}

// Present reports whether m names a tenant.
func (m Mention) Present() bool { return m.Key != tenant.Key{} }

// And returns what m and n say together; m is asked first. It fails with a
// [*MismatchError] when they are known to disagree. Where one names a slug and
// the other an ID that is not known yet: [Mention.Find] compares them.
func (m Mention) And(n Mention) (Mention, error) {
	switch {
	case !n.Present():
		return m, nil
	case !m.Present():
		return n, nil
	}
	if m.Prefix == "" {
		m.Prefix = n.Prefix
	}
	if len(n.also) == 0 && n.Key == m.Key {
		return m, nil
	}
	m.also = slices.Clone(m.also) // m is a copy, its slice is not
	for _, said := range append([]Mention{n}, n.also...) {
		said.also = nil
		for _, before := range append([]Mention{m}, m.also...) {
			if sameKind(before.Key, said.Key) && before.Key != said.Key {
				return Mention{}, mismatch(before, said)
			}
		}
		m.also = append(m.also, said)
	}
	return m, nil
}

// Find looks up the tenant that m names. It fails as tenants does, and with a
// [*MismatchError] when the sources that m came from name different tenants.
//
// One look-up is enough for that: the tenant found carries every name that the
// other sources can call it. So a disagreement costs the same and reads the
// same whether the second tenant exists or not.
func (m Mention) Find(ctx context.Context, tenants Lookup) (tenant.Tenant, error) {
	if !m.Present() {
		return tenant.Tenant{}, tenant.ErrNoTenant
	}
	t, err := tenants.Lookup(ctx, m.Key)
	if errors.Is(err, tenant.ErrNotFound) && len(m.also) > 0 {
		// Who names nobody agrees with no one: answering 404 here and 403 for
		// a tenant that exists would tell the two apart.
		return tenant.Tenant{}, mismatch(m, m.also[0])
	}
	if err != nil {
		return tenant.Tenant{}, err //nolint:wrapcheck // the catalog's own error, for the table
	}
	for _, other := range m.also {
		if !other.Key.Matches(t) {
			return tenant.Tenant{}, mismatch(m, other)
		}
	}
	return t, nil
}

func mismatch(m, other Mention) error {
	return &MismatchError{Source: m.Source, Says: m.Key, Other: other.Source, OtherSays: other.Key}
}

// sameKind reports whether two keys can be compared without a look-up.
func sameKind(a, b tenant.Key) bool {
	_, aID := a.ID()
	_, bID := b.ID()
	_, aSlug := a.Slug()
	_, bSlug := b.Slug()
	return aID == bID && aSlug == bSlug
}

// ParseName returns the key for a slug or for an ID in its 36-character form.
// It fails with [ErrMalformed] for anything else, and for a slug that is not
// written as the catalog has it: one tenant, one spelling.
func ParseName(slugOrID string) (tenant.Key, error) {
	// No text is both: ValidateSlug refuses slugs that look like an ID, or the
	// owner of such a slug could be taken for somebody else here.
	if id, err := tenant.ParseID(slugOrID); err == nil {
		return tenant.ByID(id), nil
	}
	return slugKey(slugOrID)
}

func slugKey(slug string) (tenant.Key, error) {
	if err := tenant.ValidateSlug(slug); err != nil {
		return tenant.Key{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return tenant.BySlug(slug), nil
}

// checkOf returns the mistakes that r was built with.
func checkOf(r Resolver) error {
	if r == nil {
		return errors.New("a resolver is missing")
	}
	if c, ok := r.(interface{ Check() error }); ok {
		return c.Check() //nolint:wrapcheck // New wraps all mistakes
	}
	return nil
}

// varyOf returns the request headers that r reads.
func varyOf(r Resolver) []string {
	if v, ok := r.(interface{ Vary() []string }); ok {
		return v.Vary()
	}
	return nil
}
