package isolation_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
)

// impatient opens the house so that a tenant that is fenced is not waited for.
func impatient(h *house) { h.opts.FenceWait = -1 }

// doors are the two ways into a house: direct, and through a pooler.
func doors() map[string]func(*house) {
	return map[string]func(*house){
		"direct": impatient,
		"pooled": func(h *house) { impatient(h); h.pool() },
	}
}

// pairs are canaries by the strategy that keeps the second, whom the first can
// reach: they share a table, the first knows the schema of the second, or both
// have been put into one database.
func pairs() map[string][2]string {
	return map[string][2]string{"shared": {"acme", "globex"}, "schema": {"acme", "initech"}, "database": {"umbrella", "wayne"}}
}

// twin settles one more tenant in umbrella's own database.
func (h *house) twin(t *testing.T) {
	t.Helper()
	h.settle(t, "wayne", tenant.Placement{Strategy: tenant.Database, Database: h.who["umbrella"].Placement.Database})
}

// alter runs SQL as the superuser where a tenant's rows are: {in} is the schema.
func (h *house) alter(t *testing.T, slug, sql string) {
	t.Helper()
	schema := "public"
	if own := h.who[slug].Placement.Schema; own != "" {
		schema = own
	}
	conn := h.adminOf(t, slug)
	sql = `SET search_path = ` + schema + `, public; ` + strings.ReplaceAll(sql, "{in}", schema)
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// probe is what Probe finds between two, by code and object and without
// counting.
func (h *house) probe(t *testing.T, pair [2]string) (found []string, report *prove.Report) {
	t.Helper()
	report, err := prove.Probe(t.Context(), h, h.who[pair[0]], h.who[pair[1]])
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		found = append(found, f.Code+" "+f.Object)
	}
	slices.Sort(found)
	return slices.Compact(found), report
}

// The tables of the oracle. Everybody's row has number 1, so that a primary key
// complains before the others do. Those of its foreign keys have a note that
// refers to a head; what a note has to have, it has no default for.
const oracleTables = `
	CREATE TABLE rows_1 (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id int NOT NULL DEFAULT 1, item text NOT NULL, gone text, PRIMARY KEY (tenant_id, id));
	CREATE TABLE rows_2 (LIKE rows_1 INCLUDING ALL);
	CREATE TABLE rows_3 (LIKE rows_1 INCLUDING ALL);
	CREATE TABLE rows_4 (LIKE rows_1 INCLUDING ALL);
	CREATE TABLE rows_5 (LIKE rows_1 INCLUDING DEFAULTS);
	CREATE TABLE rows_6 (LIKE rows_1 INCLUDING DEFAULTS) PARTITION BY HASH (item);
	CREATE TABLE rows_7 (LIKE rows_1 INCLUDING DEFAULTS);
	CREATE TABLE rows_6a PARTITION OF rows_6 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
	CREATE TABLE quiet_1 (LIKE rows_1 INCLUDING ALL, span int4range NOT NULL DEFAULT '[1,5)');
	CREATE TABLE heads (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL,
		twice text GENERATED ALWAYS AS (item || item) STORED, UNIQUE (tenant_id, id), CONSTRAINT heads_words UNIQUE (twice, item));
	CREATE TABLE notes_1 (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), head bigint, item text NOT NULL);
	CREATE TABLE notes_2 (LIKE notes_1 INCLUDING ALL);
	CREATE TABLE notes_3 (LIKE notes_1 INCLUDING ALL, words text DEFAULT 'none');
	CREATE TABLE notes_4 (LIKE notes_1 INCLUDING ALL);
	CREATE TABLE notes_5 (LIKE notes_1 INCLUDING DEFAULTS);
	CREATE TABLE quiet_2 (LIKE notes_1 INCLUDING ALL, UNIQUE (tenant_id, head));
	CREATE TABLE quiet_3 (LIKE notes_1 INCLUDING ALL);
	SELECT partywall.protect(c.oid) FROM pg_class c WHERE relnamespace = '{in}'::regnamespace AND relkind IN ('r', 'p') AND relname ~ '^(rows|heads|notes|quiet)';`

// oracle is a key that answers for all tenants, or one that does not.
type oracle struct {
	sql   string
	finds string
	times int // one for each of the two who can be told, 2 if that is both
}

