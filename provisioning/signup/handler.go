package signup

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"iter"
	"net/http"
	"sync"

	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// Actor is whose wish a sign-up is, in the records of its operation. Operations
// that have it can be followed by whoever knows their ID.
const Actor = "signup"

// Engine makes tenants: a *provisioning.Engine with a Lifecycle, which need not
// be a worker.
type Engine interface {
	Provision(ctx context.Context, spec tenant.Spec, r *provisioning.Request) (provisioning.Handle[provisioning.Born], error)
	Get(ctx context.Context, id provisioning.ID) (provisioning.Operation, error)
	Events(ctx context.Context, id provisioning.ID, after int64) iter.Seq2[provisioning.Event, error]
}

// Handler is the sign-up of a host. It may be used from any goroutine.
type Handler struct {
	engine    Engine
	opts      Options
	mux       *http.ServeMux
	origins   *http.CrossOriginProtection
	page      *template.Template
	limits    *limits
	followers followers

	end     sync.Once
	closing chan struct{}
}

// New returns a handler that has engine make tenants, for all paths that begin
// with [Options.Prefix]. It checks everything and starts nothing.
func New(engine Engine, options *Options) (*Handler, error) {
	h := &Handler{
		engine: engine, opts: options.withDefaults(), mux: http.NewServeMux(), origins: http.NewCrossOriginProtection(),
		closing: make(chan struct{}),
	}
	errs := []error{h.opts.validate()}
	if engine == nil {
		errs = append(errs, errors.New("signup: invalid: engine is nil"))
	}
	for _, origin := range h.opts.TrustedOrigins {
		if err := h.origins.AddTrustedOrigin(origin); err != nil {
			errs = append(errs, fmt.Errorf("signup: invalid: Options.TrustedOrigins: %w", err))
		}
	}
	if h.page = h.opts.Page; h.page == nil {
		var err error
		h.page, err = template.ParseFS(assets, "assets/page.html")
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h.limits = newLimits(&h.opts)
	h.followers = followers{most: h.opts.Followers, each: h.opts.OperationFollowers}
	h.route()
	return h, nil
}

func (h *Handler) route() {
	at := h.opts.Prefix
	h.mux.HandleFunc("GET "+at, h.form)
	h.mux.HandleFunc("POST "+at, h.start)
	h.mux.HandleFunc("GET "+at+"/{operation}", h.status)
	h.mux.HandleFunc("GET "+at+"/{operation}/events", h.events)
	for name, kind := range map[string]string{"signup.css": "text/css; charset=utf-8", "signup.js": "text/javascript; charset=utf-8"} {
		h.mux.HandleFunc("GET "+at+"/"+name, asset(name, kind))
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	// Who has the URL may follow the sign-up. A form is still to name its origin,
	// which it would not with no-referrer.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	h.mux.ServeHTTP(w, r)
}

// Close has those who follow operations live go, now and from now on; they come
// back to another node. It is for [http.Server.RegisterOnShutdown]: a server
// that shuts down waits for them otherwise.
func (h *Handler) Close() { h.end.Do(func() { close(h.closing) }) }
