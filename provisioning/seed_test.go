package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/provisioning"
	"github.com/partywall/partywall/tenant"
)

// seeds are files by their names.
func seeds(files map[string]string) fs.FS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// provision makes a tenant and returns its operation, ended.
func (h *house) provision(t testing.TB, spec tenant.Spec) (provisioning.Operation, []provisioning.Event) {
	t.Helper()
	op, err := h.engine.Provision(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	var events []provisioning.Event
	for event, err := range op.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	o, err := h.engine.Get(t.Context(), op.ID())
	if err != nil {
		t.Fatal(err)
	}
	return o, events
}

// seedingAttempts is how often the tenant was seeded.
func seedingAttempts(o provisioning.Operation) int {
	for _, s := range o.Steps {
		if s.Name == "seed" {
			return s.Attempts
		}
	}
	return 0
}

// seeded is what a tenant has after an operation that has to have succeeded.
func (h *house) seeded(t testing.TB, o provisioning.Operation) string {
	t.Helper()
	who, err := h.tenants.Refresh(t.Context(), tenant.ByID(o.Tenant))
	if err != nil || o.State != provisioning.Succeeded {
		t.Fatalf("%s: %s, %v", o.State, o.Reason, err)
	}
	return h.orders(t, who)
}

func TestSeedOfEachStrategy(t *testing.T) {
	t.Parallel()
	h := site(t)
	files := seeds(map[string]string{
		"seed/1.sql":        "\uFEFFINSERT INTO orders (id, item) VALUES (1, 'a;b');\r\n-- more\r\nINSERT INTO orders (id, item)\r\nVALUES (2, 'c');\r\n",
		"seed/2.sql":        "UPDATE orders SET item = item || '!' WHERE id = 2",
		"seed/2_orders.csv": "item,id\n\"\",4\n", "seed/01_orders.csv": "id,item\r\n3,\"d\"\"d\"\r\n",
	})
	h.open(t, func(o *provisioning.Options) {
		o.Lifecycle.Seed = provisioning.Seed(h.db,
			provisioning.SeedSQL(files, "seed/2.sql", "seed/*.sql"), // the second is empty work without rows
			provisioning.SeedCSV(files, "seed/*.csv"),
			func(ctx context.Context, tx pgx.Tx, progress func(float64, string)) error {
				who, err := tenant.FromContext(ctx)
				if err != nil {
					return err
				}
				_, err = tx.Exec(ctx, `INSERT INTO orders (id, item) VALUES (5, $1)`, who.Slug)
				progress(1, "greeted")
				return err
			})
	})
	for plan := range plans() {
		slug := "acme-" + string(plan)
		o, events := h.provision(t, tenant.Spec{Slug: slug, Plan: plan})
		if got, want := h.seeded(t, o), `a;b, c, d"d, , `+slug; got != want {
			t.Errorf("%s: %q", plan, got)
		}
		told := false
		for _, event := range events {
			told = told || event.Type == provisioning.Progressed && event.Message == "seed/2.sql: 1 statements"
		}
		if !told {
			t.Errorf("%s: nobody was told how far it is: %+v", plan, events)
		}
	}
}

// TestSeedTypes has columns of all sorts, filled from text.
func TestSeedTypes(t *testing.T) {
	t.Parallel()
	h := site(t)
	var many strings.Builder
	many.WriteString("id,item\n")
	for id := range 2500 {
		fmt.Fprintf(&many, "%d,x\n", id)
	}
	files := seeds(map[string]string{
		"kinds.csv": "\n" + strings.Join([]string{
			"id,n,yes,at,doc,raw,words,mood,note",
			`1,1.50,true,2026-01-02T03:04:05Z,"{""a"": [1]}",\x00ff,"{a,""b,c""}",glad,NULL`,
			`2,,,,,,,,`,
			`3,0,f,epoch,null,"","{}",sad,"line` + "\r\n" + `two"`,
		}, "\r\n"),
		"orders.csv": many.String(),
	})
	h.open(t, func(o *provisioning.Options) {
		o.Lifecycle.Seed = provisioning.Seed(h.db, provisioning.SeedCSV(files, "*.csv"))
	})
	h.admin(t, `CREATE TYPE public.mood AS ENUM ('glad', 'sad')`, `
		CREATE TABLE public.kinds (
			tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id bigint NOT NULL, n numeric, yes boolean, at timestamptz,
			doc jsonb, raw bytea, words text[], mood public.mood, note text, PRIMARY KEY (tenant_id, id))`, `SELECT partywall.protect('public.kinds')`)
	o, _ := h.provision(t, tenant.Spec{Slug: "acme"})
	if got := h.seeded(t, o); strings.Count(got, "x") != 2500 {
		t.Errorf("%d rows", strings.Count(got, "x"))
	}
	who, err := h.tenants.Refresh(t.Context(), tenant.ByID(o.Tenant))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := h.db.Query(tenant.NewContext(t.Context(), who), `
		SELECT row(id, n, yes, extract(epoch FROM at)::bigint, doc, raw, words, mood, replace(note, E'\n', '/'))::text FROM kinds ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`(1,1.50,t,1767323045,"{""a"": [1]}","\\x00ff","{a,""b,c""}",glad,NULL)`,
		`(2,,,,,,,,)`,
		`(3,0,f,0,null,"\\x",{},sad,line/two)`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// admin runs statements on the data server, as whoever owns it.
func (h *house) admin(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }() // what it did is committed
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// brokenSeed is a file that follows one that is right, and where and how it is
// wrong.
type brokenSeed struct {
	file, text string
	line       int
	why        string
}

func brokenSeeds() map[string]brokenSeed {
	middle := "id,item\n" + strings.Repeat("\n", 3) + "7,a\n8,b\n"
	return map[string]brokenSeed{
		"syntax":          {"z.sql", "SELECT 1;\nSELECT\n  1,\n  FROM orders", 4, "syntax error"},
		"second of two":   {"z.sql", "INSERT INTO orders (id, item) VALUES (9, 'x');\n\n\nINSERT INTO orders (id, item) VALUES (9, 'x')", 4, "23505"},
		"open string":     {"z.sql", "SELECT 1;\nSELECT 'abc", 2, "does not end"},
		"open comment":    {"z.sql", "SELECT 1;\n/* /* */", 2, "does not end"},
		"nul in sql":      {"z.sql", "SELECT 1;\nSELECT 'a\x00b'", 2, "NUL"},
		"utf-16":          {"z.sql", "\xff\xfeS\x00", 1, "not UTF-8"},
		"latin-1":         {"z.sql", "SELECT 1;\n\nSELECT 'caf\xe9'", 3, "not UTF-8"},
		"commit":          {"z.sql", "SELECT 1;\n/* x */ COMMIT;\nSELECT 1", 2, "refused"},
		"rollback":        {"z.sql", "ROLLBACK", 1, "refused"},
		"copy":            {"z.sql", "COPY orders FROM stdin;\n1\ta\n\\.\n", 1, "refused"},
		"do":              {"z.sql", "DO $$ BEGIN COMMIT; END $$", 1, "refused"},
		"parameter":       {"z.sql", "SELECT $1::int", 1, "arguments"},
		"another's row":   {"z.sql", "INSERT INTO orders (tenant_id, id, item) VALUES (999999, 1, 'x')", 1, "42501"},
		"fields":          {"orders.csv", middle + "9\n", 7, "has 1 fields for 2 columns"},
		"quote":           {"orders.csv", middle + "9,a\"b\n", 7, "bare"},
		"open quote":      {"orders.csv", middle + "9,\"ab\ncd\nef", 7, "up to line 9"},
		"number":          {"orders.csv", middle + "nine,a\n", 7, "22P02"},
		"twice":           {"orders.csv", middle + "8,c\n9,d\n", 7, "23505"},
		"null":            {"orders.csv", middle + "9,\n", 7, "23502"},
		"nul in csv":      {"orders.csv", middle + "9,a\x00b\n", 7, "NUL"},
		"unknown table":   {"nothing.csv", "id\n1\n", 1, "42P01"},
		"unknown column":  {"orders.csv", "\nid,thing\n1,a\n", 2, "42703"},
		"no rows":         {"nothing.csv", "id\n", 1, "42P01"},
		"empty":           {"orders.csv", "", 1, "names no columns"},
		"unnamed column":  {"orders.csv", "id,\n1,a\n", 1, "has no name"},
		"column twice":    {"orders.csv", "id,id\n1,1\n", 1, "comes twice"},
		"injected table":  {`orders"; DROP TABLE orders; --.csv`, "id,item\n1,a\n", 1, "42P01"},
		"injected column": {"orders.csv", "id,\"item) VALUES (1, 'a'); --\"\n1,a\n", 1, "42703"},
		"too large":       {"z.sql", strings.Repeat(" ", 64<<20+1), 0, "are allowed"},
		"huge line":       {"orders.csv", "id,item\n1," + strings.Repeat("x", 2<<20) + "\n1,a\n", 3, "23505"},
	}
}

// TestBrokenSeeds wants the whole step taken back at the first attempt, and the
// place named.
func TestBrokenSeeds(t *testing.T) {
	t.Parallel()
	h := site(t)
	cases := brokenSeeds()
	var errs sync.Map
	h.open(t, func(o *provisioning.Options) {
		o.Lifecycle.Seed = func(ctx context.Context, who tenant.Tenant, progress func(float64, string)) error {
			c := cases[who.Name]
			files := seeds(map[string]string{"a.sql": "INSERT INTO orders (id, item) VALUES (1000, 'good')", c.file: c.text})
			seed := provisioning.Seed(h.db, provisioning.SeedSQL(files, "*.sql"), provisioning.SeedCSV(files, strings.Replace(c.file, ".sql", ".csv", 1)))
			err := seed(ctx, who, progress)
			errs.Store(who.Name, err)
			return err
		}
	})
	n := 0
	for name, c := range cases {
		n++
		o, _ := h.provision(t, tenant.Spec{Slug: fmt.Sprintf("broken-%d", n), Name: name})
		var broken *provisioning.SeedError
		last, _ := errs.Load(name)
		err, _ := last.(error)
		if o.State != provisioning.Undone || seedingAttempts(o) != 1 {
			t.Errorf("%s: %s after %d attempts: %v", name, o.State, seedingAttempts(o), err)
		}
		if !errors.As(err, &broken) || broken.File != c.file || broken.Line != c.line || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(o.Reason, "seed: provisioning: seeding from "+c.file) {
			t.Errorf("%s: undone because %s", name, o.Reason)
		}
	}
	if own, shared := h.places(t); own+shared > 0 {
		t.Errorf("%d places and %d rows are left", own, shared)
	}
}

// TestSeedPatterns wants a word about patterns that find nothing.
func TestSeedPatterns(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{"*.nothing": "no file matches", "[": "syntax error in pattern", "folder": ""} {
		files := fstest.MapFS{"folder/a.sql": {Data: []byte("SELECT 1")}}
		for _, seed := range []provisioning.Seeder{provisioning.SeedSQL(files, pattern), provisioning.SeedCSV(files, pattern)} {
			var broken *provisioning.SeedError
			err := seed(t.Context(), nil, func(float64, string) {})
			if !errors.As(err, &broken) || broken.File != pattern || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", pattern, err)
			}
		}
	}
}

