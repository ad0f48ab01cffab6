package isolationtest_test

import (
	"archive/zip"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/isolation/isolationtest"
	"github.com/partywall/partywall/isolation/prove"
)

func drive(t *testing.T, h isolationtest.Host) []string {
	t.Helper()
	got, err := isolationtest.Drive(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range got.Findings {
		t.Log(f.Code, f)
		out = append(out, f.Code+" "+f.Object)
	}
	return out
}

func TestCleanHost(t *testing.T) {
	t.Parallel()
	h := newShop().host()
	got, err := isolationtest.Drive(t.Context(), h)
	if err != nil || !got.Clean() {
		t.Fatalf("found %v, %v", got, err)
	}
	if got.Deeds != 4 || got.Attempts < 300 {
		t.Errorf("%d deeds, %d attempts", got.Deeds, got.Attempts)
	}
}

// fault is a handler with one mistake, and what the kit has to say of it.
type fault struct {
	name, pattern, finds string
	serve                func(s *shop, w http.ResponseWriter, r *http.Request)
}

// any is an order of anybody's that a request asks for.
func (s *shop) any(r *http.Request) (order, bool) {
	got := s.of(func(o order) bool { return strconv.Itoa(o.ID) == r.PathValue("id") })
	if len(got) == 0 {
		return order{}, false
	}
	return got[0], true
}

// mine serves the owner, and hands what is somebody else's to leak.
func mine(leak func(s *shop, w http.ResponseWriter, r *http.Request, o order)) func(*shop, http.ResponseWriter, *http.Request) {
	return func(s *shop, w http.ResponseWriter, r *http.Request) {
		o, ok := s.any(r)
		switch {
		case ok && o.Tenant == whose(r):
			answer(w, o)
		case ok:
			leak(s, w, r, o)
			fallthrough
		default:
			http.Error(w, "there is no such order", http.StatusNotFound)
		}
	}
}

func faults() []fault {
	return []fault{
		{"no WHERE", "GET /orders", "leak-body GET /orders", func(s *shop, w http.ResponseWriter, _ *http.Request) {
			answer(w, s.of(func(order) bool { return true }))
		}},
		{"by id alone", "GET /orders/{id}", "leak-body GET /orders/{orders.id}", func(s *shop, w http.ResponseWriter, r *http.Request) {
			o, _ := s.any(r)
			answer(w, o)
		}},
		{"in a header", "GET /orders/{id}", "leak-header GET /orders/{orders.id}", mine(func(_ *shop, w http.ResponseWriter, _ *http.Request, o order) {
			w.Header().Set("X-Debug", o.Item)
		})},
		{"in a trailer", "GET /orders/{id}", "leak-header GET /orders/{orders.id}", mine(func(_ *shop, w http.ResponseWriter, _ *http.Request, o order) {
			w.Header().Set(http.TrailerPrefix+"X-Sum", o.Item)
		})},
		{"in a cookie, encoded", "GET /orders/{id}", "leak-cookie GET /orders/{orders.id}", mine(func(_ *shop, w http.ResponseWriter, _ *http.Request, o order) {
			http.SetCookie(w, &http.Cookie{Name: "last", Value: base64.RawURLEncoding.EncodeToString([]byte("x" + o.Item))})
		})},
		{"in an error", "GET /orders/{id}", "leak-error GET /orders/{orders.id}", mine(func(_ *shop, w http.ResponseWriter, _ *http.Request, o order) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "%s is not yours", o.Item)
		})},
		{"in a panic", "GET /orders/{id}", "leak-panic GET /orders/{orders.id}", mine(func(_ *shop, _ http.ResponseWriter, _ *http.Request, o order) {
			panic(o)
		})},
		{"in a redirect", "GET /orders/{id}", "leak-redirect GET /orders/{orders.id}", mine(func(_ *shop, w http.ResponseWriter, r *http.Request, o order) {
			http.Redirect(w, r, "https://elsewhere.test/?q="+strings.ReplaceAll(o.Item, " ", "+"), http.StatusFound)
		})},
		{"where a redirect leads", "GET /orders/{id}", "leak-body GET /orders/{orders.id}", mine(func(s *shop, w http.ResponseWriter, r *http.Request, o order) {
			s.mu.Lock()
			s.shared = o.Item
			s.mu.Unlock()
			http.Redirect(w, r, "/last", http.StatusSeeOther)
		})},
		{"in a log line", "GET /orders/{id}", "leak-log GET /orders/{orders.id}", mine(func(s *shop, _ http.ResponseWriter, _ *http.Request, o order) {
			fmt.Fprintf(&s.log, "refused %q\n", o.Item)
		})},
		{"in a cache key", "GET /orders/{id}", "leak-cache GET /orders/{orders.id}", mine(func(s *shop, _ http.ResponseWriter, _ *http.Request, o order) {
			s.keys.Add("order:" + o.Item)
		})},
		{"gzipped", "GET /orders", "leak-body GET /orders", func(s *shop, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, s.of(func(order) bool { return true }))
			_ = z.Close()
		}},
		{"in a document", "GET /orders", "leak-body GET /orders", func(s *shop, w http.ResponseWriter, _ *http.Request) {
			z := zip.NewWriter(w)
			f, _ := z.Create("orders.csv")
			fmt.Fprint(f, s.of(func(order) bool { return true }))
			_ = z.Close()
		}},
		{"a cache whose keys know no tenant", "GET /orders", "shared-key GET /orders", func(s *shop, w http.ResponseWriter, r *http.Request) {
			s.keys.Add("orders")
			answer(w, s.of(func(o order) bool { return o.Tenant == whose(r) }))
		}},
		{"a cache of answers", "GET /orders", "leak-body GET /orders", func(s *shop, w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			cached := s.shared
			s.mu.Unlock()
			if cached == "" {
				cached = fmt.Sprint(s.of(func(o order) bool { return o.Tenant == whose(r) }))
				s.mu.Lock()
				s.shared = cached
				s.mu.Unlock()
			}
			fmt.Fprint(w, cached)
		}},
		{"a header that is believed", "GET /orders", "leak-body GET /orders", func(s *shop, w http.ResponseWriter, r *http.Request) {
			who := whose(r)
			if claimed := r.Header.Get("X-Tenant-Id"); claimed != "" {
				who = claimed
			}
			answer(w, s.of(func(o order) bool { return o.Tenant == who }))
		}},
		{"a query that is believed", "GET /orders", "leak-body GET /orders", func(s *shop, w http.ResponseWriter, r *http.Request) {
			who := whose(r)
			if claimed := r.URL.Query().Get("tenant"); claimed != "" {
				who = claimed
			}
			answer(w, s.of(func(o order) bool { return o.Tenant == who }))
		}},
		{"403 for what is there", "GET /orders/{id}", "oracle GET /orders/{orders.id}", mine(func(_ *shop, w http.ResponseWriter, _ *http.Request, _ order) {
			w.WriteHeader(http.StatusForbidden)
		})},
		{"another word for what is there", "GET /orders/{id}", "oracle GET /orders/{orders.id}", mine(func(_ *shop, w http.ResponseWriter, _ *http.Request, _ order) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "not yours\n")
		})},
		{"a sum over all", "GET /orders", "interference GET /orders", func(s *shop, w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, s.of(func(o order) bool { return o.Tenant == whose(r) }), "of", len(s.of(func(order) bool { return true })))
		}},
		{"deletes by id alone", "DELETE /orders/{id}", "changed DELETE /orders/{orders.id}", func(s *shop, _ http.ResponseWriter, r *http.Request) {
			s.drop(func(o order) bool { return strconv.Itoa(o.ID) == r.PathValue("id") })
		}},
		{"writes for whom the header says", "POST /orders", "changed POST /orders", func(s *shop, w http.ResponseWriter, r *http.Request) {
			who := whose(r)
			if claimed := r.Header.Get("X-Tenant"); claimed != "" {
				who = claimed
			}
			s.add(who, "new")
			w.WriteHeader(http.StatusNoContent)
		}},
		{"a buffer that two requests share", "GET /orders", "leak-body GET /orders", func(s *shop, w http.ResponseWriter, r *http.Request) {
			got := fmt.Sprint(s.of(func(o order) bool { return o.Tenant == whose(r) }))
			s.mu.Lock()
			s.shared = got
			s.mu.Unlock()
			time.Sleep(time.Millisecond) // the window of the race that this is about
			s.mu.Lock()
			defer s.mu.Unlock()
			fmt.Fprint(w, s.shared)
		}},
		{"broken for everybody", "GET /orders/{id}", "untested GET /orders/{orders.id}", func(_ *shop, w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}},
	}
}

