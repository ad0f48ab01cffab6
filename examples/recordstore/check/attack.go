package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/tenant/httptenant"
)

// attack has one store try everything against its neighbours.
func (r *run) attack(ctx context.Context, s *store) {
	if s.want == nil || s.number == 0 {
		return
	}
	victim := r.neighbour(s)
	if victim == nil {
		return
	}
	r.guessIDs(ctx, s)
	r.forgeHeaders(ctx, s, victim)
	r.bendRequests(ctx, s, victim)
	r.inject(ctx, s, victim)
	r.raid(ctx, s, victim)
}

// neighbour returns the store after s that could be attacked.
func (r *run) neighbour(s *store) *store {
	at := 0
	for i, other := range r.stores {
		if other == s {
			at = i
		}
	}
	for i := range r.stores {
		if v := r.stores[(at+1+i)%len(r.stores)]; v != s && v.want != nil && v.number != 0 {
			return v
		}
	}
	return nil
}

// count notes one more attempt.
func (r *run) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Attacks++
}

// inspect looks for others' rows in what an attempt of s, or of nobody, has
// brought.
func (r *run) inspect(s *store, attempt, text string) {
	who := "nobody"
	if s != nil {
		who = s.country
	}
	if found := r.foreign(text, s); found != nil {
		r.leakf("%s: %s got %s and %d more", who, attempt, found[0], len(found)-1)
	}
}

// guessIDs asks for others' rows by their ids.
func (r *run) guessIDs(ctx context.Context, s *store) {
	for country, other := range r.want.stores {
		if country == s.country {
			continue
		}
		r.refused(ctx, s, http.MethodGet, fmt.Sprintf("/api/invoices/%d", some(other.invoices)))
		r.refused(ctx, s, http.MethodGet, fmt.Sprintf("/invoices/%d", some(other.invoices)))
		r.refused(ctx, s, http.MethodDelete, fmt.Sprintf("/api/customers/%d", some(other.customers)))
	}
}

// refused sends a request for what is not the store's, which is not there as
// far as the store can know.
func (r *run) refused(ctx context.Context, s *store, method, path string) {
	r.count()
	a, err := r.client.send(ctx, method, s.slug, path, nil, nil)
	if r.failed(ctx, s.country, err) {
		return
	}
	if a.status != http.StatusNotFound {
		r.leakf("%s: %s %s: status %d", s.country, method, path, a.status)
	}
	r.inspect(s, method+" "+path, a.body)
}

// request is an attempt by a request to this store that tries to be another's.
type request struct {
	name   string
	path   string
	status int // the only one that will do; with 200 the answer must be this store's own
	change func(*http.Request)
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

// forgeHeaders says in headers that the request is the victim's.
func (r *run) forgeHeaders(ctx context.Context, s, victim *store) {
	sign := func(key []byte, slug string, until time.Duration) string {
		value, err := httptenant.Sign(key, slug, time.Now().Add(until))
		r.failed(ctx, "signing", err)
		return value
	}
	host := victim.slug + "." + web.Base
	ours, good := r.config.GatewayKey, sign(r.config.GatewayKey, victim.slug, time.Minute)
	wrong := make([]byte, len(ours))
	const own = http.StatusOK
	for _, q := range []request{
		{"a bare tenant header", "", http.StatusForbidden, header(web.Header, victim.slug)},
		{"the gateway's signature for another host", "", http.StatusForbidden, header(web.Header, good)},
		{"a signature by another key", "", http.StatusForbidden, header(web.Header, sign(wrong, victim.slug, time.Minute))},
		{"an expired signature", "", http.StatusForbidden, header(web.Header, sign(ours, victim.slug, -time.Minute))},
		{"a signature with another name", "", http.StatusForbidden, header(web.Header, strings.Replace(sign(ours, s.slug, time.Minute), s.slug, victim.slug, 1)+"x")},
		{"two tenant headers", "", http.StatusBadRequest, header(web.Header, sign(ours, s.slug, time.Minute), good)},
		{"X-Forwarded-Host", "", own, header("X-Forwarded-Host", host)},
		{"X-Forwarded-Server", "", own, header("X-Forwarded-Server", host)},
		{"X-Original-Host", "", own, header("X-Original-Host", host)},
		{"X-Host", "", own, header("X-Host", host)},
		{"X-Tenant-Id", "", own, header("X-Tenant-Id", fmt.Sprint(victim.number))},
		{"Forwarded", "", own, header("Forwarded", "host="+host)},
		{"a cookie", "", own, header("Cookie", "tenant="+victim.slug)},
		{"a referrer", "", own, header("Referer", "http://"+host+"/")},
		{"a bearer token", "", own, header("Authorization", "Bearer "+victim.slug)},
	} {
		q.path = "/api/summary"
		r.try(ctx, s, q)
	}
}

// bendRequests names the victim in the path, the query and the host.
func (r *run) bendRequests(ctx context.Context, s, victim *store) {
	as := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	const summary = "/api/summary"
	base := "." + web.Base
	for _, q := range []request{
		{"a query", summary + "?tenant=" + victim.slug + "&tenant_id=" + fmt.Sprint(victim.number), http.StatusOK, nil},
		{"a path", "/" + victim.slug + summary, http.StatusNotFound, nil},
		{"a path of tenants", "/t/" + victim.slug + summary, http.StatusNotFound, nil},
		{"an id that is SQL", "/api/invoices/1%20OR%201=1", http.StatusBadRequest, nil},
		{"a limit that is SQL", "/api/invoices?limit=1;SELECT%201", http.StatusOK, nil}, // net/http drops what has a semicolon
		{"no tenant", summary, http.StatusNotFound, as(web.Base)},
		{"an unknown tenant", summary, http.StatusNotFound, as("nobody" + base)},
		{"another domain", summary, http.StatusNotFound, as(victim.slug + ".localhost.example")},
		{"two labels", summary, http.StatusBadRequest, as(s.slug + "." + victim.slug + base)},
		{"an escaped dot", summary, http.StatusBadRequest, as(victim.slug + "%2e" + web.Base)},
		{"an empty label", summary, http.StatusBadRequest, as("." + victim.slug + base)},
		{"an underscore", summary, http.StatusBadRequest, as(victim.slug + "_" + base)},
		{"the chain's page", "/", http.StatusOK, as(web.Base)},
	} {
		r.try(ctx, s, q)
	}
}

// try sends a request and looks at what comes back.
func (r *run) try(ctx context.Context, s *store, q request) {
	r.count()
	a, err := r.client.send(ctx, http.MethodGet, s.slug, q.path, nil, q.change)
	if r.failed(ctx, s.country+": "+q.name, err) {
		return
	}
	r.inspect(s, q.name, a.body)
	var seen Summary
	switch {
	case a.status != q.status:
		r.mismatchf("%s: %s: status %d, want %d", s.country, q.name, a.status, q.status)
	case a.status == http.StatusOK && strings.HasPrefix(q.path, "/api/summary"):
		if err := json.Unmarshal([]byte(a.body), &seen); err != nil || seen.Store != s.country {
			r.leakf("%s: %s got the summary of %q", s.country, q.name, seen.Store)
		}
	}
}
