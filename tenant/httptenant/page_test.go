package httptenant_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/httptenant"
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	status := func(s tenant.Status, reason string) error {
		return fmt.Errorf("orders: %w", tenant.NewStatusError(tenant.Tenant{Status: s, Reason: reason}))
	}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 200},
		{tenant.ErrNoTenant, 404},
		{tenant.ErrNotFound, 404},
		{status(tenant.Pending, ""), 404},
		{status(tenant.Suspended, tenant.ReasonPayment), 402},
		{status(tenant.Suspended, "abuse"), 403},
		{tenant.ErrSuspended, 403},
		{status(tenant.Maintenance, tenant.ReasonPayment), 503},
		{status(tenant.Archived, ""), 403},
		{status(tenant.Deleting, ""), 410},
		{status(tenant.Deleted, ""), 410},
		{tenant.ErrUnavailable, 503},
		{tenant.ErrForged, 403},
		{tenant.ErrForeign, 403},
		{tenant.ErrStale, 403},
		{tenant.ErrTwoTenants, 500},
		{&tenant.InvalidError{}, 400},
		{tenant.ErrSlugTaken, 409},
		{tenant.ErrConflict, 409},
		{&tenant.TransitionError{}, 409},
		{&httptenant.MismatchError{}, 403},
		{httptenant.ErrForged, 403},
		{httptenant.ErrUntrusted, 403},
		{httptenant.ErrUnauthenticated, 401},
		{httptenant.ErrMalformed, 400},
		{httptenant.ErrConfig, 500},
		{http.ErrBodyNotAllowed, 500},
		// What refuses goes before what describes.
		{fmt.Errorf("%w: %w", tenant.ErrNotFound, httptenant.ErrMismatch), 403},
	} {
		if got := httptenant.StatusOf(c.err); got != c.want {
			t.Errorf("StatusOf(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

// Nothing in an answer may tell a tenant that is not routed from one that does
// not exist.
func TestNothingToSeeIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(http.HandlerFunc(whoami))
	for _, accept := range []string{"", "text/html", "application/json"} {
		first := get(h, "http://nosuch.myapp.com/", with("Accept", accept))
		for _, target := range []string{"http://pending.myapp.com/", "http://myapp.com/", "http://other.example/"} {
			other := get(h, target, with("Accept", accept))
			if other.Code != first.Code || other.Body.String() != first.Body.String() || !reflect.DeepEqual(other.Header(), first.Header()) {
				t.Errorf("%s answers %d %q %v, nosuch %d %q %v", target,
					other.Code, other.Body, other.Header(), first.Code, first.Body, first.Header())
			}
		}
	}
}

func TestDisagreementIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	resolver := httptenant.FirstOf(httptenant.Subdomain("myapp.com"), httptenant.Claim(tokenClaim))
	tenants := newCatalog()
	h := newEdge(t, tenants, resolver, nil).Wrap(http.HandlerFunc(whoami))
	for _, token := range []string{"acme", tenants.id("acme").String()} {
		first := get(h, "http://globex.myapp.com/", with("Authorization", "token "+token))
		want(t, first, 403, "")
		for _, slug := range []string{"nosuch", "pending", "suspended", "deleted"} {
			other := get(h, "http://"+slug+".myapp.com/", with("Authorization", "token "+token))
			if other.Code != 403 || other.Body.String() != first.Body.String() || !reflect.DeepEqual(other.Header(), first.Header()) {
				t.Errorf("%s answers %d %q, globex %d %q", slug, other.Code, other.Body, first.Code, first.Body)
			}
		}
	}
}

func TestAnswersByAccept(t *testing.T) {
	t.Parallel()
	h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil).Wrap(http.HandlerFunc(whoami))
	const html, problem, text = "text/html; charset=utf-8", "application/problem+json", "text/plain; charset=utf-8"
	for accept, kind := range map[string]string{
		"": text, "*/*": text, "image/png": text, "text/plain": text, ";;,,=": text,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": html,
		"application/json": problem, "application/problem+json": problem, "Application/JSON; charset=utf-8": problem,
		"application/vnd.api+json":            problem,
		"text/html;q=0.5, application/json":   problem,
		"text/html, application/json;q=0.5":   html,
		"text/html;q=0, */*":                  text,
		"application/json;q=0":                text,
		"application/json;q=NaN":              text,
		strings.Repeat("a/b,", 99999) + "x/y": text,
	} {
		w := get(h, "http://nosuch.myapp.com/<script>", with("Accept", accept))
		if got := w.Header().Get("Content-Type"); got != kind {
			t.Errorf("Accept %.60q: Content-Type is %q, want %q", accept, got, kind)
		}
		if strings.Contains(w.Body.String(), "script") || strings.Contains(w.Body.String(), "nosuch") {
			t.Errorf("the answer holds what was sent: %s", w.Body)
		}
		if kind == problem {
			var p map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p["type"] != "about:blank" || p["title"] != "Not Found" || p["status"] != 404.0 || p["detail"] == "" {
				t.Errorf("problem is %+v, %v", p, err)
			}
		}
		if kind == html && (!strings.Contains(w.Body.String(), "<h1>Not Found</h1>") || strings.Contains(w.Body.String(), "//")) {
			t.Errorf("page is %s", w.Body) // "//" would be something fetched from elsewhere
		}
		if !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Accept") {
			t.Errorf("Vary is %q", w.Header().Values("Vary"))
		}
	}
}

func TestOwnErrorPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hook func(http.ResponseWriter, *http.Request, error, int)
		want int
	}{
		"with a status":  {func(w http.ResponseWriter, _ *http.Request, _ error, s int) { w.WriteHeader(s); fmt.Fprint(w, "own") }, 402},
		"another status": {func(w http.ResponseWriter, _ *http.Request, _ error, _ int) { w.WriteHeader(http.StatusTeapot) }, http.StatusTeapot},
		"only a body":    {func(w http.ResponseWriter, _ *http.Request, _ error, _ int) { fmt.Fprint(w, "own") }, 402},
		"nothing at all": {func(http.ResponseWriter, *http.Request, error, int) {}, 402},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), &httptenant.Options{Error: c.hook}).
				Wrap(http.HandlerFunc(whoami))
			w := get(h, "http://unpaid.myapp.com/")
			if w.Code != c.want || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %q, want %d", w.Code, w.Body, c.want)
			}
		})
	}
}

// Early hints are no answer yet, so the status is still to come.
func TestOwnErrorPageWithEarlyHints(t *testing.T) {
	t.Parallel()
	opts := &httptenant.Options{Error: func(w http.ResponseWriter, _ *http.Request, _ error, _ int) {
		w.WriteHeader(http.StatusEarlyHints)
	}}
	addr := listen(t, newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), opts).Wrap(http.HandlerFunc(whoami)))
	if status, _ := send(t, addr, "GET / HTTP/1.1", "Host: unpaid.myapp.com"); status != 402 {
		t.Errorf("status is %d, want 402", status)
	}
}

func TestErrorInHandlers(t *testing.T) {
	t.Parallel()
	e := newEdge(t, newCatalog(), httptenant.Subdomain("myapp.com"), nil)
	for _, c := range []struct {
		err    error
		status int
	}{{tenant.ErrConflict, 409}, {fmt.Errorf("boom"), 500}, {nil, 500}} {
		h := e.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip") // of the answer that it meant to give
			e.Error(w, r, c.err)
		}))
		w := get(h, "http://acme.myapp.com/")
		want(t, w, c.status, "")
		if got := w.Header().Get("Content-Encoding"); got != "" {
			t.Errorf("Content-Encoding is %q", got)
		}
	}
}
