package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/web"
)

// everybody are the pages that there are: the chain's and the stores'.
func everybody() []string {
	return []string{"", "brazil", "portugal", hostile, empty, refunds}
}

// TestPages looks at what all pages have in common.
func TestPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, store := range everybody() {
		t.Run("of "+store, func(t *testing.T) {
			t.Parallel()
			s.look(t, store, "/")
			if store != "" {
				s.look(t, store, "/catalogue")
			}
		})
	}
}

func (s *shop) look(t *testing.T, store, path string) {
	t.Helper()
	page := s.read(t, store, path)
	wellFormed(t, page)
	accessible(t, page)
	harmless(t, page)
	h := s.do(t, http.MethodGet, store, path, nil).Header()
	if h.Get("Content-Security-Policy") != "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", h)
	}
}

// void are the elements without an end; style holds no elements.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	if !strings.HasPrefix(page, "<!doctype html>\n<html lang=\"en\">") {
		t.Errorf("begins with %.60q", page)
	}
	page = regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(page, "")
	var open []string
	for _, tag := range regexp.MustCompile(`<(/?)([a-z0-9]+)[^>]*?(/?)>`).FindAllStringSubmatch(page, -1) {
		switch name := tag[2]; {
		case name == "meta" || name == "img" || tag[3] == "/":
		case tag[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("</%s> where %q are open", name, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %q", open)
	}
}

// accessible finds what readers of screens need.
func accessible(t *testing.T, page string) {
	t.Helper()
	for what, n := range map[string]int{"<title>": 1, "<h1>": 1, "<main": 1, `<meta name="viewport"`: 1} {
		if got := strings.Count(page, what); got != n {
			t.Errorf("%d of %s, want %d", got, what, n)
		}
	}
	if tables, captions := strings.Count(page, "<table"), strings.Count(page, "<caption"); tables != captions {
		t.Errorf("%d tables, %d captions", tables, captions)
	}
	if header := regexp.MustCompile(`<th[ >]`).FindAllString(page, -1); len(header) != strings.Count(page, "<th scope=") {
		t.Errorf("%d headers of tables, %d with a scope", len(header), strings.Count(page, "<th scope="))
	}
	for _, m := range regexp.MustCompile(`aria-labelledby="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(page, `id="`+m[1]+`"`) {
			t.Errorf("nothing has the id %q", m[1])
		}
	}
}

// harmless makes sure that nothing is fetched or run, whatever stores and
// customers are called, and that no template was left unfilled.
func harmless(t *testing.T, page string) {
	t.Helper()
	for _, never := range []string{"<script", "<svg onload", "<link", "<iframe", "@import", "url(", "ZgotmplZ", "<no value>", "%!", "NaN", "javascript:"} {
		if strings.Contains(page, never) {
			t.Errorf("has %q in it", never)
		}
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !regexp.MustCompile(`^(/|http://([a-z-]+\.)?localhost:8080/)`).MatchString(m[1]) {
			t.Errorf("leads to %q", m[1])
		}
	}
	for _, img := range regexp.MustCompile(`<img[^>]*>`).FindAllString(page, -1) {
		if !regexp.MustCompile(`^<img src="/covers/\d+\?v=\d+" alt="" width="160" height="160" loading="lazy">$`).MatchString(img) {
			t.Errorf("shows %q", img)
		}
	}
	if m := regexp.MustCompile(`<[^>]*\son[a-z]+=`).FindString(page); m != "" {
		t.Errorf("runs something: %q", m)
	}
}

func TestChainPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	page := s.page(t, "")
	var linked []string
	for _, m := range regexp.MustCompile(`href="http://([a-z0-9-]+)\.localhost:8080/"`).FindAllStringSubmatch(page, -1) {
		linked = append(linked, m[1])
	}
	slices.Sort(linked)
	if want := []string{"brazil", "empty", "portugal", "refunds", slug(hostile)}; !slices.Equal(linked, want) {
		t.Errorf("links to %q, want each of %q once", linked, want)
	}
	for _, want := range []string{"Own database", "No store of this chain lives so.", "Own schema", "Shared tables", "One chain, 5 record stores", html.EscapeString(badCountry)} {
		if !strings.Contains(page, want) {
			t.Errorf("does not say %q", want)
		}
	}
	for _, c := range s.data.Customers {
		if strings.Contains(page, c.Email) || strings.Contains(page, c.LastName) {
			t.Errorf("shows the customer %s %s", c.FirstName, c.LastName)
		}
	}
	if strings.Contains(page, "$") {
		t.Error("shows an amount")
	}
}

// TestChainPageAtEveryName asks for it by all the names of this machine.
func TestChainPageAtEveryName(t *testing.T) {
	t.Parallel()
	s := open(t)
	for host, link := range map[string]string{
		"localhost": "localhost", "localhost:80": "localhost:80",
		"127.0.0.1:9000": "localhost:9000", "127.0.0.1": "localhost", "[::1]:9000": "localhost:9000", "[::1]": "localhost",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if want := `href="http://brazil.` + link + `/"`; w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: status %d, want it to have %s", host, w.Code, want)
		}
	}
}

