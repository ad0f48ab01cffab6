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
	pass   pass
	err    error // set when two tenants met in one context
}

// pass says which tenants a context lets in that are not active.
type pass int

const (
	noPass  pass = iota
	admit        // those that have data to read
	prepare      // those that are not active yet
)

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
	return enter(ctx, t, noPass)
}

// Admit is [NewContext] for a tenant that is not active, on routes that serve
// such tenants on purpose: the page where a suspended tenant pays, the export
// of an archived one. What a tenant that is not active may do with its data is
// reading, no more.
func Admit(ctx context.Context, t Tenant) context.Context {
	return enter(ctx, t, admit)
}

// Prepare is [NewContext] for a tenant that is Pending, for the work that makes
// it ready to be served: its first data, and the proof that they are its own.
// That work may write; nothing else may come near such a tenant.
func Prepare(ctx context.Context, t Tenant) context.Context {
	return enter(ctx, t, prepare)
}

func enter(ctx context.Context, t Tenant, p pass) context.Context {
	s := &scope{Context: ctx, tenant: t, pass: p}
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
// by [Admit] or [Prepare]. Every wrapper of Partywall asks here, so all of them fail alike.
func FromContext(ctx context.Context) (Tenant, error) {
	s, ok := ctx.Value(contextKey{}).(*scope)
	if !ok || !s.has() {
		return Tenant{}, ErrNoTenant
	}
	if s.err != nil {
		return Tenant{}, s.err
	}
	if err := s.lets(s.tenant); err != nil {
		return Tenant{}, err
	}
	return s.tenant, nil
}

// CheckStatus reports whether ctx lets t in, whose status may have changed since
// ctx was made: it returns nil, or the [*StatusError] of t as it is now. It is
// for wrappers that ask the catalog for each call.
func CheckStatus(ctx context.Context, t Tenant) error {
	if t.Status == Active {
		return nil
	}
	s, ok := ctx.Value(contextKey{}).(*scope)
	if !ok {
		s = &scope{}
	}
	return s.lets(t)
}

// MayWrite reports whether t, as it is now, may change its data by what is done
// with ctx: it is Active, or it is Pending and ctx is to [Prepare] it.
func MayWrite(ctx context.Context, t Tenant) bool {
	if t.Status.Writable() {
		return true
	}
	s, ok := ctx.Value(contextKey{}).(*scope)
	return ok && s.pass == prepare && t.Status == Pending
}

// lets returns nil if the scope lets a tenant in that has t's status.
func (s *scope) lets(t Tenant) error {
	switch {
	case t.Status == Active, s.pass == admit && t.Status.Readable(), s.pass == prepare && t.Status == Pending:
		return nil
	}
	return NewStatusError(t)
}
