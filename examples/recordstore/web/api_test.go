package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/tenant"
)

// nobody is a catalog with no stores to list.
type nobody struct{ web.Tenants }

// All implements web.Tenants.
func (nobody) All(context.Context, tenant.Query) iter.Seq2[tenant.Tenant, error] {
	return func(func(tenant.Tenant, error) bool) {}
}

// unwell is a catalog that breaks off.
type unwell struct{ web.Tenants }

// All implements web.Tenants.
func (unwell) All(context.Context, tenant.Query) iter.Seq2[tenant.Tenant, error] {
	return func(yield func(tenant.Tenant, error) bool) { yield(tenant.Tenant{}, errors.New("out of order")) }
}

func TestAPI(t *testing.T) {
	t.Parallel()
	s := open(t)
	stores, err := s.data.Stores()
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range stores {
		var summary web.Summary
		s.json(t, store.Slug, "/api/summary", &summary)
		if summary.Store != store.Country || summary.Total != store.Total() || int(summary.Invoices) != len(store.Invoices) || int(summary.Customers) != len(store.Customers) {
			t.Errorf("%s: %+v", store.Slug, summary)
		}
		var customers, invoices []map[string]any
		s.json(t, store.Slug, "/api/customers?limit=1000", &customers)
		s.json(t, store.Slug, "/api/invoices?limit=1000", &invoices)
		if len(customers) != len(store.Customers) || len(invoices) != len(store.Invoices) {
			t.Errorf("%s lists %d customers and %d invoices", store.Slug, len(customers), len(invoices))
		}
		for _, i := range store.Invoices {
			var invoice struct {
				Total money.Amount `json:"total"`
				Lines []any        `json:"lines"`
			}
			s.json(t, store.Slug, "/api/invoices/"+strconv.Itoa(int(i.ID)), &invoice)
			if invoice.Total != i.Total || invoice.Lines == nil {
				t.Errorf("%s: invoice %d: %+v, want %s", store.Slug, i.ID, invoice, i.Total)
			}
		}
	}
	for limit, want := range map[string]int{"": 20, "?limit=1": 1, "?limit=7": 7} {
		var invoices []map[string]any
		if s.json(t, "brazil", "/api/invoices"+limit, &invoices); len(invoices) != want {
			t.Errorf("%q: %d invoices, want %d", limit, len(invoices), want)
		}
	}
}

// json reads an answer that has to be one.
func (s *shop) json(t *testing.T, store, path string, out any) {
	t.Helper()
	w := s.do(t, http.MethodGet, store, path, nil)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %s: status %d, %v", store, path, w.Code, w.Header())
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Fatalf("%s %s: %v\n%s", store, path, err, w.Body)
	}
}

