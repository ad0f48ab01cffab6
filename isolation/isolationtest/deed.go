package isolationtest

import (
	"context"
	"net/http"
)

// deed is something that can be done as a tenant: a route asked for or a
// function called.
type deed interface {
	String() string
	// reads says that doing it changes nothing.
	reads() bool
	parameters(ids map[string]string) []string
	missing(t *Tenant) error
	// do does it as a tenant, with identifiers, in a disguise.
	do(ctx context.Context, h *Host, as *Tenant, ids map[string]string, d disguise) (answer, error)
	// disguises are the ways to pretend that one is somebody else.
	disguises(other *Tenant) []disguise
}

// disguise changes a request before it is made a tenant's own.
type disguise struct {
	name string
	put  func(r *http.Request)
}

// request is a route as a deed.
type request struct{ Route }

func (q request) do(ctx context.Context, h *Host, as *Tenant, ids map[string]string, d disguise) (answer, error) {
	header := http.Header{}
	for name, values := range q.Header {
		for _, v := range values {
			header.Add(name, fill(v, with(ids, asIs)))
		}
	}
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	return h.send(ctx, d.on(as), method, q.url(ids), fill(q.Body, with(ids, asIs)), header)
}

// on returns what makes a request the tenant's own under a disguise: what the
// tenant's own client says is what counts, and nothing of it is replaced.
func (d disguise) on(as *Tenant) func(*http.Request) {
	if d.put == nil {
		return as.As
	}
	return func(r *http.Request) {
		d.put(r)
		as.As(r)
	}
}

func (q request) disguises(other *Tenant) []disguise {
	var out []disguise
	for _, alias := range other.aliases() {
		for _, name := range disguiseHeaders() {
			out = append(out, disguise{"with " + name + ": " + alias, func(r *http.Request) { r.Header.Set(name, alias) }})
		}
		for _, name := range disguiseQueries() {
			out = append(out, disguise{"with ?" + name + "=" + alias, func(r *http.Request) {
				query := r.URL.Query()
				query.Set(name, alias)
				r.URL.RawQuery = query.Encode()
			}})
		}
		out = append(out, disguise{"with a cookie tenant=" + alias, func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "tenant", Value: alias}) //nolint:gosec // G124: it is the attacker's
		}})
	}
	return append(out, otherHost(other))
}

// otherHost sends what the other's own client would say as the host, where a
// proxy says it.
func otherHost(other *Tenant) disguise {
	return disguise{"with X-Forwarded-Host of " + other.Name, func(r *http.Request) {
		theirs := r.Clone(r.Context())
		other.As(theirs)
		r.Header.Set("X-Forwarded-Host", theirs.Host)
		r.Header.Set("Forwarded", "host="+theirs.Host)
		r.Header.Set("X-Original-Host", theirs.Host)
	}}
}

// disguiseHeaders and disguiseQueries are names by which edges are told whose a
// request is.
func disguiseHeaders() []string {
	return []string{"X-Tenant", "X-Tenant-Id", "X-Org-Id", "X-Organization-Id", "X-Account-Id", "X-Forwarded-User", "X-Original-Url"}
}

func disguiseQueries() []string { return []string{"tenant", "tenant_id", "org", "org_id", "account"} }

// aliases are the names that others know a tenant by.
func (t *Tenant) aliases() []string {
	if len(t.Aliases) > 0 {
		return t.Aliases
	}
	return []string{t.Name}
}
