package prove_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation/prove"
)

// mistake is a hole that somebody makes, and the finding that it is.
type mistake struct {
	sql   string
	code  string
	alone bool // not together with the others: it hides them, or they it
}

// mistakes are the holes behind a wall.
func mistakes() []mistake {
	return []mistake{
		{sql: `ALTER ROLE {app} SUPERUSER`, code: "role-superuser", alone: true},
		{sql: `ALTER ROLE {app} BYPASSRLS`, code: "role-bypassrls"},
		{sql: `ALTER ROLE {app} CREATEROLE`, code: "role-createrole", alone: true},
		{sql: `ALTER ROLE {app} REPLICATION`, code: "role-replication"},
		{sql: `ALTER DATABASE {db} OWNER TO {app}`, code: "role-database", alone: true},
		{sql: `GRANT pg_read_server_files TO {app}`, code: "role-member", alone: true},
		{sql: `GRANT pg_read_all_stats TO {app}`, code: "role-monitor", alone: true},
		{sql: `GRANT partywall_pooled TO {app}`, code: "role-both"},
		{sql: `ALTER TABLE genre OWNER TO {app}`, code: "role-owns-table", alone: true},
		{sql: `CREATE SCHEMA mine AUTHORIZATION {app}`, code: "role-owns-schema", alone: true},
		{sql: `CREATE FUNCTION f1() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f1 OWNER TO {app}`, code: "role-owns-function"},
		{sql: `GRANT CREATE ON SCHEMA public TO PUBLIC`, code: "create-in-schema"},
		{sql: `GRANT CREATE ON DATABASE {db} TO {app}`, code: "create-in-database"},
		{sql: `CREATE TABLE t1 (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id int)`, code: "table-unprotected"},
		{sql: `CREATE TABLE t2 (id int); GRANT SELECT ON t2 TO {app}`, code: "table-undeclared"},
		{sql: `GRANT UPDATE (name) ON media_type TO partywall_app`, code: "shared-writable"},
		{sql: `ALTER TABLE invoice NO FORCE ROW LEVEL SECURITY`, code: "policy-changed"},
		{sql: `CREATE POLICY reports ON customer USING (true)`, code: "policy-extra"},
		{sql: `GRANT TRUNCATE ON customer TO {app}`, code: "table-right"},
		{sql: `CREATE VIEW v1 AS SELECT * FROM invoice; GRANT SELECT ON v1 TO {app}`, code: "view-definer"},
		{sql: `CREATE MATERIALIZED VIEW m1 AS SELECT * FROM invoice; GRANT SELECT ON m1 TO {app}`, code: "materialized-view"},
		{sql: `CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE f3 (line text) SERVER files OPTIONS (filename '/etc/passwd'); GRANT SELECT ON f3 TO {app}; ALTER EXTENSION file_fdw DROP FUNCTION file_fdw_handler(); ALTER EXTENSION file_fdw DROP FUNCTION file_fdw_validator(text[], oid); ALTER EXTENSION file_fdw DROP FOREIGN DATA WRAPPER file_fdw; DROP EXTENSION file_fdw; REVOKE ALL ON FUNCTION file_fdw_handler(), file_fdw_validator(text[], oid) FROM PUBLIC`, code: "foreign-table"},
		{sql: `CREATE FOREIGN DATA WRAPPER w1; CREATE SERVER s1 FOREIGN DATA WRAPPER w1; GRANT USAGE ON FOREIGN SERVER s1 TO {app}`, code: "foreign-server"},
		{sql: `CREATE TABLE n1 (tenant_id bigint NOT NULL); SELECT partywall.protect('n1'); ALTER TABLE n1 ALTER COLUMN tenant_id DROP NOT NULL`, code: "tenant-column-nullable"},
		{sql: `ALTER TABLE customer ALTER COLUMN tenant_id DROP DEFAULT`, code: "tenant-column-default"},
		{sql: `ALTER TABLE customer ADD UNIQUE (company)`, code: "key-without-tenant"},
		{sql: `CREATE UNIQUE INDEX lower_company ON customer (lower(city))`, code: "key-without-tenant", alone: true},
		{sql: `CREATE EXTENSION btree_gist; ALTER TABLE invoice ADD EXCLUDE USING gist (total WITH =)`, code: "key-without-tenant", alone: true},
		{sql: `CREATE TABLE a1 (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id int NOT NULL, up int, UNIQUE (tenant_id, id)); CREATE UNIQUE INDEX ON a1 (id);
			ALTER TABLE a1 ADD FOREIGN KEY (up) REFERENCES a1 (id) ON DELETE CASCADE; SELECT partywall.protect('a1')`, code: "foreign-key-without-tenant", alone: true},
		{sql: `CREATE FUNCTION f4() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM invoice'`, code: "definer-bypasses"},
		{sql: `CREATE FUNCTION f5() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; GRANT CREATE ON SCHEMA public TO partywall_owner; ALTER FUNCTION f5 OWNER TO partywall_owner`, code: "definer-search-path"},
		{sql: `CREATE FUNCTION f6(int) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'`, code: "function-leakproof"},
		{sql: `CREATE FUNCTION f7(cstring) RETURNS int LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'`, code: "function-untrusted"},
		{sql: `CREATE FUNCTION f8() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t8 BEFORE INSERT ON invoice FOR EACH ROW EXECUTE FUNCTION f8()`, code: "trigger-definer"},
		{sql: `CREATE RULE r1 AS ON DELETE TO invoice_line DO ALSO SELECT 1`, code: "rule"},
		{sql: `CREATE FUNCTION f9() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER {app}_e ON ddl_command_end EXECUTE FUNCTION f9()`, code: "event-trigger"},
		{sql: `GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {app}`, code: "function-files"},
		{sql: `GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO {app}`, code: "function-set-config"},
		{sql: `GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC`, code: "function-locks"},
		{sql: `GRANT EXECUTE ON FUNCTION lo_get(oid) TO PUBLIC`, code: "function-large-objects"},
		{sql: `GRANT EXECUTE ON FUNCTION pg_stat_get_activity(int) TO PUBLIC`, code: "function-activity"},
		{sql: `GRANT EXECUTE ON FUNCTION pg_sequence_last_value(regclass) TO PUBLIC`, code: "function-sequences"},
		{sql: `GRANT EXECUTE ON FUNCTION pg_terminate_backend(int, bigint) TO PUBLIC`, code: "function-signal"},
		{sql: `DO $d$ BEGIN EXECUTE 'GRANT EXECUTE ON FUNCTION ' || (SELECT oid::regprocedure FROM pg_proc WHERE proname = 'pg_logical_emit_message' LIMIT 1) || ' TO PUBLIC'; END $d$`, code: "function-message"},
		{sql: `GRANT SELECT ON SEQUENCE partywall.secret TO {app}`, code: "wall-right"},
		{sql: `GRANT EXECUTE ON FUNCTION partywall.evict(bigint) TO {app}`, code: "wall-function"},
		{sql: `ALTER TABLE partywall.fence DISABLE TRIGGER turned`, code: "wall-trigger"},
		{sql: `CREATE SEQUENCE q1; GRANT UPDATE ON SEQUENCE q1 TO {app}`, code: "sequence-update"},
		{sql: `SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO {app}`, code: "large-object"},
		{sql: `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {app}`, code: "default-privileges", alone: true},
		{sql: `CREATE EXTENSION dblink; REVOKE ALL ON FUNCTION dblink_connect(text) FROM PUBLIC`, code: "extension"},
		{sql: `CREATE PUBLICATION p1 FOR TABLE invoice`, code: "publication"},
		{sql: `CREATE STATISTICS st1 (dependencies) ON invoice_id, total FROM invoice`, code: "statistics"},
		{sql: `ALTER ROLE {app} IN DATABASE {db} SET row_security = off`, code: "setting"},
	}
}

