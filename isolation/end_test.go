package isolation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestDeprovisionByOldNews ends a tenant as it was before its last change: its
// rows are in use, and stay.
func TestDeprovisionByOldNews(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for _, slug := range slugs() {
		old := h.who[slug]
		h.reopen(t, slug) // by two epochs
		var fenced *isolation.FencedError
		if err := h.Deprovision(t.Context(), old); !errors.As(err, &fenced) || fenced.Want != fenced.Have+2 {
			t.Errorf("%s: %v", slug, err)
		}
	}
	h.clean(t)
}

// TestDeprovisionOfACommonPlace ends tenants whose place is not theirs alone.
func TestDeprovisionOfACommonPlace(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	for slug, place := range map[string]tenant.Placement{
		"as-public":   {Strategy: tenant.Schema, Schema: "public"},
		"as-wall":     {Strategy: tenant.Schema, Schema: "partywall"},
		"as-catalog":  {Strategy: tenant.Schema, Schema: "pg_catalog"},
		"as-shared":   {Strategy: tenant.Database, Database: h.data.Name},
		"as-template": {Strategy: tenant.Database, Database: "template1"},
		"with-other":  {Strategy: tenant.Schema, Schema: "initech"},
		"with-same":   {Strategy: tenant.Database, Database: h.who["umbrella"].Placement.Database},
	} {
		place.Server = "eu-1"
		who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: slug, Placement: place, Status: tenant.Active})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Deprovision(t.Context(), who); !errors.Is(err, isolation.ErrRefused) {
			t.Errorf("%s: ending it: %v", slug, err)
		}
		if place.Schema == "initech" || slug == "with-same" {
			continue // to be there together is odd, and harmless
		}
		if err := h.Provision(t.Context(), who); !errors.Is(err, isolation.ErrRefused) {
			t.Errorf("%s: making it: %v", slug, err)
		}
	}
	h.clean(t)
}

// TestProvisionLooksAtNewTables makes a schema whose migrations forget the
// wall: the tenant is not let in.
func TestProvisionLooksAtNewTables(t *testing.T) {
	t.Parallel()
	h := build(t, func(h *house) {
		h.opts.Migrate = func(ctx context.Context, conn *pgx.Conn, to isolation.Target) error {
			if to.Schema == "careless" {
				_, err := conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS orders (tenant_id bigint NOT NULL, id bigint, item text); GRANT ALL ON orders TO partywall_app`)
				return err
			}
			return migrate(ctx, conn, to)
		}
	})
	who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: "careless", Status: tenant.Active,
		Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Schema, Schema: "careless"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(t.Context(), who); !errors.Is(err, isolation.ErrUnsafe) {
		t.Errorf("got %v", err)
	}
	h.clean(t)
}