// with puts a handler with a fault in the place of the shop's own.
func (s *shop) with(f fault) *shop {
	whole := http.NewServeMux()
	whole.HandleFunc(f.pattern, func(w http.ResponseWriter, r *http.Request) { f.serve(s, w, r) })
	whole.HandleFunc("GET /last", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprint(w, s.shared)
	})
	whole.Handle("/", s.mux)
	s.mux = whole
	return s
}

func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if found := drive(t, newShop().with(f).host()); !slices.Contains(found, f.finds) {
				t.Errorf("%s is not among %v", f.finds, found)
			}
		})
	}
}

// TestNothingShown has a host whose answers never show what was planted: then
// nothing was tested, and the kit says so.
func TestNothingShown(t *testing.T) {
	t.Parallel()
	h := newShop().host()
	seed := h.Seed
	h.Seed = func(ctx context.Context, t *isolationtest.Tenant) error {
		planted := *t
		planted.Canary = "elsewhere"
		return seed(ctx, &planted)
	}
	if found := drive(t, h); !slices.Contains(found, "untested *") {
		t.Errorf("found %v", found)
	}
}

// TestFunctions drives what is behind no handler.
func TestFunctions(t *testing.T) {
	t.Parallel()
	s := newShop()
	h := s.host()
	h.Handler, h.Routes = nil, nil
	type hidden struct{ inside *order }
	h.Functions = []isolationtest.Function{
		{Name: "mine", Call: func(ctx context.Context, _ map[string]string) (any, error) {
			return s.of(func(o order) bool { return o.Tenant == ctx.Value(tenantKey{}) }), nil
		}},
		{Name: "hidden", Parameters: []string{"orders.id"}, Call: func(_ context.Context, ids map[string]string) (any, error) {
			got := s.of(func(o order) bool { return strconv.Itoa(o.ID) == ids["orders.id"] })
			if len(got) == 0 {
				return nil, errors.New("none")
			}
			return map[string]any{"a": []any{hidden{&got[0]}}}, nil
		}},
		{Name: "failing", Parameters: []string{"orders.id"}, Call: func(_ context.Context, ids map[string]string) (any, error) {
			return nil, fmt.Errorf("not %v", s.of(func(o order) bool { return strconv.Itoa(o.ID) == ids["orders.id"] }))
		}},
		{Name: "wiping", Writes: true, Call: func(context.Context, map[string]string) (any, error) {
			return s.drop(func(order) bool { return true }), nil
		}},
	}
	found := drive(t, h)
	for _, want := range []string{"leak-body hidden", "leak-error failing", "untested failing", "changed wiping"} {
		if !slices.Contains(found, want) {
			t.Errorf("%s is not among %v", want, found)
		}
	}
	if slices.ContainsFunc(found, func(f string) bool { return strings.HasSuffix(f, " mine") }) {
		t.Errorf("the good one is among %v", found)
	}
}

