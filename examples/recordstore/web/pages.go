package web

import (
	"bytes"
	"embed"
	"html/template"
	"net"
	"net/http"

	"github.com/partywall/partywall/examples/recordstore/money"
	"github.com/partywall/partywall/tenant"
)

//go:embed pages/*
var pageFiles embed.FS

func parsePages() (*template.Template, error) {
	return template.New("pages").Funcs(template.FuncMap{
		"share": share,
		"words": words,
	}).ParseFS(pageFiles, "pages/*")
}

// share is how many percent part is of whole, for the length of a bar. What
// was given back has none.
func share(part, whole money.Amount) int64 {
	if part <= 0 || whole <= 0 {
		return 0
	}
	return int64(part * 100 / whole)
}

// words names a strategy for people.
func words(s tenant.Strategy) string {
	return map[tenant.Strategy]string{
		tenant.Shared:   "Shared tables",
		tenant.Schema:   "Own schema",
		tenant.Database: "Own database",
	}[s]
}

// storeView is what the page of a store shows.
type storeView struct {
	sales

	Tenant tenant.Tenant
	Host   string // of the chain, with the port
	Upkeep upkeep
	// Domains is where the store's own domains are looked after, "" for nowhere.
	Domains string
}

// BestYear is the highest bar.
func (v *storeView) BestYear() (best money.Amount) {
	for _, y := range v.Years {
		best = max(best, y.Total)
	}
	return best
}

// BestGenre is the longest bar.
func (v *storeView) BestGenre() money.Amount {
	if len(v.Genres) == 0 {
		return 0
	}
	return v.Genres[0].Total
}

func (s *site) storePage(w http.ResponseWriter, r *http.Request) error {
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		return err
	}
	view := &storeView{Tenant: t, Host: s.baseOf(r)}
	if view.sales, err = s.sales(r.Context()); err != nil {
		return err
	}
	if view.Upkeep, err = s.upkeep(r.Context(), t); err != nil {
		return err
	}
	if s.Domains != nil {
		view.Domains = PathDomains
	}
	return s.show(w, "store.html", view)
}

// catalogueView is what a store's page of records shows.
type catalogueView struct {
	Tenant tenant.Tenant
	Host   string
	Albums []album
	Upkeep upkeep
}

func (s *site) cataloguePage(w http.ResponseWriter, r *http.Request) error {
	t, err := tenant.FromContext(r.Context())
	if err != nil {
		return err
	}
	view := &catalogueView{Tenant: t, Host: s.baseOf(r)}
	if view.Albums, err = s.catalogue(r.Context()); err != nil {
		return err
	}
	if view.Upkeep, err = s.upkeep(r.Context(), t); err != nil {
		return err
	}
	return s.show(w, "catalogue.html", view)
}

// chainView is what the page of the chain shows: names, and no store's data.
type chainView struct {
	Host   string // of the chain, with the port
	Header string // in which a gateway names the store
	SignUp string // the path where new stores join, "" for nowhere
	Groups []chainGroup
}

type chainGroup struct {
	Strategy tenant.Strategy
	Tenants  []tenant.Tenant
}

// Stores is how many there are.
func (v *chainView) Stores() (n int) {
	for _, g := range v.Groups {
		n += len(g.Tenants)
	}
	return n
}

// neighbours are two stores to try the wall between.
type neighbours struct{ First, Second tenant.Tenant }

// Pair returns the last two stores, which are the closest: if any share their
// tables, these do. It returns nil for a chain that has not got two.
func (v *chainView) Pair() *neighbours {
	var all []tenant.Tenant
	for _, g := range v.Groups {
		all = append(all, g.Tenants...)
	}
	if len(all) < 2 {
		return nil
	}
	return &neighbours{First: all[len(all)-2], Second: all[len(all)-1]}
}

// chainPage has no tenant, and so no way to any store's rows.
func (s *site) chainPage(w http.ResponseWriter, r *http.Request) error {
	view := &chainView{Host: s.baseOf(r), Header: Header, Groups: []chainGroup{
		{Strategy: tenant.Database}, {Strategy: tenant.Schema}, {Strategy: tenant.Shared},
	}}
	if s.signUp != nil {
		view.SignUp = PathSignUp
	}
	for t, err := range s.Tenants.All(r.Context(), tenant.Query{Status: []tenant.Status{tenant.Active}}) {
		if err != nil {
			return err
		}
		for i := range view.Groups {
			if g := &view.Groups[i]; g.Strategy == t.Placement.Strategy {
				g.Tenants = append(g.Tenants, t)
			}
		}
	}
	return s.show(w, "chain.html", view)
}

// baseOf is the host of the chain as the client reaches it by HTTP.
func (s *site) baseOf(r *http.Request) string {
	if r.TLS != nil && s.plain != "" {
		return s.plain
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		return net.JoinHostPort(Base, port)
	}
	return Base
}

// show renders a page as a whole before it sends any of it.
func (s *site) show(w http.ResponseWriter, name string, view any) error {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, view); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'")
	_, _ = page.WriteTo(w) // the client may have gone
	return nil
}