func oracles() []oracle {
	return []oracle{
		{`ALTER TABLE rows_1 ADD CONSTRAINT one_1 UNIQUE (item)`, "probe-unique one_1", 2},
		{`CREATE UNIQUE INDEX one_2 ON rows_2 (lower(item), (id + 1)) WHERE id > 0`, "probe-unique one_2", 2},
		{`ALTER TABLE rows_3 ADD CONSTRAINT one_3 EXCLUDE USING hash (item WITH =)`, "probe-unique one_3", 2},
		{`CREATE UNIQUE INDEX one_4 ON rows_4 (item, gone) NULLS NOT DISTINCT`, "probe-unique one_4", 2},
		{`ALTER TABLE rows_5 ADD CONSTRAINT one_5 UNIQUE (item) DEFERRABLE INITIALLY DEFERRED`, "probe-unique one_5", 2},
		{`ALTER TABLE rows_6 ADD CONSTRAINT one_6 UNIQUE (item)`, "probe-unique one_6", 2},
		{`CREATE UNIQUE INDEX one_7 ON rows_7 (item)`, "probe-unique one_7", 1}, // the second alone has a row there
		{``, "probe-unique heads_pkey", 2},
		{``, "probe-unique heads_words", 2},
		{`ALTER TABLE notes_1 ADD CONSTRAINT up FOREIGN KEY (head) REFERENCES heads`, "probe-foreign-key notes_1.up", 2},
		{`ALTER TABLE notes_2 ADD CONSTRAINT up FOREIGN KEY (head) REFERENCES heads DEFERRABLE INITIALLY DEFERRED`, "probe-foreign-key notes_2.up", 2},
		{`ALTER TABLE notes_3 ADD CONSTRAINT up FOREIGN KEY (item, words) REFERENCES heads (item, twice)`, "probe-foreign-key notes_3.up", 2},
		{`ALTER TABLE notes_4 ADD CONSTRAINT up FOREIGN KEY (head) REFERENCES heads`, "probe-foreign-key notes_4.up", 2},                           // the second alone has a note there
		{`ALTER TABLE notes_5 ALTER item DROP NOT NULL, ADD CONSTRAINT up FOREIGN KEY (head) REFERENCES heads`, "probe-foreign-key notes_5.up", 2}, // nobody has a note there
		{sql: `ALTER TABLE quiet_1 ADD UNIQUE (tenant_id, item), ADD UNIQUE (id, tenant_id)`},
		{sql: `CREATE EXTENSION btree_gist SCHEMA public; ALTER TABLE quiet_1 ADD EXCLUDE USING gist (tenant_id WITH =, span WITH &&)`},
		{sql: `ALTER TABLE quiet_2 ADD FOREIGN KEY (tenant_id, head) REFERENCES heads (tenant_id, id)`},
		{sql: `ALTER TABLE quiet_3 ADD FOREIGN KEY (head) REFERENCES heads; ALTER TABLE quiet_3 DISABLE TRIGGER ALL`}, // which nothing enforces
	}
}

// TestProbeIsTold has keys that answer for all tenants, each of which it has to
// find in each direction, and keys that do not.
func TestProbeIsTold(t *testing.T) {
	t.Parallel()
	for door, change := range doors() {
		for strategy, pair := range pairs() {
			t.Run(door+", "+strategy, func(t *testing.T) {
				t.Parallel()
				h := build(t, change)
				h.twin(t)
				if found, report := h.probe(t, pair); len(found) != 0 {
					t.Fatalf("control: %v", report)
				}
				h.alter(t, pair[1], oracleTables)
				want := map[string]int{}
				for _, o := range oracles() {
					h.alter(t, pair[1], o.sql)
					if o.finds != "" {
						want[o.finds] = o.times
					}
				}
				h.consult(t, pair)
				_, report := h.probe(t, pair)
				got := map[string]int{}
				for _, f := range report.Findings {
					got[f.Code+" "+strings.TrimPrefix(f.Object, "initech.")]++
					if f.Severity != prove.Warning || f.SQL == "" || strings.Contains(f.String(), "'s item") {
						t.Errorf("%s, %s: %s", f.Severity, f.Code, f)
					}
				}
				if !maps.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		}
	}
}

// consult writes the two's rows into the oracle's tables, where the second's
// are.
func (h *house) consult(t *testing.T, pair [2]string) {
	t.Helper()
	in := ""
	if own := h.who[pair[1]].Placement.Schema; own != "" {
		in = own + "."
	}
	for i, slug := range pair {
		for _, table := range []string{"heads", "quiet_1", "rows_1", "rows_2", "rows_3", "rows_4", "rows_5", "rows_6", "rows_7"}[:8+i] {
			h.write(t, slug, `INSERT INTO `+in+table+` (item) VALUES ($1)`)
		}
		for _, table := range []string{"notes_1", "notes_2", "quiet_2", "quiet_3", "notes_4"}[:4+i] {
			h.write(t, slug, `INSERT INTO `+in+table+` (head, item) SELECT id, item FROM `+in+`heads WHERE item = $1`)
		}
		h.write(t, slug, `INSERT INTO `+in+`notes_3 (item, words) SELECT item, twice FROM `+in+`heads WHERE item = $1`)
	}
}

// write runs SQL as a tenant, whose item is $1.
func (h *house) write(t *testing.T, slug, sql string) {
	t.Helper()
	if tag, err := h.Exec(h.as(t, slug), sql, slug+"'s item"); err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%s: %v, %v", sql, tag, err)
	}
}

// TestProbeClosesWhatIsTold runs the SQL that the findings have.
func TestProbeClosesWhatIsTold(t *testing.T) {
	t.Parallel()
	h := build(t, impatient)
	h.alter(t, "globex", `
		CREATE TABLE heads (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL);
		CREATE TABLE notes (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), head bigint CONSTRAINT of_head REFERENCES heads);
		SELECT partywall.protect('heads'), partywall.protect('notes')`)
	pair := [2]string{"acme", "globex"}
	for _, slug := range pair {
		h.write(t, slug, `INSERT INTO heads (item) VALUES ($1)`)
		h.write(t, slug, `INSERT INTO notes (head) SELECT id FROM heads WHERE item = $1`)
	}
	found, report := h.probe(t, pair)
	if !slices.Equal(found, []string{"probe-foreign-key notes.of_head", "probe-unique heads_pkey"}) {
		t.Fatalf("found %v", report)
	}
	run := map[string]bool{}
	for _, f := range report.Findings { // foreign keys come first, as they have to
		if !run[f.SQL] {
			h.alter(t, "globex", f.SQL)
		}
		run[f.SQL] = true
	}
	if found, report := h.probe(t, pair); len(found) != 0 {
		t.Errorf("after %v: %v", run, report)
	}
}

// TestProbeKeyedByUUID has the oracle where rows carry the tenant's UUID.
func TestProbeKeyedByUUID(t *testing.T) {
	t.Parallel()
	for door, change := range doors() {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			h := build(t, func(h *house) { change(h); h.opts.UUIDKeys = true })
			h.alter(t, "globex", `CREATE TABLE note (tenant_id uuid NOT NULL, body text NOT NULL, UNIQUE (tenant_id, body)); SELECT partywall.protect('note')`)
			pair := [2]string{"acme", "globex"}
			for _, slug := range pair {
				h.write(t, slug, `INSERT INTO note (body) VALUES ($1)`)
			}
			if found, report := h.probe(t, pair); len(found) != 0 {
				t.Fatalf("control: %v", report)
			}
			h.alter(t, "globex", `CREATE UNIQUE INDEX one_body ON note (body)`)
			if found, report := h.probe(t, pair); !slices.Equal(found, []string{"probe-unique one_body"}) {
				t.Errorf("found %v", report)
			}
		})
	}
}