// TestSeedIsThereOnce breaks seeding off before and after it is committed, and
// takes the connection away in the middle of it.
func TestSeedIsThereOnce(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"canceled", "answer lost", "connection lost"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			h := site(t)
			files := seeds(map[string]string{"1.sql": "INSERT INTO orders (id, item) VALUES (1, 'one')", "orders.csv": "id,item\n2,two\n"})
			var tries atomic.Int32
			h.open(t, func(o *provisioning.Options) {
				middle := func(context.Context, pgx.Tx, func(float64, string)) error {
					if at == "connection lost" && tries.Load() == 1 {
						h.admin(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'provisioning_app'`)
					}
					return nil
				}
				seed := provisioning.Seed(h.db, provisioning.SeedSQL(files, "*.sql"), middle, provisioning.SeedCSV(files, "*.csv"))
				o.Lifecycle.Seed = func(ctx context.Context, who tenant.Tenant, progress func(float64, string)) error {
					first := tries.Add(1) == 1
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					err := seed(ctx, who, func(done float64, message string) {
						if at == "canceled" && first && strings.HasPrefix(message, "orders.csv") {
							cancel()
						}
						progress(done, message)
					})
					if err == nil && at == "answer lost" && first {
						return context.DeadlineExceeded
					}
					return err
				}
			})
			o, _ := h.provision(t, tenant.Spec{Slug: "acme"})
			if got := h.seeded(t, o); got != "one, two" || tries.Load() != 2 {
				t.Errorf("%q after %d tries", got, tries.Load())
			}
		})
	}
}

// forgetful does not keep in mind what was done.
type forgetful struct{ *isolation.DB }

func (f forgetful) Once(ctx context.Context, _ string, fn func(pgx.Tx) error) (bool, error) {
	return true, f.Tx(ctx, nil, fn)
}

// TestSeedNeedsOnce takes away what keeps rows from being written twice.
func TestSeedNeedsOnce(t *testing.T) {
	t.Parallel()
	h := site(t)
	files := seeds(map[string]string{"orders.csv": "id,item\n1,one\n"})
	var tries atomic.Int32
	h.open(t, func(o *provisioning.Options) {
		seed := provisioning.Seed(forgetful{h.db}, provisioning.SeedCSV(files, "*.csv"))
		o.Lifecycle.Seed = func(ctx context.Context, who tenant.Tenant, progress func(float64, string)) error {
			err := seed(ctx, who, progress)
			if tries.Add(1) == 1 && err == nil {
				return context.DeadlineExceeded // the answer was lost
			}
			return err
		}
	})
	if o, _ := h.provision(t, tenant.Spec{Slug: "acme"}); o.State != provisioning.Undone || !strings.Contains(o.Reason, "orders.csv, line 2") {
		t.Errorf("%s: %s", o.State, o.Reason)
	}
}
