package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/provisioning/schema"
	"github.com/partywall/partywall/tenant"
)

// more is a bit of everything that a fingerprint looks at.
const more = `-- +goose Up
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN amount AS numeric(12,2) CHECK (VALUE >= 0);
CREATE TABLE events (
	tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
	id        bigserial,
	mood      mood,
	total     amount DEFAULT 1,
	PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT partywall.protect('events');
CREATE VIEW happy WITH (security_invoker = true) AS SELECT id FROM events WHERE mood = 'happy';
-- +goose StatementBegin
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.id; RETURN NEW; END $$;
-- +goose StatementEnd
CREATE TRIGGER shout BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION shout();
`

func TestDrift(t *testing.T) {
	t.Parallel()
	files := shop(map[string]string{"003_more.sql": more})
	h := build(t, files)
	h.settle(t, 5)
	odd := h.add(t, tenant.Placement{Strategy: tenant.Schema, Schema: `Odd "name", too`})
	own := h.add(t, tenant.Placement{Strategy: tenant.Database, Database: h.data.Sibling(t).Name})
	for _, who := range []tenant.Tenant{odd, own} {
		if err := h.Provision(t.Context(), who); err != nil {
			t.Fatal(err)
		}
	}
	h.add(t, tenant.Placement{Strategy: tenant.Schema, Schema: "not_made_yet"})
	fleet := h.fleet(t, files, nil)
	drift := func() *schema.DriftReport {
		report, err := fleet.Drift(t.Context(), tenant.Query{})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if report := drift(); report.Places != 8 || len(report.Drifted) != 0 || report.Versions[3] != 8 {
		t.Fatal(report)
	}
	for sql, want := range map[string]string{
		`CREATE INDEX by_hand ON orders (item)`:                                             "index by_hand",
		`ALTER TABLE orders ADD COLUMN extra int`:                                           "column orders.extra",
		`ALTER TABLE orders ALTER item TYPE varchar(80)`:                                    "column orders.item",
		`ALTER TABLE orders ALTER item SET DEFAULT 'x'`:                                     "column orders.item",
		`ALTER TABLE orders ALTER item DROP NOT NULL`:                                       "column orders.item",
		`ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT VALID`:                      "constraint orders.c",
		`DROP POLICY partywall_bound ON orders`:                                             "policy orders.partywall_bound",
		`ALTER TABLE orders NO FORCE ROW LEVEL SECURITY`:                                    "table orders",
		`GRANT TRUNCATE ON orders TO partywall_app`:                                         "grant on orders to partywall_app",
		`GRANT UPDATE (item) ON orders TO PUBLIC`:                                           "grant on column orders.item to PUBLIC",
		`ALTER TYPE mood ADD VALUE 'angry'`:                                                 "type mood",
		`ALTER TABLE events DISABLE TRIGGER shout`:                                          "trigger events.shout",
		`CREATE OR REPLACE VIEW happy AS SELECT id FROM events`:                             "view happy",
		`ALTER FUNCTION shout() SECURITY DEFINER`:                                           "function shout()",
		`ALTER FUNCTION shout() OWNER TO partywall_owner`:                                   "function shout()",
		`DROP TABLE order_lines`:                                                            "table order_lines",
		`ALTER SEQUENCE events_id_seq INCREMENT 5`:                                          "sequence events_id_seq",
		`ALTER DOMAIN amount DROP CONSTRAINT amount_check`:                                  "type amount",
		`CREATE UNLOGGED TABLE scratch ()`:                                                  "table scratch",
		`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_pkey'::regclass`: "index orders_pkey",
	} {
		h.exec(t, `CREATE SCHEMA IF NOT EXISTS backup; SET search_path = shop_2, public;`+sql)
		report := drift()
		var objects []string
		for _, d := range report.Drifted {
			for _, difference := range d.Differences {
				objects = append(objects, difference.Object)
			}
		}
		if len(report.Drifted) != 1 || report.Drifted[0].Tenant.Slug != "shop-2" || !slices.Contains(objects, want) {
			t.Errorf("%s: %v", sql, report)
		}
		if !strings.Contains(report.String(), want) {
			t.Errorf("%s: %s", sql, report)
		}
		h.exec(t, `DROP SCHEMA shop_2 CASCADE`)
		if err := h.Provision(t.Context(), h.who[1]); err != nil {
			t.Fatal(err)
		}
	}
	if report := drift(); len(report.Drifted) != 0 {
		t.Fatal(report)
	}
}

// TestDriftHealsTheCatalog: a place that was restored from a backup is not what
// the catalog says.
func TestDriftHealsTheCatalog(t *testing.T) {
	t.Parallel()
	h := build(t, shop(nil))
	h.settle(t, 3)
	old := h.fleet(t, shop(nil), nil)
	fleet := h.fleet(t, shop(map[string]string{"003_note.sql": note}), nil)
	apply(t, fleet, nil)
	h.exec(t, `DROP SCHEMA shop_2 CASCADE`)
	if err := h.Provision(t.Context(), h.who[1]); err != nil { // as of the backup
		t.Fatal(err)
	}
	if report := apply(t, fleet, nil); report.Counts[schema.Current] != 4 {
		t.Fatal(report)
	}
	report, err := fleet.Drift(t.Context(), tenant.Query{})
	if err != nil || report.Versions[2] != 1 || report.Versions[3] != 3 {
		t.Fatal(report, err)
	}
	if report := apply(t, fleet, nil); report.Counts[schema.Applied] != 1 || report.Results[0].Place.Schema != "shop_2" {
		t.Fatal(report)
	}
	// A node of the release before does nothing to what is ahead of it.
	if report := apply(t, old, nil); report.Counts[schema.Ahead] != 4 || len(report.Results) != 0 {
		t.Fatal(report)
	}
	if report := apply(t, old, &schema.ApplyOptions{Verify: true}); report.Counts[schema.Ahead] != 4 || len(report.Results) != 4 {
		t.Fatal(report)
	}
	if report := apply(t, fleet, nil); report.Counts[schema.Current]+report.Counts[schema.Applied] != 4 {
		t.Fatal(report)
	}
}