// TestProbeFindsAnOpenFence takes the look at the epoch out of the gate: who
// comes by one that is past is let in, and Probe has to say so.
func TestProbeFindsAnOpenFence(t *testing.T) {
	t.Parallel()
	for door, change := range doors() {
		for strategy, pair := range pairs() {
			t.Run(door+", "+strategy, func(t *testing.T) {
				t.Parallel()
				h := build(t, change)
				h.twin(t)
				if found, report := h.probe(t, pair); len(found) != 0 {
					t.Fatalf("control: %v", report)
				}
				h.openFence(t, pair[1])
				if found, report := h.probe(t, pair); !slices.Equal(found, []string{"probe-epoch partywall.fence"}) || len(report.Only(prove.Breach)) == 0 {
					t.Errorf("found %v", report)
				}
			})
		}
	}
}

// openFence has both gates of a tenant's database let in by any epoch.
func (h *house) openFence(t *testing.T, slug string) {
	t.Helper()
	conn := h.adminOf(t, slug)
	for _, gate := range []string{"bind", "enter"} {
		var def string
		if err := conn.QueryRow(t.Context(), `SELECT pg_get_functiondef(('partywall.' || $1)::regproc)`, gate).Scan(&def); err != nil {
			t.Fatal(err)
		}
		open := strings.Replace(def, `f.epoch OPERATOR(pg_catalog.=) e AND`, ``, 1)
		if open == def {
			t.Fatalf("%s does not look at the epoch as this test knows it", gate)
		}
		if _, err := conn.Exec(t.Context(), open); err != nil {
			t.Fatal(err)
		}
	}
}

// refusing begins no transaction for an epoch that is past, and for a reason
// that has nothing to do with it.
type refusing struct {
	*isolation.DB

	epoch int64
}

func (r refusing) Begin(ctx context.Context) (pgx.Tx, error) {
	if t, err := tenant.FromContext(ctx); err != nil || t.Placement.Epoch < r.epoch {
		return nil, isolation.ErrBusy
	}
	return r.DB.Begin(ctx)
}

// TestProbeWantsToBeRefusedForTheEpoch fails where the attempt came to nothing:
// that it did not get in proves nothing then.
func TestProbeWantsToBeRefusedForTheEpoch(t *testing.T) {
	t.Parallel()
	h := build(t, impatient)
	db := refusing{DB: h.DB, epoch: h.who["acme"].Placement.Epoch}
	if _, err := prove.Probe(t.Context(), db, h.who["acme"], h.who["globex"]); !errors.Is(err, isolation.ErrBusy) {
		t.Errorf("got %v", err)
	}
}
