package schema_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/pgtenant"
)

// many makes n schemas for the migrations given, and a
// catalog on PostgreSQL of who has them.
func many(b *testing.B, files fstest.MapFS, n int) (*house, *pgtenant.Catalog) {
	b.Helper()
	h := build(b, files)
	catalog, err := pgtenant.Open(b.Context(), h.catalog, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { // which takes longer than other tests' databases may
		_, err := h.catalog.Exec(context.WithoutCancel(b.Context()), `DROP DATABASE `+pgx.Identifier{h.data.Name}.Sanitize()+` WITH (FORCE)`)
		if err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(catalog.Close)
	h.exec(b, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP EXECUTE format('CREATE SCHEMA shop_%%s', i); END LOOP; END $$`, n))
	var working sync.WaitGroup
	for part := range 8 {
		working.Go(func() {
			for i := part + 1; i <= n; i += 8 {
				_, err := catalog.Create(b.Context(), tenant.Spec{Slug: fmt.Sprintf("shop-%d", i), Status: tenant.Active, Placement: tenant.Placement{
					Server: "eu-1", Strategy: tenant.Schema, Schema: fmt.Sprintf("shop_%d", i),
				}})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	working.Wait()
	return h, catalog
}

func fleetOver(b *testing.B, h *house, tenants schema.Tenants, files fstest.MapFS) *schema.Fleet {
	b.Helper()
	fleet, err := schema.New(h.catalog, h, tenants, load(b, files), nil)
	if err != nil {
		b.Fatal(err)
	}
	return fleet
}

// BenchmarkOneColumn adds a column in a thousand schemas, by the fleet and then
// by goose alone, one schema after another, and compares.
func BenchmarkOneColumn(b *testing.B) {
	const n = 1000
	h, catalog := many(b, shop(nil), n)
	apply(b, fleetOver(b, h, catalog, shop(nil)), nil)
	note := map[string]string{"003_note.sql": note}
	for b.Loop() {
		began := time.Now()
		report := apply(b, fleetOver(b, h, catalog, shop(note)), nil)
		fleet := time.Since(began)
		if report.Counts[schema.Applied] != n+1 {
			b.Fatal(report, report.Err())
		}
		began = time.Now()
		alone(b, h, n, shop(map[string]string{"003_note.sql": note["003_note.sql"], "004_price.sql": "-- +goose Up\nALTER TABLE orders ADD COLUMN price text;\n"}))
		goose := time.Since(began)
		b.ReportMetric(fleet.Seconds()*1000/n, "fleet-ms/schema")
		b.ReportMetric(goose.Seconds()*1000/n, "goose-ms/schema")
		b.ReportMetric(goose.Seconds()/fleet.Seconds(), "ratio")
	}
	b.ReportMetric(0, "ns/op")
}

// alone is how goose is used without a fleet.
func alone(b *testing.B, h *house, n int, files fstest.MapFS) {
	b.Helper()
	for i := 1; i <= n; i++ {
		config, err := pgx.ParseConfig(h.data.URL)
		if err != nil {
			b.Fatal(err)
		}
		config.RuntimeParams["search_path"] = fmt.Sprintf("shop_%d, public", i)
		db := stdlib.OpenDB(*config)
		if err := up(b.Context(), db, files); err != nil {
			b.Fatal(err)
		}
	}
}

func up(ctx context.Context, db *sql.DB, files fstest.MapFS) error {
	defer func() { _ = db.Close() }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// BenchmarkNothingToDo applies to ten thousand schemas that are current. They are
// small, so that they can be dropped again in time.
func BenchmarkNothingToDo(b *testing.B) {
	const n = 10_000
	files := folder(map[string]string{"001_small.sql": "-- +goose Up\nCREATE TABLE a (tenant_id bigint NOT NULL);\nSELECT partywall.protect('a');\n"})
	h, catalog := many(b, files, n)
	fleet := fleetOver(b, h, catalog, files)
	apply(b, fleet, nil)
	for b.Loop() {
		if report := apply(b, fleet, nil); report.Counts[schema.Current] != n+1 || len(report.Results) != 0 {
			b.Fatal(report)
		}
	}
}

// BenchmarkDatabase makes databases for tenants: as they are made without a
// template, out of one, and what the copying is of that, in both ways that
// PostgreSQL has.
func BenchmarkDatabase(b *testing.B) {
	h := build(b, shop(nil))
	fleet := fleetOver(b, h, h.tenants, shop(nil))
	template, err := fleet.EnsureTemplate(b.Context(), "eu-1")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.dropTemplate(b, template) })
	made := 0
	next := func() string {
		made++
		name := fmt.Sprintf("%s_%d", h.data.Name, made)
		b.Cleanup(func() { h.dropTemplate(b, name) })
		return name
	}
	provision := func(b *testing.B, database string) {
		if err := h.Provision(b.Context(), h.add(b, tenant.Placement{Strategy: tenant.Database, Database: database})); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("made", func(b *testing.B) {
		for b.Loop() {
			provision(b, next())
		}
	})
	b.Run("copied", func(b *testing.B) {
		for b.Loop() {
			database := next()
			if err := fleet.CopyTemplate(b.Context(), "eu-1", database); err != nil {
				b.Fatal(err)
			}
			provision(b, database)
		}
	})
	for _, strategy := range []string{"wal_log", "file_copy"} {
		b.Run(strategy, func(b *testing.B) {
			for b.Loop() {
				h.exec(b, `CREATE DATABASE `+pgx.Identifier{next()}.Sanitize()+` TEMPLATE `+template+` STRATEGY `+strategy)
			}
		})
	}
}

// BenchmarkDrift looks at five hundred schemas.
func BenchmarkDrift(b *testing.B) {
	const n = 500
	h, catalog := many(b, shop(nil), n)
	fleet := fleetOver(b, h, catalog, shop(nil))
	apply(b, fleet, nil)
	for b.Loop() {
		report, err := fleet.Drift(b.Context(), tenant.Query{})
		if err != nil || report.Places != n+1 || len(report.Drifted) != 0 {
			b.Fatal(report, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/schema")
}
