package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/cache"
	"github.com/partywall/partywall/examples/recordstore/cover"
	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/tenant"
)

// read gets a path that has to be there.
func (s *shop) read(t *testing.T, store, path string) string {
	t.Helper()
	w := s.do(t, http.MethodGet, store, path, nil)
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s: status %d: %s", store, path, w.Code, w.Body)
	}
	return w.Body.String()
}

// put sends a cover.
func (s *shop) put(t *testing.T, store, album, contentType, picture string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/api/covers/"+album, strings.NewReader(picture))
	r.Host = store + ".localhost:8080"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

// draw makes a picture.
func draw(t *testing.T, words ...string) string {
	t.Helper()
	picture, err := cover.Draw(words...)
	if err != nil {
		t.Fatal(err)
	}
	return string(picture)
}

// TestCovers draws one, replaces it, and takes it away again, beside a store
// that has its own for the same album.
func TestCovers(t *testing.T) {
	t.Parallel()
	s := open(t)
	const path = "/covers/2"
	drawn, theirs := s.read(t, "brazil", path), s.read(t, "portugal", path)
	if drawn != draw(t, "Keystone", "Ada & the Lintels", "brazil") || drawn == theirs {
		t.Error("the cover is not drawn for the album and the store")
	}
	h := s.do(t, http.MethodGet, "brazil", path, nil).Header()
	if h.Get("Content-Type") != "image/png" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers: %v", h)
	}
	if h := s.do(t, http.MethodGet, "brazil", path+"?v=1", nil).Header(); h.Get("Cache-Control") != "private, max-age=3600" {
		t.Errorf("headers of a version: %v", h)
	}

	version := regexp.MustCompile(`src="/covers/2\?v=(\d+)"`)
	before := version.FindString(s.read(t, "brazil", "/catalogue"))
	uploaded := draw(t, "a new one")
	if status := s.put(t, "brazil", "2", "", uploaded); status != http.StatusNoContent {
		t.Fatalf("uploading: status %d", status)
	}
	if got := s.read(t, "brazil", path); got != uploaded {
		t.Error("the cover is not what was uploaded")
	}
	if got := s.read(t, "portugal", path); got != theirs {
		t.Error("another store's cover has changed")
	}
	if after := version.FindString(s.read(t, "brazil", "/catalogue")); after == before || after == "" {
		t.Errorf("the catalogue shows %q, as before the upload", after)
	}
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if w := s.do(t, http.MethodDelete, "brazil", "/api"+path, nil); w.Code != want {
			t.Errorf("deleting: status %d, want %d", w.Code, want)
		}
	}
	if got := s.read(t, "brazil", path); got != drawn {
		t.Error("the cover is not drawn again")
	}
}