// TestEachMistake makes one hole at a time, sees that and nothing else, runs
// the SQL of the finding, and sees nothing.
func TestEachMistake(t *testing.T) {
	t.Parallel()
	for _, m := range mistakes() {
		t.Run(m.code, func(t *testing.T) {
			t.Parallel()
			s := walled(t)
			s.exec(t, m.sql)
			found := s.look(t)
			for _, f := range found.Findings {
				// What a foreign key without the tenant refers to is a key without it.
				if f.Code != m.code && (m.code != "foreign-key-without-tenant" || f.Code != "key-without-tenant") {
					t.Errorf("found besides: %s %s", f.Code, f)
				}
			}
			if !slices.ContainsFunc(found.Findings, func(f prove.Finding) bool { return f.Code == m.code }) {
				t.Fatalf("%s was not found", m.code)
			}
			outside, err := prove.Catalog(t.Context(), s.admin, &prove.Options{Role: s.app})
			if err != nil || !slices.Equal(codes(outside), codes(found)) {
				t.Errorf("a superuser finds %v (%v), the role %v", codes(outside), err, codes(found))
			}
			s.close(t, found)
			if left := s.look(t); !left.Clean() {
				t.Errorf("after %q: %v", found.Findings[0].SQL, left)
			}
		})
	}
}

