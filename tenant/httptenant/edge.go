package httptenant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/partywall/partywall/internal/sourcetoken"
	"github.com/partywall/partywall/tenant"
)

// Edge is where requests get their tenant. It never changes after [New] and
// may be used by many goroutines at once.
type Edge struct {
	tenants    Lookup
	resolver   Resolver
	opts       Options
	forwarders sourcetoken.Peers
	vary       string
	log        *slog.Logger
	rows       []rule
	pages      []page
}

// New returns an Edge that finds in tenants what resolver reads from requests.
// It reports all mistakes at once, with [ErrConfig]; it dials nothing and
// starts nothing.
func New(tenants Lookup, resolver Resolver, opts *Options) (*Edge, error) {
	if opts == nil {
		opts = &Options{}
	}
	err := Check(resolver, opts)
	if tenants == nil {
		err = errors.Join(err, fmt.Errorf("%w: the look-up of tenants is missing", ErrConfig))
	}
	rows := rules()
	pages, pageErr := renderAll(rows)
	if err = errors.Join(err, pageErr); err != nil {
		return nil, err
	}
	e := &Edge{tenants: tenants, resolver: resolver, opts: *opts, log: loggerOf(opts), rows: rows, pages: pages}
	vary := slices.Clone(varyOf(resolver))
	if len(opts.TrustForwardedHost) > 0 {
		vary = append(vary, forwardedHost)
		e.forwarders, err = forwarders(opts)
	}
	e.vary = strings.Join(vary, ", ")
	return e, err
}

// Middleware is [New] and [Edge.Wrap] in one line. A mistake in its arguments
// is logged once, and every request is answered with 500: a wall with a hole
// does not open. Call [Check] before, or use [New], to fail at start.
func Middleware(tenants Lookup, resolver Resolver, opts *Options) func(http.Handler) http.Handler {
	e, err := New(tenants, resolver, opts)
	if err == nil {
		return e.Wrap
	}
	loggerOf(opts).Error("httptenant: refusing to serve", "error", err)
	return func(http.Handler) http.Handler { return http.HandlerFunc(refuseAll) }
}

func refuseAll(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}

func loggerOf(opts *Options) *slog.Logger {
	if opts == nil || opts.Logger == nil {
		return slog.Default()
	}
	return opts.Logger
}

// Wrap returns a handler that runs next in the context of the tenant that the
// request names, and answers requests that must not be served itself. See
// [Public] and [Serve] for routes that are an exception.
func (e *Edge) Wrap(next http.Handler) http.Handler {
	h := &handler{edge: e, next: next, routes: e.opts.Routes}
	if h.routes == nil {
		h.routes, _ = next.(Router)
	}
	if next == nil {
		e.log.Error("httptenant: refusing to serve", "error", "Wrap was given no handler")
		return http.HandlerFunc(refuseAll)
	}
	return h
}

type handler struct {
	edge   *Edge
	next   http.Handler
	routes Router
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := h.edge
	if e.vary != "" {
		// On every response, the ones to requests without the header too: that
		// it was not there is what they depend on.
		w.Header().Add("Vary", e.vary)
	}
	r, err := e.unforward(r)
	if e.opts.Public != nil && canonical(r.URL) && e.opts.Public(r) {
		h.next.ServeHTTP(w, withoutTenant(r))
		return
	}
	var m Mention
	if err == nil {
		m, err = e.resolver.Resolve(r)
	}
	if err == nil && m.Prefix != "" {
		r, err = stripped(r, m.Prefix)
	}
	var t tenant.Tenant
	if err == nil {
		r, t, err = e.enter(r, m)
	}
	if err == nil {
		serve(h.next, w, r, m.Prefix)
		return
	}
	err = alive(r, err)
	if opted := h.optedIn(r, t, err); opted != nil {
		serve(h.next, w, opted, m.Prefix)
		return
	}
	e.Error(w, r, err)
}

// stripped returns r as the handler is to see it. It comes before the look-up,
// so that a public route under a prefix is found whoever is looked up, and does
// not tell which names are taken.
func stripped(r *http.Request, prefix string) (*http.Request, error) {
	u, ok := strip(r.URL, prefix)
	if !ok {
		return r, malformed(sourcePath, "does not start with the prefix that was resolved")
	}
	r = r.WithContext(r.Context()) // a shallow copy; callers keep theirs
	r.URL = u
	return r, nil
}

// enter returns r in the context of the tenant that m names. The request is
// returned with an error too, and the tenant if it is one that is not active.
func (e *Edge) enter(r *http.Request, m Mention) (*http.Request, tenant.Tenant, error) {
	t, err := m.Find(r.Context(), e.tenants)
	if err != nil {
		return r, tenant.Tenant{}, err //nolint:wrapcheck // the source's own error, for the table
	}
	// FromContext has the last word, as it will have in every wrapper behind
	// us: it refuses a tenant that is not active, a tenant without an ID, and
	// a context that belongs to another tenant already.
	ctx := tenant.NewContext(r.Context(), t)
	_, err = tenant.FromContext(ctx)
	if errors.Is(err, tenant.ErrTwoTenants) {
		return r, tenant.Tenant{}, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return r.WithContext(ctx), t, err //nolint:wrapcheck // the tenant's own error, for the table
}

// alive makes a cancellation that the client did not cause a fault of ours. A
// look-up shared between requests ends so when the first of them goes away.
func alive(r *http.Request, err error) error {
	if errors.Is(err, context.Canceled) && r.Context().Err() == nil {
		return fmt.Errorf("%w: %w", tenant.ErrUnavailable, err)
	}
	return err
}

const forwardedHost = "X-Forwarded-Host"

func forwarders(opts *Options) (sourcetoken.Peers, error) {
	return sourcetoken.NewPeers(opts.TrustForwardedHost...) //nolint:wrapcheck // Check wraps it
}

// unforward returns r with the host that a trusted proxy says the client asked
// for.
func (e *Edge) unforward(r *http.Request) (*http.Request, error) {
	values := r.Header[forwardedHost]
	if len(values) == 0 || !e.forwarders.Contain(r.RemoteAddr) {
		return r, nil
	}
	// Proxies in a row append theirs, by a comma or a second header. Which of
	// them the client asked for cannot be known from here.
	if len(values) > 1 || strings.Contains(values[0], ",") {
		return r, malformed("forwarded host", "is there more than once")
	}
	host, err := NormalizeHost(values[0])
	if err != nil {
		return r, err
	}
	forwarded := r.WithContext(r.Context()) // a shallow copy; callers keep theirs
	forwarded.Host = host
	if r.Header["Host"] != nil { // HTTP/2, see hostOf: it belongs to the proxy's hop
		forwarded.Header = r.Header.Clone()
		forwarded.Header.Del("Host")
	}
	return forwarded, nil
}