// TestCoversRefused uploads what is no cover. What there was stays.
func TestCoversRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	drawn, picture := s.read(t, "brazil", "/covers/1"), draw(t, "x")
	for name, c := range map[string]struct {
		album, contentType, content string
		status                      int
	}{
		"a text":               {"1", "", "not a picture", 400},
		"a text that says PNG": {"1", "image/png", "not a picture", 400},
		"a page":               {"1", "text/html", "<script>1</script>", 400},
		"a drawing that runs":  {"1", "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" onload="1"/>`, 400},
		"a PNG that says HTML": {"1", "text/html", picture, 400},
		"nothing":              {"1", "", "", 400},
		"more than the quota":  {"1", "", picture + strings.Repeat("x", 512<<10), 400},
		"more than is read":    {"1", "", picture + strings.Repeat("x", 1<<20), 400},
		"no such album":        {"2147483647", "", picture, 404},
		"no number":            {"one", "", picture, 400},
		"a way out":            {"..%2f1", "", picture, 400},
	} {
		if status := s.put(t, "brazil", c.album, c.contentType, c.content); status != c.status {
			t.Errorf("%s: status %d, want %d", name, status, c.status)
		}
	}
	if s.read(t, "brazil", "/covers/1") != drawn {
		t.Error("the cover has changed")
	}
	for _, path := range []string{"/covers/2147483647", "/covers/2147483647/link", "/invoices/2147483647", "/invoices/9001"} {
		if w := s.do(t, http.MethodGet, "brazil", path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, w.Code)
		}
	}
}

// TestLink follows a signed address, and others that are made of it.
func TestLink(t *testing.T) {
	t.Parallel()
	s := open(t)
	drawn := s.read(t, "brazil", "/covers/1")
	w := s.do(t, http.MethodGet, "brazil", "/covers/1/link", nil)
	u, err := url.Parse(w.Header().Get("Location"))
	if w.Code != http.StatusSeeOther || err != nil || u.Host != "localhost:8080" || u.Path != web.PathFiles+"/stores" {
		t.Fatalf("status %d, leads to %v, %v", w.Code, u, err)
	}
	if got := s.read(t, "", u.RequestURI()); got != drawn {
		t.Error("the signed address shows something else")
	}
	for name, value := range map[string]string{
		"obj": "tenants/1/files/covers/2", "expiry": "99999999999", "method": http.MethodPut, "signature": "",
	} {
		q := u.Query()
		q.Set(name, value)
		if w := s.do(t, http.MethodGet, "", u.Path+"?"+q.Encode(), nil); w.Code != http.StatusForbidden {
			t.Errorf("another %s: status %d, want 403", name, w.Code)
		}
	}
	for method, store := range map[string]string{http.MethodDelete: "", http.MethodGet: "brazil"} {
		if w := s.do(t, method, store, u.RequestURI(), nil); w.Code != http.StatusNotFound {
			t.Errorf("%s at %q: status %d, want 404", method, store, w.Code)
		}
	}
}

// TestInvoiceText reads an invoice before and after its rows have changed.
func TestInvoiceText(t *testing.T) {
	t.Parallel()
	s := open(t)
	const want = `Record store of <script>hostile()</script>
Invoice 9001 of 1 March 2024
for <img src=x onerror=first()> "><svg onload=last()>

1 × </style><script>genre()</script>, from Load-Bearing Songs by The Hollow Joists`
	text := s.read(t, hostile, "/invoices/9001")
	if !strings.HasPrefix(text, want) || !regexp.MustCompile(`(?m)^Total +\$0\.99$`).MatchString(text) {
		t.Errorf("the invoice is\n%s", text)
	}
	h := s.do(t, http.MethodGet, hostile, "/invoices/9001", nil).Header()
	if h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers: %v", h)
	}
	s.change(t, hostile, `UPDATE customer SET last_name = 'Other'`)
	if again := s.read(t, hostile, "/invoices/9001"); again != text {
		t.Errorf("what was sent out has changed to\n%s", again)
	}
}

// change changes a store's rows past the pages.
func (s *shop) change(t *testing.T, store, sql string) {
	t.Helper()
	found, err := s.chain.Tenants.Lookup(t.Context(), tenant.BySlug(slug(store)))
	if err != nil {
		t.Fatal(err)
	}
	ctx := tenant.NewContext(t.Context(), found)
	err = s.chain.DB.Tx(ctx, nil, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCached looks at a page whose rows change, past the pages and through
// them, and at what the page says of its cache and its bucket.
func TestCached(t *testing.T) {
	t.Parallel()
	s := open(t)
	shows := func(store string, wants ...string) {
		t.Helper()
		page := s.page(t, store)
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not say %q", store, want)
			}
		}
	}
	shows(empty, "<dd>0 %<small>0 of 1</small></dd>", "<dd>0.0 kB<small>files: 0</small></dd>", "<dt>Customer</dt><dd>1</dd>")
	s.change(t, empty, `INSERT INTO customer (first_name, last_name, country, email) VALUES ('A', 'B', 'C', 'past@example.com')`)
	shows(empty, "<dd>50 %<small>1 of 2</small></dd>", "<dt>Customer</dt><dd>1</dd>")
	if w := s.do(t, http.MethodPost, empty, "/api/customers", strings.NewReader(customer("ada@example.com"))); w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	shows(empty, "<dd>33 %<small>1 of 3</small></dd>", "<dt>Customers</dt><dd>3</dd>")
	s.do(t, http.MethodDelete, empty, "/api/customers/100001", nil)
	shows(empty, "<dt>Customers</dt><dd>2</dd>")
	shows("brazil", "<small>0 of 1</small>") // which has seen none of this
	size := len(s.read(t, empty, "/covers/1")) + len(s.read(t, empty, "/covers/2"))
	shows(empty, fmt.Sprintf("<dd>%.1f kB<small>files: 2</small></dd>", float64(size)/1000))
}

// TestWithoutRedis serves all pages, and takes changes, while Redis is down.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	s := open(t)
	down, err := cache.New(cache.Servers{"main": {Addrs: []string{"127.0.0.1:1"}, MaxRetries: -1}}, &cache.Options{Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = down.Close() })
	parts := s.parts()
	parts.Cache = down
	h, err := web.New(parts, &web.Options{Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	dark := &shop{Handler: h}
	for _, path := range []string{"/", "/catalogue", "/covers/1", "/invoices/1"} {
		dark.read(t, "portugal", path)
	}
	if w := dark.do(t, http.MethodPost, "portugal", "/api/customers", strings.NewReader(customer("ada@example.com"))); w.Code != http.StatusCreated {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
