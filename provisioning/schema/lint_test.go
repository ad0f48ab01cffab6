package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestLint has one migration after those of the shop in each case, whose
// findings are "line rule".
func TestLint(t *testing.T) {
	t.Parallel()
	const alone = "-- +goose NO TRANSACTION\n"
	for name, test := range map[string]struct {
		sql  string
		want []string
	}{
		"a good table":       {"CREATE TABLE a (tenant_id bigint NOT NULL, id bigint, PRIMARY KEY (tenant_id, id));\nSELECT partywall.protect('a');", nil},
		"a shared one":       {"CREATE TABLE genre (id int PRIMARY KEY, name text UNIQUE);\nSELECT partywall.share('genre');", nil},
		"shared by regclass": {"CREATE TABLE genre (id int PRIMARY KEY);\nSELECT partywall.share('genre'::regclass);", nil},
		"nobody's table":     {"\nCREATE TABLE a (id bigint);", []string{"3 table-without-tenant"}},
		"unprotected":        {"CREATE TABLE a (\n\ttenant_id bigint,\n\tid bigint);", []string{"2 table-unprotected"}},
		"inline key":         {"CREATE TABLE a (id uuid PRIMARY KEY, tenant_id bigint);SELECT partywall.protect('a');", []string{"2 key-without-tenant"}},
		"unique":             {"CREATE TABLE a (tenant_id bigint, email text, UNIQUE (email));\nSELECT partywall.protect('a');", []string{"2 key-without-tenant"}},
		"unique index": {
			"CREATE TABLE a (tenant_id bigint, email text);\nCREATE UNIQUE INDEX ON a (lower(email));\nCREATE UNIQUE INDEX ON a (tenant_id, lower(email));\nSELECT partywall.protect('a');",
			[]string{"3 key-without-tenant"},
		},
		"foreign key": {
			"CREATE TABLE a (tenant_id bigint, o bigint REFERENCES orders (id), FOREIGN KEY (tenant_id, o) REFERENCES orders (tenant_id, id));\nSELECT partywall.protect('a');",
			[]string{"2 key-without-tenant"},
		},
		"foreign key to shared": {
			"CREATE TABLE g (id int PRIMARY KEY); SELECT partywall.share('g');\nCREATE TABLE a (tenant_id bigint, g int REFERENCES g);\nSELECT partywall.protect('a');", nil,
		},
		"schema named":     {"CREATE TABLE public.a (tenant_id bigint);\nSELECT partywall.protect('a');\nSET search_path = x;", []string{"2 schema-named", "4 schema-named"}},
		"type":             {"ALTER TABLE orders\n\tALTER COLUMN id TYPE numeric;", []string{"2 table-rewrite"}},
		"type allowed":     {"-- partywall:allow table-rewrite a longer varchar\nALTER TABLE orders ALTER id TYPE numeric;", nil},
		"allowed too much": {"-- partywall:allow contract because\nALTER TABLE orders ADD a text;", []string{"2 allow"}},
		"allowed without a reason": {
			"-- partywall:allow table-rewrite\nALTER TABLE orders ALTER id TYPE numeric;", []string{"2 allow", "3 table-rewrite"},
		},
		"allowed elsewhere": {
			"-- partywall:allow contract unused\nALTER TABLE orders DROP item;\nALTER TABLE orders DROP id;", []string{"4 contract"},
		},
		"column":             {"ALTER TABLE orders ADD COLUMN a text, ADD b timestamptz NOT NULL DEFAULT now(), ADD c varchar(9) DEFAULT 'x'::varchar(9);", nil},
		"volatile":           {"ALTER TABLE orders ADD a uuid DEFAULT gen_random_uuid();", []string{"2 table-rewrite"}},
		"generated":          {"ALTER TABLE orders ADD a text GENERATED ALWAYS AS (item || 'x') STORED;", []string{"2 table-rewrite"}},
		"serial":             {"ALTER TABLE orders ADD a bigserial;", []string{"2 table-rewrite"}},
		"not null":           {"ALTER TABLE orders ADD a int NOT NULL;", []string{"2 contract"}},
		"set not null":       {"ALTER TABLE orders ALTER item SET NOT NULL;", []string{"2 table-scan"}},
		"set not null well":  {"ALTER TABLE orders ADD CONSTRAINT c CHECK (item IS NOT NULL) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT c;\nALTER TABLE orders ALTER item SET NOT NULL;", nil},
		"check":              {"ALTER TABLE orders ADD CONSTRAINT c CHECK (item <> '');", []string{"2 table-scan"}},
		"reference":          {"ALTER TABLE order_lines ADD FOREIGN KEY (tenant_id, line) REFERENCES orders (tenant_id, id);", []string{"2 table-scan"}},
		"key later":          {"ALTER TABLE orders ADD UNIQUE (item);", []string{"2 index-lock", "2 key-without-tenant"}},
		"index":              {"CREATE INDEX i ON orders (item);", []string{"2 index-lock"}},
		"index well":         {alone + "DROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE INDEX CONCURRENTLY i ON orders (item);", nil},
		"index once":         {alone + "CREATE INDEX CONCURRENTLY i ON orders (item);", []string{"3 not-repeatable"}},
		"index that may lie": {alone + "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders (item);", []string{"3 not-repeatable"}},
		"no transaction":     {"CREATE INDEX CONCURRENTLY i ON orders (item);", []string{"2 not-repeatable"}},
		"index of a new one": {"CREATE TABLE a (tenant_id bigint);SELECT partywall.protect('a');\nCREATE INDEX ON a (tenant_id);", nil},
		"drop and rename":    {"ALTER TABLE orders DROP item, RENAME id TO nr;\nDROP TABLE order_lines;\nTRUNCATE orders;", []string{"2 contract", "2 contract", "3 contract", "4 contract"}},
		"drop of a new one":  {"CREATE TABLE a (id int);\nDROP TABLE a;", nil},
		"commented out":      {"-- ALTER TABLE orders DROP item;\nALTER TABLE orders DROP item;", []string{"3 contract"}},
		"backfill":           {"ALTER TABLE orders ADD a text;\nUPDATE orders SET a = item;", []string{"3 backfill-under-lock"}},
		"opaque":             {"-- +goose StatementBegin\nDO $$ BEGIN EXECUTE 'DROP TABLE orders'; END $$;\n-- +goose StatementEnd", []string{"3 opaque"}},
		"several at once":    {"-- +goose StatementBegin\nSELECT 1;\nALTER TABLE orders DROP item;\nSELECT ';' /* ; DROP TABLE orders; */;\n-- +goose StatementEnd", []string{"4 contract"}},
		"partitions": {
			"CREATE TABLE a (tenant_id bigint) PARTITION BY HASH (tenant_id);\nCREATE TABLE a0 PARTITION OF a FOR VALUES WITH (MODULUS 2, REMAINDER 0);\n" +
				"SELECT partywall.protect('a');\nCREATE TABLE a1 PARTITION OF a FOR VALUES WITH (MODULUS 2, REMAINDER 1);", []string{"5 table-unprotected"},
		},
		"exclusion": {
			"CREATE TABLE a (tenant_id bigint, during tstzrange,\n\tEXCLUDE USING gist (tenant_id WITH =, during WITH &&),\n\tCONSTRAINT c EXCLUDE USING gist (during WITH &&));\nSELECT partywall.protect('a');",
			[]string{"2 key-without-tenant"},
		},
		"key by an index":      {alone + "DROP INDEX CONCURRENTLY IF EXISTS i;\nCREATE UNIQUE INDEX CONCURRENTLY i ON orders (tenant_id, item);", nil},
		"key with a name":      {"ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i;", nil},
		"things with a schema": {"CREATE VIEW public.v AS SELECT 1;\nCREATE TYPE public.mood AS ENUM ('a');\nCREATE VIEW w AS SELECT 1;", []string{"2 schema-named", "3 schema-named"}},
		"of a dump":            {"SELECT pg_catalog.set_config('search_path', '', false);", []string{"2 schema-named"}},
		"opened":               {"ALTER TABLE orders DISABLE ROW LEVEL SECURITY;", []string{"2 table-unprotected"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "-- +goose Up\n" + test.sql + "\n-- +goose Down\nDROP TABLE orders;\n"
			var got []string
			for _, f := range load(t, shop(map[string]string{"003_it.sql": text})).Lint() {
				if f.File != "003_it.sql" || f.Instead == "" || f.Problem == "" {
					t.Errorf("%+v", f)
				}
				got = append(got, fmt.Sprint(f.Line, " ", f.Rule))
				t.Log(f)
			}
			slices.Sort(got)
			if strings.Join(got, ", ") != strings.Join(test.want, ", ") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzLint(f *testing.F) {
	f.Add("CREATE TABLE a (id int, CHECK ((id) > 0);")
	f.Add("ALTER TABLE \"a\"\"b\".c ADD CONSTRAINT \"x\" UNIQUE USING INDEX y, ALTER z TYPE t USING (a, b);")
	f.Add("SELECT partywall.protect('x'), $a$;$a$, E'\\'', U&\"x\", 1e5, /* /* */ x")
	f.Fuzz(func(t *testing.T, sql string) {
		migrations, err := loadAny(map[string]string{"001_a.sql": "-- +goose Up\n-- +goose StatementBegin\n" + sql + "\n-- +goose StatementEnd\n"})
		if err != nil {
			return
		}
		for _, finding := range migrations.Lint() {
			if finding.Line < 1 {
				t.Errorf("%v", finding)
			}
		}
	})
}
