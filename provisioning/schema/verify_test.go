package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	files := shop(map[string]string{"003_more.sql": more})
	h := build(t, files)
	h.settle(t, 3)
	own := h.add(t, tenant.Placement{Strategy: tenant.Database, Database: h.data.Sibling(t).Name})
	shared := h.add(t, tenant.Placement{Strategy: tenant.Shared})
	if err := h.Provision(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	fleet := h.fleet(t, files, nil)
	for _, who := range h.who {
		if err := fleet.Verify(t.Context(), who); err != nil {
			t.Fatal(who.Slug, err)
		}
	}
	// Apply need not go where Verify was; it keeps nothing of shared tables.
	if report := apply(t, fleet, nil); report.Counts[schema.Current] != 5 || len(report.Results) != 1 || report.Results[0].Place.Strategy != tenant.Shared {
		t.Fatal(report)
	}
	// Both see the same in a place.
	if report, err := fleet.Drift(t.Context(), tenant.Query{}); err != nil || len(report.Drifted) != 0 {
		t.Fatal(report, err)
	}
	if err := fleet.Verify(t.Context(), h.who[0]); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`SET search_path = shop_1, public; CREATE INDEX by_hand ON orders (item)`,
		`SET search_path = shop_1, public; ALTER TYPE mood ADD VALUE 'angry'`,
		`SET search_path = shop_1, public; CREATE OR REPLACE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
		`DROP TABLE shop_1.order_lines`,
	} {
		h.exec(t, sql)
		place, isPlace := errors.AsType[*schema.PlaceError](fleet.Verify(t.Context(), h.who[0]))
		if !isPlace || !errors.Is(place, schema.ErrUnlike) || place.Place.Schema != "shop_1" || !strings.Contains(place.Error(), "2 others of version 3") {
			t.Errorf("%s: %v", sql, place)
		}
		h.exec(t, `DROP SCHEMA shop_1 CASCADE`)
		if err := h.Provision(t.Context(), h.who[0]); err != nil {
			t.Fatal(err)
		}
		if err := fleet.Verify(t.Context(), h.who[0]); err != nil {
			t.Errorf("%s, and made anew: %v", sql, err)
		}
	}
	// A place of the release before.
	next := h.fleet(t, shop(map[string]string{"003_more.sql": more, "004_note.sql": note}), nil)
	for _, who := range []tenant.Tenant{h.who[0], own, shared} {
		if err := next.Verify(t.Context(), who); !errors.Is(err, schema.ErrBehind) || !strings.Contains(err.Error(), "004_note.sql") {
			t.Errorf("%s: %v", who.Slug, err)
		}
	}
	// The next release is compared with itself.
	apply(t, next, nil)
	for _, who := range h.who {
		if err := next.Verify(t.Context(), who); err != nil {
			t.Errorf("%s: %v", who.Slug, err)
		}
	}
	nowhere := h.add(t, tenant.Placement{Strategy: tenant.Schema, Schema: "not_made"})
	if err := fleet.Verify(t.Context(), nowhere); err == nil || errors.Is(err, schema.ErrUnlike) {
		t.Error(err)
	}
}
