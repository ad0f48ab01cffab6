package httptenant

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/partywall/partywall/tenant"
)

// Router tells which handler will serve a request, without serving it.
// *http.ServeMux is one. An [Edge] asks it only about requests that it would
// refuse otherwise, to find out whether their route is [Public] or [Serve].
//
// So the decision is made by the router's own idea of the path, and not by a
// second one that "//", "..", or an encoded slash could lead apart from it.
type Router interface {
	Handler(r *http.Request) (h http.Handler, pattern string)
}

type publicRoute struct{ next http.Handler }

// Public makes h a route without a tenant: a health check, a landing page, the
// sign-up. It is served whatever the request names, or fails to name, and its
// context is tenant.Without: every wrapper of Partywall fails there with
// tenant.ErrNoTenant.
//
//	mux.Handle("GET /healthz", httptenant.Public(health))
//
// Public must be the outermost wrapper of what the router is given, and the
// router must be known to the [Edge]; see [Options.Routes]. Where it is not
// found, the request is refused.
func Public(h http.Handler) http.Handler { return publicRoute{h} }

// ServeHTTP implements [http.Handler].
func (p publicRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.next.ServeHTTP(w, withoutTenant(r))
}

type servingRoute struct {
	next     http.Handler
	statuses []tenant.Status
}

// Serve makes h a route that serves tenants of the statuses given as well as
// active ones: the page where a suspended tenant pays, the export of an
// archived one. Its context is tenant.Admit. Pending and deleted tenants have
// no data and are never served.
//
//	mux.Handle("GET /billing", httptenant.Serve(billing, tenant.Suspended))
//
// What is said of [Public] about wrappers and routers holds here too. The
// tenant is let in by the route itself, when it runs: should the router choose
// another one than it told the [Edge], that one finds a tenant that is not
// active, and none of its data.
func Serve(h http.Handler, statuses ...tenant.Status) http.Handler {
	return servingRoute{h, slices.Clone(statuses)}
}

func (s servingRoute) serves(status tenant.Status) bool { return slices.Contains(s.statuses, status) }

// ServeHTTP implements [http.Handler].
func (s servingRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t, ok := r.Context().Value(heldKey{}).(tenant.Tenant); ok && s.serves(t.Status) {
		r = r.WithContext(tenant.Admit(r.Context(), t))
	}
	s.next.ServeHTTP(w, r)
}

// heldKey is where a tenant that is not active waits for the route that lets
// it in. Nothing outside this package can put one there.
type heldKey struct{}

func withoutTenant(r *http.Request) *http.Request {
	return r.WithContext(tenant.Without(r.Context()))
}

// optedIn returns the request as it is to be served although enter failed with
// err, or nil.
func (h *handler) optedIn(r *http.Request, t tenant.Tenant, err error) *http.Request {
	var inactive *tenant.StatusError
	held := errors.As(err, &inactive) && inactive.ID == t.ID && t.Status.Readable()
	switch route := h.route(r).(type) {
	case publicRoute:
		return withoutTenant(r)
	case servingRoute:
		if held && route.serves(t.Status) {
			return r.WithContext(context.WithValue(r.Context(), heldKey{}, t))
		}
	}
	admit := h.edge.opts.Admit
	if held && admit != nil && canonical(r.URL) && admit(r, t) {
		return r.WithContext(tenant.Admit(r.Context(), t))
	}
	return nil
}

// maxNested bounds routers in routers; one that returned itself would keep us.
const maxNested = 8

// route returns the handler that will serve r, or nil if that is not known.
func (h *handler) route(r *http.Request) http.Handler {
	var found http.Handler
	router := h.routes
	for range maxNested {
		if router == nil {
			return found
		}
		found, _ = router.Handler(r)
		router, _ = found.(Router)
	}
	return nil
}
