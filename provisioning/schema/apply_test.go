package schema_test

import (
	"errors"
	"testing"

	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
)

const note = `-- +goose Up
ALTER TABLE orders ADD COLUMN note text;
`

func TestApplyReachesEveryStrategy(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 3)
	own := h.add(t, tenant.Placement{Strategy: tenant.Database, Database: h.data.Sibling(t).Name})
	if err := h.Provision(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	h.add(t, tenant.Placement{Strategy: tenant.Shared})
	h.add(t, tenant.Placement{Strategy: tenant.Shared})

	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note}), nil)
	report := apply(t, fleet, nil)
	if report.Counts[schema.Applied] != 5 || report.Places() != 5 || report.Err() != nil {
		t.Fatalf("%v: %v", report, report.Err())
	}
	for _, who := range h.who {
		var notes int
		if err := h.QueryRow(tenant.NewContext(t.Context(), who), `SELECT count(note) FROM orders`).Scan(&notes); err != nil {
			t.Errorf("%s: %v", who.Slug, err)
		}
	}
	if report = apply(t, fleet, nil); report.Counts[schema.Current] != 5 || len(report.Results) != 0 {
		t.Fatalf("the second time: %v", report)
	}
	if report = apply(t, fleet, &schema.ApplyOptions{Verify: true}); report.Counts[schema.Current] != 5 || len(report.Results) != 5 {
		t.Fatalf("verified: %v", report)
	}
}

func TestThreeOfFiftyFail(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 50)
	for _, schema := range []string{"shop_7", "shop_23", "shop_50"} { // each has what the migration wants to make
		h.exec(t, `CREATE TABLE `+schema+`.reviews ()`)
	}
	fleet := h.fleet(t, shop(map[string]string{"003_reviews.sql": `-- +goose Up
ALTER TABLE orders ADD COLUMN reviewed boolean;

CREATE TABLE reviews (
	tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
	id bigint NOT NULL, PRIMARY KEY (tenant_id, id));
SELECT partywall.protect('reviews');
`}), nil)
	report := apply(t, fleet, nil)
	if report.Counts[schema.Applied] != 48 || report.Counts[schema.Failed] != 3 { // with the shared tables
		t.Fatal(report)
	}
	failed := map[string]bool{}
	for _, result := range report.Failed() {
		e, ok := errors.AsType[*schema.PlaceError](result.Err)
		if !ok || e.Version != 3 || e.File != "003_reviews.sql" || e.Line != 4 || e.Code != "42P07" || e.Attempts != 1 || e.SQL == "" {
			t.Fatalf("%#v", e)
		}
		failed[result.Tenant.Slug] = true
		t.Log(e)
	}
	if !failed["shop-7"] || !failed["shop-23"] || !failed["shop-50"] {
		t.Fatal(failed)
	}
	h.exec(t, `DROP TABLE shop_7.reviews, shop_23.reviews`)
	report = apply(t, fleet, nil)
	if report.Counts[schema.Current] != 48 || report.Counts[schema.Applied] != 2 || report.Counts[schema.Failed] != 1 || len(report.Results) != 3 {
		t.Fatal(report)
	}
}
