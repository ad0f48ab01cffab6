// Package web is what people see of a chain of record stores: pages and a
// small JSON API per store, on the store's own subdomain, and a page of the
// chain. Its handlers and queries know no tenants; [New] puts one line of
// middleware around them.
package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gocloud.dev/gcerrors"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/examples/recordstore/store"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/domain"
	"github.com/partywall/partywall/tenant/domain/redirect"
	"github.com/partywall/partywall/tenant/httptenant"
)

// Base is the host name of the chain itself; stores are one label below it.
// Browsers find *.localhost on their own machine without being told.
const Base = "localhost"

// Header is where a gateway names the store in requests that it has signed.
const Header = "X-Tenant"

// PathSignUp is where new stores join, on the chain's own host.
const PathSignUp = "/signup"

// Tenants is what the pages ask of the catalog; *tenant.Registry is one.
type Tenants interface {
	Lookup(ctx context.Context, key tenant.Key) (tenant.Tenant, error)
	All(ctx context.Context, q tenant.Query) iter.Seq2[tenant.Tenant, error]
}

// Parts are what the site is made from.
type Parts struct {
	Tenants Tenants
	// DB, Cache and Files are the stores' rows, cached values and files.
	DB    *isolation.DB
	Cache *cache.Client
	Files *storage.Buckets
	// Depot serves files by the signed URLs of Files, below [PathFiles].
	Depot http.Handler
	// Domains are the stores' own; nil where they have none, which is the only
	// part that may be missing.
	Domains *domain.Catalog
}

// Options are what [New] may be told.
type Options struct {
	// GatewayKey signs [Header]; see httptenant.Sign. Defaults to nobody being
	// believed.
	GatewayKey []byte
	// SignUp takes in new stores, at [PathSignUp] and below. Defaults to the
	// chain staying as it is.
	SignUp http.Handler
	// DNS adds a record to a store's own domain, in place of its owner, who would
	// do so at a provider. Defaults to nobody doing that.
	DNS func(domain.Record) error
	// Plain and Secure are the addresses, as host:port, at which the chain is
	// served by HTTP and by HTTPS. Default to whatever a request was sent to, and
	// to no HTTPS.
	Plain, Secure string
	// Playground adds routes that run any SQL and any commands of Redis that a
	// client sends, and open files by any name, for an attacker to try the wall.
	// Never serve it to anybody else. Defaults to no such routes.
	Playground bool
	// Logger gets what clients are not told. Defaults to slog.Default.
	Logger *slog.Logger
}

// site has the handlers.
type site struct {
	Parts

	edge   *httptenant.Edge
	pages  *template.Template
	signUp http.Handler // nil for none
	dns    func(domain.Record) error
	plain  string
	secure string
	log    *slog.Logger
}

// New returns the handler of the whole site. opts may be nil.
func New(parts Parts, opts *Options) (http.Handler, error) {
	if opts == nil {
		opts = &Options{}
	}
	resolver := httptenant.Subdomain(Base)
	if parts.Domains != nil {
		resolver = httptenant.FirstOf(resolver, httptenant.CustomDomain(parts.Domains.Owner))
	}
	if opts.GatewayKey != nil {
		// A request may be named by its host, or by the gateway, or by both;
		// where they disagree it is refused.
		resolver = httptenant.FirstOf(resolver, httptenant.Header(Header, httptenant.Signed(opts.GatewayKey)))
	}
	s := &site{Parts: parts, signUp: opts.SignUp, dns: opts.DNS, plain: opts.Plain, secure: opts.Secure, log: opts.Logger}
	if s.log == nil {
		s.log = slog.Default()
	}
	var err error
	if s.edge, err = httptenant.New(parts.Tenants, resolver, &httptenant.Options{Logger: s.log}); err != nil {
		return nil, err
	}
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	all := s.edge.Wrap(s.routes(opts.Playground))
	if parts.Domains == nil {
		return all, nil
	}
	return s.redirected(all)
}

// redirected puts the redirects of stores' own domains in front of a handler.
func (s *site) redirected(next http.Handler) (http.Handler, error) {
	port := 0
	if _, text, err := net.SplitHostPort(s.secure); err == nil {
		if port, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("web: Options.Secure: %w", err)
		}
	}
	return redirect.New(s.Domains, next, &redirect.Options{HTTPSPort: port})
}

func (s *site) routes(playground bool) *http.ServeMux {
	mux := http.NewServeMux()
	// Without a port the mux leaves the brackets of an IPv6 address, with one it
	// takes them away.
	for _, host := range []string{Base, "127.0.0.1", "[::1]", "::1"} {
		mux.Handle("GET "+host+"/{$}", httptenant.Public(s.handle(s.chainPage)))
	}
	mux.Handle("GET "+Base+PathFiles+"/{bucket}", httptenant.Public(s.Depot))
	if s.signUp != nil {
		mux.Handle(Base+PathSignUp, httptenant.Public(s.signUp))
		mux.Handle(Base+PathSignUp+"/", httptenant.Public(s.signUp))
	}
	mux.Handle("GET /{$}", s.handle(s.storePage))
	mux.Handle("GET /catalogue", s.handle(s.cataloguePage))
	mux.Handle("GET /covers/{id}", s.handle(s.cover))
	mux.Handle("GET /covers/{id}/link", s.handle(s.linkCover))
	mux.Handle("GET /invoices/{id}", s.handle(s.invoiceText))
	mux.Handle("GET /api/summary", s.handle(s.summary))
	mux.Handle("GET /api/invoices", s.handle(s.invoices))
	mux.Handle("GET /api/invoices/{id}", s.handle(s.invoice))
	mux.Handle("GET /api/customers", s.handle(s.customers))
	mux.Handle("POST /api/customers", s.handle(s.createCustomer))
	mux.Handle("DELETE /api/customers/{id}", s.handle(s.deleteCustomer))
	mux.Handle("PUT /api/covers/{id}", s.handle(s.putCover))
	mux.Handle("DELETE /api/covers/{id}", s.handle(s.deleteCover))
	if s.Domains != nil {
		s.addDomains(mux)
	}
	if playground {
		s.addPlayground(mux)
		s.addHoles(mux)
	}
	return mux
}

// queries are the store's own: sqlc's code takes DB as it is.
func (s *site) queries() *store.Queries { return store.New(s.DB) }

// handle makes a handler that may fail.
func (s *site) handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// fail answers with the status that httptenant's table has for err, after
// bringing the errors of PostgreSQL and of buckets into its words.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows), gcerrors.Code(err) == gcerrors.NotFound:
		err = fmt.Errorf("%w: %w", tenant.ErrNotFound, err)
	case errors.Is(err, storage.ErrKey), errors.Is(err, storage.ErrRefused), errors.Is(err, storage.ErrQuota):
		err = fmt.Errorf("%w: %w", tenant.ErrInvalid, err)
	case !errors.As(err, &pg):
	case pg.Code == "23505", pg.Code == "23503": // unique_violation, foreign_key_violation
		err = fmt.Errorf("%w: %w", tenant.ErrConflict, err)
	case pg.Code == "22021": // character_not_in_repertoire: a NUL in a text
		err = fmt.Errorf("%w: %w", tenant.ErrInvalid, err)
	}
	if httptenant.StatusOf(err) == http.StatusInternalServerError {
		s.log.ErrorContext(r.Context(), "web: request failed", "path", r.URL.Path, "error", err)
	}
	s.edge.Error(w, r, err)
}