// TestCarelessDatabase makes all of them in one database.
func TestCarelessDatabase(t *testing.T) {
	t.Parallel()
	s := walled(t)
	made := 0
	for _, m := range mistakes() {
		if !m.alone {
			s.exec(t, m.sql)
			made++
		}
	}
	if made < 25 {
		t.Fatalf("%d mistakes are not enough", made)
	}
	found := s.look(t)
	for _, m := range mistakes() {
		if !m.alone && !slices.ContainsFunc(found.Findings, func(f prove.Finding) bool { return f.Code == m.code }) {
			t.Errorf("%s was not found", m.code)
		}
	}
	s.close(t, found)
	if left := s.look(t); !left.Clean() {
		t.Errorf("left: %v", left)
	}
}

func TestCleanWall(t *testing.T) {
	t.Parallel()
	s := walled(t)
	if found := s.look(t); !found.Clean() {
		t.Errorf("found %v", found)
	}
}

// TestRoleThatIsNoMember looks at roles that the policies are not for. They
// cannot look themselves, and are told what they lack.
func TestRoleThatIsNoMember(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"no member":              `REVOKE partywall_app FROM {app}`,
		"a member by SET ROLE":   `REVOKE partywall_app FROM {app}; ALTER ROLE {app} NOINHERIT; GRANT partywall_app TO {app}`,
		"a member of the others": `REVOKE partywall_app FROM {app}; CREATE ROLE {app}_group IN ROLE partywall_app; ALTER ROLE {app} NOINHERIT; GRANT {app}_group TO {app}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := walled(t)
			s.exec(t, `GRANT CONNECT ON DATABASE {db} TO {app}`)
			s.exec(t, sql)
			conn, err := pgx.Connect(t.Context(), s.data.As(s.app))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			if _, err := prove.Catalog(t.Context(), conn, nil); err == nil || !strings.Contains(err.Error(), "run: GRANT partywall_app TO") {
				t.Errorf("itself: %v", err)
			}
			found, err := prove.Catalog(t.Context(), s.admin, &prove.Options{Role: s.app})
			if err != nil || !slices.Equal(codes(found), []string{"role-not-member " + s.app}) {
				t.Fatalf("found %v, %v", found, err)
			}
			s.close(t, found)
			if left := s.look(t); !left.Clean() {
				t.Errorf("after %q: %v", found.Findings[0].SQL, left)
			}
			s.exec(t, `DROP ROLE IF EXISTS {app}_group`)
		})
	}
}

// TestPlainPolicies judges a database that never saw the wall.
func TestPlainPolicies(t *testing.T) {
	t.Parallel()
	s := plain(t)
	s.exec(t, `
		CREATE FUNCTION whose() RETURNS bigint STABLE LANGUAGE sql AS $$ SELECT current_setting('app.tenant')::bigint $$;
		CREATE TABLE orders (tenant_id bigint NOT NULL, id int, PRIMARY KEY (tenant_id, id));
		CREATE TABLE bills (LIKE orders);
		CREATE TABLE "open" (LIKE orders);
		CREATE TABLE "true" (LIKE orders);
		ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
		ALTER TABLE bills ENABLE ROW LEVEL SECURITY;
		ALTER TABLE "true" ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON orders USING (tenant_id = current_setting('app.tenant')::bigint);
		CREATE POLICY own ON bills USING (tenant_id = whose());
		CREATE POLICY own ON "true" USING (true);
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}`)
	found := s.look(t)
	for _, want := range []string{
		"policy-forgeable orders.own", "policy-forgeable bills.own", "table-open open", `policy-open "true".own`, "table-not-forced orders",
	} {
		if !slices.Contains(codes(found), want) {
			t.Errorf("%s is not among %v", want, codes(found))
		}
	}
	if !strings.Contains(found.String(), "compares with current_setting('app.tenant'), which any SQL can set: forgeable") {
		t.Errorf("not said: %s", found)
	}
}

// estimates are how many rows a tenant's plans expect of a value that another
// has often, and of one that nobody has.
func (s *scene) estimates(t *testing.T, column string) (often, never string) {
	t.Helper()
	explain := func(value string) string {
		var plan string
		if err := s.admin.QueryRow(t.Context(), `EXPLAIN SELECT FROM customer WHERE `+column+` = '`+value+`'`).Scan(&plan); err != nil {
			t.Fatal(err)
		}
		_, rows, _ := strings.Cut(plan, "rows=")
		return rows
	}
	return explain("a secret"), explain("of nobody")
}

// TestSecretColumn closes the estimates of the planner as an oracle, after
// statistics have been gathered and with an index that has some of its own.
func TestSecretColumn(t *testing.T) {
	t.Parallel()
	s := walled(t)
	s.exec(t, `INSERT INTO customer (tenant_id, customer_id, first_name, last_name, country, email, company)
		SELECT 1, n, '', '', '', n, CASE WHEN n > 300 THEN 'a secret' ELSE n::text END FROM generate_series(1, 1000) AS n;
		CREATE INDEX by_company ON customer (lower(company), tenant_id); ANALYZE customer;
		CREATE TABLE parted (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), company varchar(9)) PARTITION BY HASH (tenant_id);
		CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0); SELECT partywall.protect('parted')`)
	look := func(secret ...string) *prove.Report {
		report, err := prove.Catalog(t.Context(), s.admin, &prove.Options{Role: s.app, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	for _, column := range []string{"company", "lower(company)"} {
		if often, never := s.estimates(t, column); often == never {
			t.Fatalf("control: the planner expects %s of %s", often, column)
		}
	}
	if found := look(); !found.Clean() {
		t.Errorf("nothing is secret, and found %v", found)
	}
	found := look("customer.company")
	if !slices.Equal(codes(found), []string{"statistics-values customer.company"}) {
		t.Fatalf("found %v", found)
	}
	s.close(t, found)
	if left := look("customer.company"); !left.Clean() {
		t.Errorf("left: %v", left)
	}
	s.exec(t, `ANALYZE customer`)
	for _, column := range []string{"company", "lower(company)"} {
		if often, never := s.estimates(t, column); often != never {
			t.Errorf("the planner expects %s of %s where somebody has it, and %s where nobody has", often, column, never)
		}
	}
	s.exec(t, `ALTER INDEX by_company ALTER COLUMN 1 SET STATISTICS 10`)
	if found := look("customer.company"); !slices.Equal(codes(found), []string{"statistics-values customer.company"}) {
		t.Errorf("with statistics of an index: %v", found)
	}
	found = look("parted.company")
	if !slices.Equal(codes(found), []string{"statistics-values parted.company", "statistics-values parted_0.company"}) {
		t.Fatalf("of partitions: found %v", found)
	}
	s.close(t, found)
	if left := look("parted.company"); !left.Clean() {
		t.Errorf("of partitions: left %v", left)
	}
	if found := look("customer.nothing"); !slices.Equal(codes(found), []string{"secret-unknown customer.nothing"}) {
		t.Errorf("a column that is not there: %v", found)
	}
}

func TestCatalogOfNobody(t *testing.T) {
	t.Parallel()
	s := plain(t)
	if _, err := prove.Catalog(t.Context(), s.admin, &prove.Options{Role: "nobody at all"}); err == nil || !strings.Contains(err.Error(), pgx.ErrNoRows.Error()) {
		t.Errorf("got %v", err)
	}
}
