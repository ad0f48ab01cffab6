package tenant

import (
	"context"
	"fmt"
)

// contextKey is the only key under which a tenant travels; nothing outside
// this package can make one.
type contextKey struct{}

// scope is what a context says about its tenant. A scope without a tenant is
// the explicit "no tenant here" of [Without].
type scope struct {
	context.Context

	tenant Tenant
	admit  bool
	err    error // set when two tenants met in one context
}

// Value implements [context.Context]. A scope is its own context node, so that
// putting a tenant into a context allocates once.
func (s *scope) Value(key any) any {
	if key == (contextKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// NewContext returns a context that belongs to t. It is the one way in: from
// here on every wrapper of Partywall works on t's data and nobody else's.
//
// A context that belongs to another tenant already is not silently handed
// over: [FromContext] fails with [ErrTwoTenants] for the context returned. Use
// [Without] first where a change of tenant is meant.
func NewContext(ctx context.Context, t Tenant) context.Context {
	return enter(ctx, t, false)
}

// Admit is [NewContext] for a tenant that is not active, on routes that serve
// such tenants on purpose: the page where a suspended tenant pays, the export
// of an archived one. What a tenant that is not active may do with its data is
// reading, no more.
func Admit(ctx context.Context, t Tenant) context.Context {
	return enter(ctx, t, true)
}

func enter(ctx context.Context, t Tenant, admit bool) context.Context {
	s := &scope{Context: ctx, tenant: t, admit: admit}
	if t.ID.IsZero() || t.Number <= 0 {
		s.err = ErrNoTenant
	}
	if outer, ok := ctx.Value(contextKey{}).(*scope); ok && outer.has() {
		switch {
		case outer.err != nil:
			s.err = outer.err
		case outer.tenant.ID != t.ID:
			s.err = fmt.Errorf("%w: %s (%s) and %s (%s)", ErrTwoTenants,
				outer.tenant.ID, outer.tenant.Slug, t.ID, t.Slug)
		}
	}
	return s
}

// has reports whether s is about a tenant at all.
func (s *scope) has() bool { return s.err != nil || !s.tenant.ID.IsZero() }

// Without returns a context that belongs to no tenant, whatever ctx belonged
// to: for work of the host itself, started from within a request.
func Without(ctx context.Context) context.Context { return &scope{Context: ctx} }

// FromContext returns the tenant that ctx belongs to. It fails with
// [ErrNoTenant] when there is none, with [ErrTwoTenants] when two have met,
// and with a [*StatusError] when the tenant is not active and was not let in
// by [Admit]. Every wrapper of Partywall asks here, so all of them fail alike.
func FromContext(ctx context.Context) (Tenant, error) {
	s, ok := ctx.Value(contextKey{}).(*scope)
	if !ok || !s.has() {
		return Tenant{}, ErrNoTenant
	}
	if s.err != nil {
		return Tenant{}, s.err
	}
	if s.tenant.Status == Active || s.admit && s.tenant.Status.Readable() {
		return s.tenant, nil
	}
	return Tenant{}, NewStatusError(s.tenant)
}

// Admitted reports whether ctx lets a tenant in that is not active.
func Admitted(ctx context.Context) bool {
	s, ok := ctx.Value(contextKey{}).(*scope)
	return ok && s.admit
}