// TestWithoutSeed works on what there is.
func TestWithoutSeed(t *testing.T) {
	t.Parallel()
	s := newShop().with(faults()[1])
	h := s.host()
	for i := range h.Tenants {
		who := &h.Tenants[i]
		who.Canary = `what "` + who.Name + `" has`
		who.IDs = map[string]string{"orders.id": strconv.Itoa(s.add(who.Name, who.Canary).ID)}
	}
	h.Seed = nil
	if found := drive(t, h); !slices.Contains(found, faults()[1].finds) {
		t.Errorf("found %v", found)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	f := faults()[0]
	meant := prove.Allow{Code: "leak-body", Object: "GET /orders", Reason: "a market place"}
	h := newShop().with(f).host()
	h.Allow = []prove.Allow{meant}
	if found := drive(t, h); slices.Contains(found, f.finds) {
		t.Errorf("found %v, which is allowed", found)
	}
	h = newShop().host()
	h.Allow = []prove.Allow{meant}
	if _, err := isolationtest.Drive(t.Context(), h); err == nil || !strings.Contains(err.Error(), "not there any more") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*isolationtest.Host)
		says   string
	}{
		"routes":  {func(h *isolationtest.Host) { h.Routes = nil }, "neither Routes nor Functions"},
		"handler": {func(h *isolationtest.Host) { h.Handler = nil }, "without Host.Handler"},
		"as":      {func(h *isolationtest.Host) { h.Tenants[1].As = nil }, "tenant globex has no As"},
		"names":   {func(h *isolationtest.Host) { h.Tenants[1].Name = "acme" }, "both tenants are called acme"},
		"canary":  {func(h *isolationtest.Host) { h.Seed = nil }, "tenant acme needs a Canary of 8 characters"},
		"slash":   {func(h *isolationtest.Host) { h.Routes[0].Path = "orders" }, "does not begin with a slash"},
		"method":  {func(h *isolationtest.Host) { h.Routes[0].Method = "G E T" }, "invalid method"},
		"id":      {func(h *isolationtest.Host) { h.Routes = isolationtest.Routes("/bills/{id}") }, `no value for {bills.id} of GET /bills/{bills.id}: set Tenant.IDs["bills.id"]`},
		"seeding": {func(h *isolationtest.Host) {
			h.Seed = func(context.Context, *isolationtest.Tenant) error { return errors.New("no room") }
		}, "seeding tenant acme: no room"},
		"the reason": {func(h *isolationtest.Host) { h.Allow = []prove.Allow{{Code: "oracle", Object: "GET /"}} }, "needs a code, an object and a reason"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newShop().host()
			c.change(&h)
			if _, err := isolationtest.Drive(t.Context(), h); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %s", err, c.says)
			}
		})
	}
}

// TestHandlerThatHangs is given up, and said to hang.
func TestHandlerThatHangs(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	h := newShop().with(fault{pattern: "GET /orders", serve: func(_ *shop, _ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // so far so good
		<-end
	}}).host()
	h.Timeout = 10 * time.Millisecond
	if _, err := isolationtest.Drive(t.Context(), h); err == nil || !strings.Contains(err.Error(), "the handler does not return") {
		t.Errorf("got %v", err)
	}
}

// failing is a test that is meant to fail.
type failing struct {
	*testing.T

	errs []string
}

func (f *failing) Errorf(format string, args ...any) {
	f.errs = append(f.errs, fmt.Sprintf(format, args...))
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	f := &failing{T: t}
	isolationtest.Run(f, newShop().with(faults()[0]).host())
	if len(f.errs) == 0 || !strings.HasPrefix(f.errs[0], "breach: leak-body: GET /orders: tenant acme gets what is globex's: it is in the body") {
		t.Errorf("got %q", f.errs)
	}
	f = &failing{T: t}
	isolationtest.Run(f, isolationtest.Host{})
	if len(f.errs) != 1 {
		t.Errorf("got %q", f.errs)
	}
}