func TestStorePage(t *testing.T) {
	t.Parallel()
	s := open(t)
	stores, err := s.data.Stores()
	if err != nil {
		t.Fatal(err)
	}
	for _, store := range stores {
		page := s.page(t, store.Slug)
		want := []string{
			"<h1>" + html.EscapeString(store.Country) + "</h1>",
			"<dd>" + store.Total().Dollars() + "</dd>",
			fmt.Sprintf("<dd>%d</dd>", len(store.Invoices)),
			fmt.Sprintf("<dd>%d</dd>", len(store.Customers)),
			`<a href="http://localhost:8080/">Back to all stores`,
			`<a href="/api/summary">`, `<a href="/api/invoices">`, `<a href="/api/customers">`,
			"<code>" + store.Slug + ".localhost:8080</code>",
		}
		for _, want := range want {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not say %q", store.Country, want)
			}
		}
	}
}

// TestStorePageShowsSales looks at the bars, lists and tables.
func TestStorePageShowsSales(t *testing.T) {
	t.Parallel()
	s := open(t)
	for store, wants := range map[string][]string{
		"brazil": {
			"Own schema", "the schema <code>store_brazil</code>", "Sales by year", `--share: 100`, "Best customers", "Recent invoices",
			`<a href="/invoices/`, "<time datetime=\"202",
		},
		hostile: {html.EscapeString(badGenre), html.EscapeString(badFirst + " " + badLast), html.EscapeString(badCity), "1 Mar 2024"},
		refunds: {"−$2.50", `--share: 0"`, "The invoices of this store have no lines."},
		empty:   {"Nothing sold yet", "<dt>Customer</dt><dd>1</dd>", "$0.00", "tables that it shares with other stores"},
	} {
		page := s.page(t, store)
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not say %q", store, want)
			}
		}
		if store == empty && (strings.Contains(page, "<table") || strings.Contains(page, "Sales by year")) {
			t.Error("an empty store shows tables")
		}
	}
	if best := strings.Count(s.page(t, "brazil"), `--share: 100"`); best != 2 {
		t.Errorf("%d bars are full, want the best year's and the best genre's", best)
	}
}

// TestChainWithoutStores is a page too.
func TestChainWithoutStores(t *testing.T) {
	t.Parallel()
	s := open(t)
	parts := s.parts()
	parts.Tenants = nobody{s.chain.Tenants}
	h, err := web.New(parts, &web.Options{Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	page := (&shop{Handler: h}).page(t, "")
	wellFormed(t, page)
	if !strings.Contains(page, "A chain without stores") || strings.Contains(page, "Try to cross the wall") {
		t.Error(page)
	}
}
