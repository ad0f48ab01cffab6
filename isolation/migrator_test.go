package isolation_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestAtPlace goes to every tenant's place as the migrator, and finds what the
// tenant has there.
func TestAtPlace(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	if servers := h.Servers(); !slices.Equal(servers, []string{"eu-1"}) {
		t.Error(servers)
	}
	for slug, want := range map[string]isolation.Target{
		"acme":     {Server: "eu-1", Database: h.data.Name, Schema: "public", Strategy: tenant.Shared, Path: `"public"`},
		"initech":  {Server: "eu-1", Database: h.data.Name, Schema: "initech", Strategy: tenant.Schema, Path: `"initech", "public"`},
		"umbrella": {Server: "eu-1", Database: h.who["umbrella"].Placement.Database, Schema: "public", Strategy: tenant.Database, Path: `"public"`},
	} {
		to, err := h.Target(h.who[slug])
		if err != nil || to != want {
			t.Errorf("%s: %+v, %v; want %+v", slug, to, err, want)
		}
		err = h.AtPlace(t.Context(), to, func(conn *pgx.Conn) error {
			var item, schema, database string
			err := conn.QueryRow(t.Context(), `SELECT item, current_schema(), current_database() FROM orders WHERE tenant_id = $1`, h.who[slug].Number).
				Scan(&item, &schema, &database)
			if item != "of "+slug || schema != want.Schema || database != want.Database {
				t.Errorf("%s: %q in %s.%s", slug, item, database, schema)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", slug, err)
		}
	}
}

func TestAtPlaceRefuses(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	nowhere := h.who["acme"]
	nowhere.Placement.Server = "us-1"
	if _, err := h.Target(nowhere); !errors.Is(err, isolation.ErrNoServer) {
		t.Error(err)
	}
	never := func(*pgx.Conn) error {
		t.Error("called")
		return nil
	}
	if err := h.AtPlace(t.Context(), isolation.Target{Server: "us-1"}, never); !errors.Is(err, isolation.ErrNoServer) {
		t.Error(err)
	}
	if err := h.AtPlace(t.Context(), isolation.Target{Server: "eu-1", Database: h.data.Name, Path: `"`}, never); err == nil {
		t.Error("a search_path that is none")
	}
	everybodys := h.who["initech"]
	everybodys.Placement.Schema = "public"
	if _, err := h.Target(everybodys); !errors.Is(err, isolation.ErrRefused) {
		t.Error(err)
	}
}
