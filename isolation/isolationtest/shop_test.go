package isolationtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/partywall/partywall/isolation/isolationtest"
)

// shop is a host as anybody would write one, without Partywall: orders in
// memory, whose tenant is the bearer of a token.
type shop struct {
	mux *http.ServeMux
	log isolationtest.Sink
	// keys are those of a cache.
	keys isolationtest.Sink

	mu     sync.Mutex
	orders []order
	next   int
	shared string // for handlers with a fault
}

type order struct {
	ID     int    `json:"id"`
	Tenant string `json:"-"`
	Item   string `json:"item"`
}

func newShop() *shop {
	s := &shop{mux: http.NewServeMux(), log: isolationtest.Sink{Name: "log"}, keys: isolationtest.Sink{Name: "cache", Keys: true}, next: 1000}
	s.mux.HandleFunc("GET /orders", s.list)
	s.mux.HandleFunc("GET /orders/{id}", s.get)
	s.mux.HandleFunc("POST /orders", s.post)
	s.mux.HandleFunc("DELETE /orders/{id}", s.remove)
	return s
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func whose(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// of are the orders that a condition holds for.
func (s *shop) of(is func(order) bool) []order {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []order{}
	for _, o := range s.orders {
		if is(o) {
			out = append(out, o)
		}
	}
	return out
}

func (s *shop) add(tenant, item string) order {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	o := order{ID: s.next, Tenant: tenant, Item: item}
	s.orders = append(s.orders, o)
	return o
}

func (s *shop) list(w http.ResponseWriter, r *http.Request) {
	s.keys.Add("orders:" + whose(r))
	answer(w, s.of(func(o order) bool { return o.Tenant == whose(r) }))
}

func (s *shop) get(w http.ResponseWriter, r *http.Request) {
	one := s.of(func(o order) bool { return o.Tenant == whose(r) && strconv.Itoa(o.ID) == r.PathValue("id") })
	if len(one) == 0 {
		http.Error(w, "there is no order "+r.PathValue("id"), http.StatusNotFound)
		return
	}
	answer(w, one[0])
}

func (s *shop) post(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	answer(w, s.add(whose(r), o.Item))
}

func (s *shop) remove(w http.ResponseWriter, r *http.Request) {
	if s.drop(func(o order) bool { return o.Tenant == whose(r) && strconv.Itoa(o.ID) == r.PathValue("id") }) == 0 {
		http.Error(w, "there is no such order", http.StatusNotFound)
	}
}

// drop removes the orders that a condition holds for, and says how many.
func (s *shop) drop(is func(order) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := []order{}
	for _, o := range s.orders {
		if !is(o) {
			kept = append(kept, o)
		}
	}
	dropped := len(s.orders) - len(kept)
	s.orders = kept
	return dropped
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the client may have gone
}

// host is the shop as the kit sees it.
func (s *shop) host() isolationtest.Host {
	as := func(name string) isolationtest.Tenant {
		return isolationtest.Tenant{
			Name: name, As: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+name) },
			In: func(ctx context.Context) context.Context { return context.WithValue(ctx, tenantKey{}, name) },
		}
	}
	return isolationtest.Host{
		Handler: s,
		Routes: append(isolationtest.Routes("GET /orders", "GET /orders/{id}", "DELETE /orders/{id}"),
			isolationtest.Route{Method: "POST", Path: "/orders"}.With("application/json", `{"item": "new"}`)),
		Tenants: [2]isolationtest.Tenant{as("acme"), as("globex")},
		Seed: func(_ context.Context, t *isolationtest.Tenant) error {
			t.IDs["orders.id"] = fmt.Sprint(s.add(t.Name, "of "+t.Canary).ID)
			return nil
		},
		Sinks: []*isolationtest.Sink{&s.log, &s.keys},
	}
}

type tenantKey struct{}
