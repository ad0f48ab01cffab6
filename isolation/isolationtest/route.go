package isolationtest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Route is a request with gaps in it. {order} in Path, Header and Body stands
// for Tenant.IDs["order"]; {order|17} too, or for 17 where the tenant has none.
type Route struct {
	// Method defaults to GET.
	Method string
	// Path begins with a slash, and may have a query. A pair of the query
	// whose gap is filled by nothing, {order|}, is left out.
	Path   string
	Header http.Header
	Body   string
}

// Routes are routes as routers write them: "GET /orders/{id}", in the styles of
// net/http ({rest...}, {$}), chi and gorilla ({id:[0-9]+}), echo and gin (:id,
// *rest). Without a method it is GET. A host in front of the path is dropped:
// it is Tenant.As who says the host. Since most things have an id, {id} behind
// /orders/ becomes {orders.id}.
func Routes(patterns ...string) []Route {
	var out []Route
	for _, p := range patterns {
		method, path, found := strings.Cut(strings.TrimSpace(p), " ")
		if !found {
			method, path = http.MethodGet, p
		}
		path = strings.TrimSpace(path)
		if i := strings.IndexByte(path, '/'); i > 0 {
			path = path[i:]
		}
		out = append(out, Route{Method: method, Path: gaps(path)})
	}
	return out
}

// With returns the route with a body, and its content type.
func (r Route) With(contentType, body string) Route {
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", contentType)
	r.Body = body
	return r
}

// String is the route's method and path.
func (r Route) String() string { return cmp.Or(r.Method, http.MethodGet) + " " + r.Path }

func (r Route) check() error {
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("isolationtest: route %q: the path does not begin with a slash", r)
	}
	if strings.ContainsFunc(r.Method, func(c rune) bool { return (c < 'A' || c > 'Z') && c != '-' }) {
		return fmt.Errorf("isolationtest: route %q: invalid method %q", r, r.Method)
	}
	return nil
}

// parameters are the names of the gaps in the path and header, and of those in
// the body that the tenant has a value for: other braces there are JSON's.
func (r Route) parameters(ids map[string]string) []string {
	var names []string
	collect := func(all bool) func(gap) (string, bool) {
		return func(g gap) (string, bool) {
			_, known := ids[g.name]
			if (known || all && !g.optional) && !slices.Contains(names, g.name) {
				names = append(names, g.name)
			}
			return "", false
		}
	}
	fill(r.Path, collect(true))
	for _, values := range r.Header {
		fill(strings.Join(values, " "), collect(true))
	}
	fill(r.Body, collect(false))
	return names
}

// missing is an error when the tenant has no value for a gap that has to be
// filled.
func (r Route) missing(t *Tenant) error {
	var errs []error
	for _, name := range r.parameters(t.IDs) {
		if t.IDs[name] == "" {
			errs = append(errs, fmt.Errorf("tenant %s has no value for {%s} of %s: set Tenant.IDs[%[2]q]", t.Name, name, r))
		}
	}
	return errors.Join(errs...)
}

// url is the filled path and query.
func (r Route) url(ids map[string]string) string {
	path, query, _ := strings.Cut(r.Path, "?")
	path = fill(path, with(ids, func(s string) string { // a value may be a whole rest of a path
		return strings.ReplaceAll(url.PathEscape(s), "%2F", "/")
	}))
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		filled := fill(pair, with(ids, url.QueryEscape))
		if pair != "" && (filled == pair || !strings.HasSuffix(filled, "=")) {
			pairs = append(pairs, filled)
		}
	}
	if len(pairs) == 0 {
		return path
	}
	return path + "?" + strings.Join(pairs, "&")
}

// reads reports whether the route's method promises to change nothing.
func (r Route) reads() bool {
	return slices.Contains([]string{"", http.MethodGet, http.MethodHead, http.MethodOptions}, r.Method)
}
