package main

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/check"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/internal/redistest"
	"github.com/partywall/partywall/tenant"
)

// house is a chain that is being served to a check, with all that a run makes
// around it.
type house struct {
	*site

	program *program
	config  chain.Config
	data    *records.Chain
}

// few are the first stores of the sample with two customers each, so that a
// visit is short.
func few(stores int) *records.Chain {
	c := records.Sample(stores)
	perCountry, keep, sold := map[string]int{}, map[int32]bool{}, map[int32]bool{}
	c.Customers = slices.DeleteFunc(c.Customers, func(row records.Customer) bool {
		perCountry[row.Country]++
		keep[row.ID] = perCountry[row.Country] <= 2
		return !keep[row.ID]
	})
	c.Invoices = slices.DeleteFunc(c.Invoices, func(row records.Invoice) bool {
		sold[row.ID] = keep[row.CustomerID]
		return !keep[row.CustomerID]
	})
	c.Lines = slices.DeleteFunc(c.Lines, func(row records.Line) bool { return !sold[row.InvoiceID] })
	return c
}

// build serves a few stores, kept on the server that url leads to.
func build(t *testing.T, url string, stores int) *house {
	t.Helper()
	h := place(t, url, stores)
	h.serve(t, h.open(t))
	return h
}

// place is build up to where the chain could be opened.
func place(t *testing.T, url string, stores int) *house {
	t.Helper()
	server, err := private.Start(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	redis, err := private.StartRedis(t.Context(), "redis://"+redistest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := redis.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	h := &house{program: &program{check: true, log: slog.New(slog.DiscardHandler)}, data: few(stores)}
	if h.config, err = h.program.place(t.Context(), server, redis, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return h
}

// open opens the chain.
func (h *house) open(t *testing.T) *chain.Chain {
	t.Helper()
	c, err := chain.Open(t.Context(), h.config, h.data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// serve has the chain's site wait for a check.
func (h *house) serve(t *testing.T, c *chain.Chain) {
	t.Helper()
	at, err := h.program.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(at.close)
	if h.site, err = h.program.listen(c, at, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
}

// execute runs SQL as the one who has made all this, and may tear it down.
func (h *house) execute(t *testing.T, database, sql string) {
	t.Helper()
	config, err := pgx.ParseConfig(h.config.Migrator)
	if err != nil {
		t.Fatal(err)
	}
	if database != "" {
		config.Database = database
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// app is the role that serves the stores.
func (h *house) app(t *testing.T) string {
	t.Helper()
	config, err := pgx.ParseConfig(h.config.App)
	if err != nil {
		t.Fatal(err)
	}
	return config.User
}

// all are the stores that are kept so.
func (h *house) all(t *testing.T, strategy tenant.Strategy) []tenant.Tenant {
	t.Helper()
	page, err := h.chain.Tenants.List(t.Context(), tenant.Query{Strategy: strategy})
	if err != nil || len(page.Tenants) == 0 {
		t.Fatalf("no store of strategy %s: %v", strategy, err)
	}
	return page.Tenants
}

// finds checks the house until there is a finding of the kind, and returns it,
// or "" after a whole check without.
func (h *house) finds(t *testing.T, kind string) string {
	t.Helper()
	target, err := h.target(t.Context(), h.config, h.data)
	if err != nil {
		t.Fatal(err)
	}
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	var found string
	target.Found = func(k, finding string) {
		if k == kind && found == "" {
			found = finding
			enough()
		}
	}
	var out bytes.Buffer
	if _, err := check.Run(ctx, target, &out); err != nil && found == "" {
		t.Fatal(err)
	}
	if found == "" {
		t.Logf("\n%s", &out)
	}
	return found
}