// TestBadInput sends what no client should. The answer is never a 500, and
// never quotes what was sent.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := open(t)
	long := strings.Repeat("x", 201)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"limit of nothing":     {"GET", "/api/invoices?limit=0", "", 400},
		"negative limit":       {"GET", "/api/invoices?limit=-1", "", 400},
		"limit too high":       {"GET", "/api/invoices?limit=1001", "", 400},
		"limit out of range":   {"GET", "/api/customers?limit=99999999999999999999", "", 400},
		"limit in words":       {"GET", "/api/customers?limit=all", "", 400},
		"limit in hex":         {"GET", "/api/customers?limit=0x10", "", 400},
		"limit of SQL":         {"GET", "/api/customers?limit=1%3BDROP%20TABLE%20customer", "", 400},
		"id in words":          {"GET", "/api/invoices/one", "", 400},
		"id out of range":      {"GET", "/api/invoices/2147483648", "", 400},
		"id of SQL":            {"GET", "/api/invoices/1%20OR%201=1", "", 400},
		"id with a NUL":        {"GET", "/api/invoices/%00", "", 400},
		"negative id":          {"GET", "/api/invoices/-1", "", 404},
		"id of nobody":         {"GET", "/api/invoices/2147483647", "", 404},
		"id of another store":  {"GET", "/api/invoices/9001", "", 404},
		"delete in words":      {"DELETE", "/api/customers/all", "", 400},
		"delete nobody":        {"DELETE", "/api/customers/2147483647", "", 404},
		"delete a neighbour's": {"DELETE", "/api/customers/9002", "", 404},
		"delete a buyer":       {"DELETE", "/api/customers/1", "", 409},
		"no body":              {"POST", "/api/customers", "", 400},
		"no JSON":              {"POST", "/api/customers", "first_name=Ada", 400},
		"a list":               {"POST", "/api/customers", "[]", 400},
		"null":                 {"POST", "/api/customers", "null", 400},
		"half an object":       {"POST", "/api/customers", `{"first_name":"Ada"`, 400},
		"two objects":          {"POST", "/api/customers", customer("a@example.com") + customer("b@example.com"), 400},
		"more after it":        {"POST", "/api/customers", customer("a@example.com") + "}", 400},
		"unknown field":        {"POST", "/api/customers", `{"first_name":"Ada","last_name":"Byron","email":"a@example.com","admin":true}`, 400},
		"somebody's tenant":    {"POST", "/api/customers", `{"tenant_id":1,"first_name":"Ada","last_name":"Byron","email":"a@example.com"}`, 400},
		"a number for a name":  {"POST", "/api/customers", `{"first_name":1,"last_name":"Byron","email":"a@example.com"}`, 400},
		"no e-mail":            {"POST", "/api/customers", `{"first_name":"Ada","last_name":"Byron"}`, 400},
		"empty name":           {"POST", "/api/customers", `{"first_name":"","last_name":"Byron","email":"a@example.com"}`, 400},
		"long name":            {"POST", "/api/customers", `{"first_name":"` + long + `","last_name":"Byron","email":"a@example.com"}`, 400},
		"long city":            {"POST", "/api/customers", `{"city":"` + long + `","first_name":"Ada","last_name":"Byron","email":"a@example.com"}`, 400},
		"NUL in a name":        {"POST", "/api/customers", `{"first_name":"A\u0000da","last_name":"Byron","email":"a@example.com"}`, 400},
		"body too large":       {"POST", "/api/customers", strings.Repeat(" ", 64<<10) + customer("a@example.com"), 400},
		"nested without end":   {"POST", "/api/customers", strings.Repeat(`{"city":`, 5000), 400},
		"no such path":         {"GET", "/api/secrets", "", 404},
		"no such method":       {"PUT", "/api/customers", "{}", 405},
		"playground is closed": {"POST", web.PathSQL, "SELECT 1", 404},
		"search is closed":     {"GET", web.PathSearch + "?q=a", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := s.do(t, c.method, "portugal", c.path, strings.NewReader(c.body))
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if text := w.Body.String(); strings.Contains(text, "Byron") || strings.Contains(text, "SQLSTATE") || len(text) > 1000 {
				t.Errorf("the answer says too much: %.1000s", text)
			}
		})
	}
}

func customer(email string) string {
	return `{"first_name":"Ada","last_name":"Byron","email":"` + email + `"}`
}

// TestCustomers makes a customer in two stores with one address, which only
// the same store refuses.
func TestCustomers(t *testing.T) {
	t.Parallel()
	s := open(t)
	ids := map[string]int32{}
	for _, store := range []string{"brazil", empty} {
		w := s.do(t, http.MethodPost, store, "/api/customers", strings.NewReader(customer("ada@example.com")))
		var made struct {
			ID int32 `json:"customer_id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated || made.ID <= 100_000 {
			t.Fatalf("%s: status %d: %s, %v", store, w.Code, w.Body, err)
		}
		ids[store] = made.ID
		if w := s.do(t, http.MethodPost, store, "/api/customers", strings.NewReader(customer("ada@example.com"))); w.Code != http.StatusConflict {
			t.Errorf("%s: again: status %d, want 409: %s", store, w.Code, w.Body)
		}
	}
	for _, store := range []string{"brazil", empty} {
		path := "/api/customers/" + strconv.Itoa(int(ids[store]))
		for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
			if w := s.do(t, http.MethodDelete, store, path, nil); w.Code != want {
				t.Errorf("%s: DELETE %s: status %d, want %d", store, path, w.Code, want)
			}
		}
	}
}

// TestNobody asks without a store, and where the catalog does not answer.
func TestNobody(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, path := range []string{"/api/summary", "/api/invoices", "/api/invoices/1", "/api/customers"} {
		for _, store := range []string{"", "nobody"} {
			if w := s.do(t, http.MethodGet, store, path, nil); w.Code != http.StatusNotFound {
				t.Errorf("%q%s: status %d, want 404", store, path, w.Code)
			}
		}
	}
	parts := s.parts()
	parts.Tenants = unwell{s.chain.Tenants}
	h, err := web.New(parts, &web.Options{Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	if w := (&shop{Handler: h}).do(t, http.MethodGet, "", "/", nil); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "out of order") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// TestHeaderWithoutGateway sends the gateway's header to a site that has none:
// it is anybody's header then, and decides nothing.
func TestHeaderWithoutGateway(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/summary", nil)
	r.Host = "brazil.localhost"
	r.Header.Set(web.Header, "portugal")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var summary web.Summary
	if err := json.Unmarshal(w.Body.Bytes(), &summary); err != nil || summary.Store != "Brazil" {
		t.Errorf("%+v, %v", summary, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]*web.Options{"no tenants": nil, "a short key": {GatewayKey: []byte("short")}} {
		if _, err := web.New(web.Parts{}, opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
