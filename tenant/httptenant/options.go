package httptenant

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/partywall/partywall/tenant"
)

// Options are what an [Edge] can do without. The zero Options and nil are the
// same.
type Options struct {
	// Routes is the router that [Public] and [Serve] routes are in. Defaults
	// to the handler given to [Edge.Wrap] when that is a Router itself, such
	// as *http.ServeMux; it must be set when something stands between. What
	// stands between must leave path and method alone, or Routes is asked
	// about one route and another runs: that one gets at no data, see [Serve].
	Routes Router

	// Public reports whether r is served without a tenant, whatever it names:
	// for routers that are no [Router]. The context is tenant.Without then.
	// It is asked for every request with a canonical path; one with "//", "..",
	// or needless percent encoding is never public. Defaults to no request.
	Public func(r *http.Request) bool

	// Admit reports whether t is served on r although it is not active: for
	// routers that are no [Router]. The path has no prefix of [PathPrefix] any
	// more, and is canonical, as for Public. Defaults to no request.
	//
	//	t.Status             Admit  meaning
	//	active               —      not asked, served
	//	pending, deleted     —      refused: there is no data to show
	//	other                true   served, the context is tenant.Admit
	//	other                false  refused, the status of [StatusOf]
	Admit func(r *http.Request, t tenant.Tenant) bool

	// Error writes the answer to a request that is refused, in the host's own
	// looks. Cache-Control, Retry-After and Vary are set by then; what it
	// writes without a status gets status. It must not show err to the client.
	// It may be called by many goroutines at once. Defaults to a small page,
	// problem details (RFC 9457) or a line of text, by the Accept header.
	Error func(w http.ResponseWriter, r *http.Request, err error, status int)

	// TrustForwardedHost are the networks of the proxies whose X-Forwarded-Host
	// is taken for the host of the request, by the address of the TCP peer. The
	// handler finds it in r.Host. Such a proxy must remove the header from what
	// clients send, or set it always. From everyone else the header is ignored:
	// browsers' extensions and proxies of the client's send it in good faith.
	// Defaults to nobody.
	TrustForwardedHost []netip.Prefix

	// Logger gets one line per refused request: the status, the reason, the
	// tenant's ID if it is known, and never a header or a token. What an
	// attack or a fault causes is a warning or an error, the rest is debug.
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// Check reports all mistakes in resolver and opts, as [New] does: for hosts
// that use [Middleware] and want to fail at start.
func Check(resolver Resolver, opts *Options) error {
	var mistakes []error
	if err := checkOf(resolver); err != nil {
		mistakes = append(mistakes, err)
	}
	if opts != nil && len(opts.TrustForwardedHost) > 0 {
		if _, err := forwarders(opts); err != nil {
			mistakes = append(mistakes, fmt.Errorf("TrustForwardedHost: %w", err))
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}
