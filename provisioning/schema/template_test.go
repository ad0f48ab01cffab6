package schema_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgserver"
	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
)

func TestTemplate(t *testing.T) {
	t.Parallel()
	files := shop(nil)
	h := build(t, files)
	fleet := h.fleet(t, files, nil)
	var names [3]string
	var working sync.WaitGroup
	for i := range names {
		working.Go(func() {
			var err error
			if names[i], err = fleet.EnsureTemplate(t.Context(), "eu-1"); err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	if names[0] == "" || names[0] != names[1] || names[1] != names[2] {
		t.Fatal(names)
	}
	t.Cleanup(func() { h.dropTemplate(t, names[0]) })

	keys := map[string]bool{}
	for i := range 2 {
		database := fmt.Sprintf("%s_%d", h.data.Name, i)
		who := h.add(t, tenant.Placement{Strategy: tenant.Database, Database: database})
		for range 2 { // as after a crash
			if err := fleet.CopyTemplate(t.Context(), "eu-1", database); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { h.dropTemplate(t, database) })
		if err := h.Provision(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Exec(tenant.NewContext(t.Context(), who), `INSERT INTO orders (id, item) VALUES (1, 'x')`); err != nil {
			t.Fatal(err)
		}
		var key string
		var fences int
		conn, err := pgx.Connect(t.Context(), pgserver.Rewrite(h.data.URL, "", "", database))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), `SELECT k::text, (SELECT count(*) FROM partywall.fence) FROM partywall.key k`).Scan(&key, &fences); err != nil || fences != 1 {
			t.Error(fences, err)
		}
		keys[key] = true
		_ = conn.Close(t.Context())
	}
	if len(keys) != 2 {
		t.Error("two databases have one signing key")
	}
	if report := apply(t, fleet, nil); report.Counts[schema.Current] != 3 {
		t.Error(report)
	}
	if report, err := fleet.Drift(t.Context(), tenant.Query{}); err != nil || len(report.Drifted) != 0 {
		t.Error(report, err)
	}
}

// TestHalfMadeTemplate: one that nobody finished is no template.
func TestHalfMadeTemplate(t *testing.T) {
	t.Parallel()
	files := shop(nil)
	h := build(t, files)
	fleet := h.fleet(t, files, nil)
	name, err := fleet.EnsureTemplate(t.Context(), "eu-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.dropTemplate(t, name) })
	h.dropTemplate(t, name)
	h.exec(t, `CREATE DATABASE `+name)
	if err := fleet.CopyTemplate(t.Context(), "eu-1", h.data.Name+"_own"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.dropTemplate(t, h.data.Name+"_own") })
	conn, err := pgx.Connect(t.Context(), pgserver.Rewrite(h.data.URL, "", "", h.data.Name+"_own"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if n := count(t, conn, `SELECT count(*) FROM orders`); n != 0 {
		t.Error(n)
	}
}

// TestOldTemplates: the template of the release before stays, for nodes that are
// still of it, and earlier ones go.
func TestOldTemplates(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	var names []string
	for _, column := range []string{"a", "b", "c"} {
		name, err := h.fleet(t, shop(map[string]string{"003_note.sql": "-- +goose Up\nALTER TABLE orders ADD COLUMN " + column + " text;"}), nil).
			EnsureTemplate(t.Context(), "eu-1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.dropTemplate(t, name) })
		names = append(names, name)
	}
	rows, err := h.data.Conn(t).Query(t.Context(), `SELECT datname::text FROM pg_database WHERE datname = ANY ($1) ORDER BY oid`, names)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || !slices.Equal(left, names[1:]) {
		t.Error(left, err)
	}
}
