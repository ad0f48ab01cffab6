package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/examples/recordstore/web"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/internal/redistest"
)

// shop is the site of a chain with stores of all kinds.
type shop struct {
	http.Handler

	chain *chain.Chain
	data  *records.Chain
}

// The stores that open adds to two of the sample.
const (
	hostile = "hostile" // its names are attacks
	empty   = "empty"   // nobody has bought anything
	refunds = "refunds" // has given more back than it has sold, and its invoices have no lines
)

// What the hostile store is made of.
const (
	badCountry = `<script>hostile()</script>`
	badFirst   = `<img src=x onerror=first()>`
	badLast    = `"><svg onload=last()>`
	badCity    = `'-city()-'{{.}}`
	badGenre   = `</style><script>genre()</script>`
)

// stock are the records of the shop.
func stock() *records.Chain {
	c := records.Sample(2)
	c.Genres = append(c.Genres, records.Name{ID: 900, Name: badGenre})
	c.Tracks = append(c.Tracks, records.Track{
		ID: 9000, AlbumID: 1, MediaTypeID: 1, GenreID: 900, Name: badGenre, Composer: "", Milliseconds: 1, UnitPrice: 99,
	})
	for id, who := range map[int32][3]string{
		9001: {badFirst, badLast, badCountry}, 9002: {"Birna", "Novák", empty}, 9003: {"Emil", "Becker", refunds},
	} {
		c.Customers = append(c.Customers, records.Customer{
			ID: id, FirstName: who[0], LastName: who[1], City: badCity, Country: who[2], Email: who[0] + "@example.com",
		})
	}
	day := time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC)
	c.Invoices = append(c.Invoices,
		records.Invoice{ID: 9001, CustomerID: 9001, Date: day, Total: 99},
		records.Invoice{ID: 9002, CustomerID: 9003, Date: day, Total: -250})
	c.Lines = append(c.Lines, records.Line{ID: 9001, InvoiceID: 9001, TrackID: 9000, Quantity: 1, UnitPrice: 99})
	return c
}

// open opens the shop.
func open(t *testing.T) *shop {
	t.Helper()
	server, err := private.Start(t.Context(), pgtest.New(t, nil).URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	urls, err := server.Create(t.Context(), "catalog", "stores")
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{data: stock()}
	s.chain, err = chain.Open(t.Context(), chain.Config{
		Catalog: urls[0], App: server.As(urls[1], "web"), Migrator: urls[1], Logger: silent(),
		Redis: &redis.UniversalOptions{Addrs: []string{redistest.Addr(t)}}, Prefix: redistest.Namespace(t),
		Folder: t.TempDir(), FilesPath: web.PathFiles,
	}, s.data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.chain.Close)
	if s.Handler, err = web.New(s.parts(), &web.Options{Logger: silent()}); err != nil {
		t.Fatal(err)
	}
	return s
}

// parts is what the shop's site is made from.
func (s *shop) parts() web.Parts {
	c := s.chain
	return web.Parts{Tenants: c.Tenants, DB: c.DB, Cache: c.Cache, Files: c.Files, Depot: c.Depot}
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// slug is the label of a store's host.
func slug(store string) string {
	if store == hostile {
		return "script-hostile-script"
	}
	return store
}

// do sends a request to a store, or to the chain for an empty name.
func (s *shop) do(t *testing.T, method, store, path string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	host := "localhost:8080"
	if store != "" {
		host = slug(store) + "." + host
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, body)
	r.Host = host
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// page reads a page, which has to be there.
func (s *shop) page(t *testing.T, store string) string {
	t.Helper()
	w := s.do(t, http.MethodGet, store, "/", nil)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%q: status %d, %q", store, w.Code, w.Header().Get("Content-Type"))
	}
	return w.Body.String()
}
