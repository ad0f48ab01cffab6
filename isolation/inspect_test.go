package isolation_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
)

// reopen tries to open the house's servers once more, with another app role if
// one is named, and returns what Open says.
func (h *house) openAgain(t *testing.T, app string) error {
	t.Helper()
	servers := isolation.Servers{"eu-1": h.servers["eu-1"]}
	s := servers["eu-1"]
	if app != "" {
		s.App = h.data.As(app)
	}
	servers["eu-1"] = s
	tenants, err := tenant.NewRegistry(memtenant.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := *h.opts
	opts.Migrate = nil // which would repair what the test has broken
	db, err := isolation.Open(t.Context(), tenants, servers, &opts)
	if err == nil {
		db.Close()
	}
	return err
}

// TestOpenRefusesAWallThatIsNotStanding breaks one thing at a time. Open has to
// refuse, say what is wrong, and say which SQL puts it right: running that SQL
// makes it open again.
func TestOpenRefusesAWallThatIsNotStanding(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]struct {
		sql  string // the damage
		says string // a part of the finding
	}{
		"unprotected table":       {`CREATE TABLE invoices (id int); GRANT SELECT ON invoices TO partywall_app`, `invoices" is neither protected nor shared`},
		"forgotten protect":       {`CREATE TABLE invoices (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id int)`, `is neither protected nor shared; add: SELECT partywall.protect('`},
		"policy dropped":          {`DROP POLICY partywall_bound ON orders`, `table "orders" is neither protected nor shared`},
		"policy widened":          {`ALTER POLICY partywall_bound ON orders USING (true)`, `policy of table "orders"`},
		"policy half widened":     {`ALTER POLICY partywall_bound ON orders WITH CHECK (true)`, `policy of table "orders"`},
		"policy on a setting":     {`ALTER POLICY partywall_bound ON orders USING (tenant_id = current_setting('app.tenant')::bigint) WITH CHECK (tenant_id = current_setting('app.tenant')::bigint)`, `policy of table "orders"`},
		"policy for another role": {`ALTER POLICY partywall_bound ON orders TO PUBLIC`, `policy of table "orders"`},
		"row security disabled":   {`ALTER TABLE orders DISABLE ROW LEVEL SECURITY`, `policy of table "orders"`},
		"row security not forced": {`ALTER TABLE orders NO FORCE ROW LEVEL SECURITY`, `policy of table "orders"`},
		"extra policy":            {`CREATE POLICY reports ON orders USING (true)`, `policy reports lets tenants see more`},
		"TRUNCATE":                {`GRANT TRUNCATE ON orders TO partywall_app`, `the right to TRUNCATE`},
		"view of its owner's":     {`CREATE VIEW all_orders AS SELECT * FROM orders; GRANT SELECT ON all_orders TO partywall_app`, `all_orders" runs with its owner`},
		"materialized view":       {`CREATE MATERIALIZED VIEW totals AS SELECT * FROM orders; GRANT SELECT ON totals TO PUBLIC`, `totals" cannot be protected`},
		"writable shared table":   {`GRANT UPDATE (name) ON genre TO partywall_app`, `shared table "genre"`},
		"CREATE in a schema":      {`GRANT CREATE ON SCHEMA public TO PUBLIC`, `may create in schema public`},
		"temporary tables":        {`DO $d$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO partywall_app', current_database()); END $d$`, `temporary tables`},
		"in a tenant's schema":    {`ALTER TABLE initech.orders DISABLE ROW LEVEL SECURITY`, `initech.orders`},
		"a new partition":         {`CREATE TABLE parted (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id int) PARTITION BY LIST (id); SELECT partywall.protect('parted'); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)`, `parted_1" is neither protected`},
		"an heir":                 {`CREATE TABLE heir () INHERITS (orders)`, `heir" is neither protected`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, nil)
			if err := h.openAgain(t, ""); err != nil {
				t.Fatalf("control: %v", err)
			}
			admin := h.data.Conn(t)
			if _, err := admin.Exec(t.Context(), broken.sql); err != nil {
				t.Fatal(err)
			}
			err := h.openAgain(t, "")
			var unsafe *isolation.UnsafeError
			if !errors.Is(err, isolation.ErrUnsafe) || !errors.As(err, &unsafe) || !strings.Contains(err.Error(), broken.says) {
				t.Fatalf("got %v", err)
			}
			for _, finding := range unsafe.Findings {
				if _, err := admin.Exec(t.Context(), remedy(finding)); err != nil {
					t.Fatalf("the remedy of %q: %v", finding, err)
				}
			}
			if err := h.openAgain(t, ""); err != nil {
				t.Errorf("after the remedy: %v", err)
			}
		})
	}
}

// remedy is the SQL that a finding ends with.
func remedy(finding string) string {
	for _, before := range []string{"; run: ", "; add: "} {
		if _, sql, ok := strings.Cut(finding, before); ok {
			sql, _, _ = strings.Cut(sql, ", and ")
			sql, _, _ = strings.Cut(sql, " if ")
			return sql
		}
	}
	return "no remedy in: " + finding
}

// TestOpenRefusesAnUnsafeRole opens with roles that no policy would hold.
func TestOpenRefusesAnUnsafeRole(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	admin := h.data.Conn(t)
	for name, role := range map[string]struct{ attributes, sql, says string }{
		"superuser":       {"SUPERUSER", ``, "is a superuser"},
		"BYPASSRLS":       {"BYPASSRLS", ``, "has BYPASSRLS"},
		"CREATEROLE":      {"CREATEROLE", ``, "may create roles"},
		"REPLICATION":     {"REPLICATION", ``, "replication stream"},
		"the owner":       {"", `GRANT partywall_owner TO %s`, "is a member of partywall_owner"},
		"the system":      {"", `GRANT partywall_system TO %s`, "is a member of partywall_system"},
		"both forms":      {"", `GRANT partywall_pooled TO %s`, "whose policies ask for less"},
		"reads all":       {"", `GRANT pg_read_all_data TO %s`, "is a member of pg_read_all_data"},
		"owns a table":    {"", `CREATE TABLE %[1]s_own (id int); ALTER TABLE %[1]s_own OWNER TO %[1]s`, "owns table"},
		"owns a schema":   {"", `CREATE SCHEMA %[1]s_own AUTHORIZATION %[1]s`, "owns schema"},
		"owns a function": {"", `CREATE FUNCTION %[1]s_own() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION %[1]s_own OWNER TO %[1]s`, "owns function"},
	} {
		user := pgtest.Role(t, "house", "LOGIN "+role.attributes)
		if role.sql != "" {
			sql := strings.ReplaceAll(strings.ReplaceAll(role.sql, "%[1]s", user), "%s", user)
			if _, err := admin.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := h.openAgain(t, user); !errors.Is(err, isolation.ErrUnsafe) || !strings.Contains(err.Error(), role.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	h.refuseRoleByDetour(t, admin)
	plain := pgtest.Role(t, "house", "LOGIN")
	if err := h.openAgain(t, plain); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestOpenReportsAllMistakesTogether(t *testing.T) {
	t.Parallel()
	_, err := isolation.Open(t.Context(), nil, isolation.Servers{
		"EU 1": {},
		"eu-2": {App: "nonsense://user:hunter2@host", Migrator: "also nonsense", MaxConns: -1},
		"eu-3": {App: "postgres://app@127.0.0.1/x", Keys: []isolation.Key{{ID: 1}}},
	}, &isolation.Options{ExecMode: pgx.QueryExecModeSimpleProtocol, AcquireTimeout: -1})
	for _, want := range []string{
		"no registry", `"EU 1"`, "App: no connection string", `"eu-2": App`, `"eu-2": Migrator`, "MaxConns",
		`"eu-3": Keys`, "simple protocol", "timeout",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Errorf("the error shows a password: %v", err)
	}
}

// refuseRoleByDetour opens with roles whose rights do not show at first sight:
// one that has become another at login, and one that may become another.
func (h *house) refuseRoleByDetour(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	super, plain := pgtest.Role(t, "house", "LOGIN SUPERUSER"), pgtest.Role(t, "house", "LOGIN")
	group, between, member := pgtest.Role(t, "house", "NOLOGIN"), pgtest.Role(t, "house", "NOLOGIN NOINHERIT"), pgtest.Role(t, "house", "LOGIN")
	for name, role := range map[string]struct{ user, sql, says string }{
		"a disguised superuser": {super, fmt.Sprintf(`GRANT partywall_app TO %[2]s; ALTER ROLE %[1]s SET role = %[2]s`, super, plain), "logs in and becomes"},
		"a right by SET ROLE": {member, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS public.payroll (id int); GRANT SELECT ON public.payroll TO %[2]s;
			GRANT %[2]s TO %[3]s; GRANT partywall_app, %[3]s TO %[1]s`, member, group, between), `payroll" is neither protected nor shared`},
	} {
		if _, err := admin.Exec(t.Context(), role.sql); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := h.openAgain(t, role.user); !errors.Is(err, isolation.ErrUnsafe) || !strings.Contains(err.Error(), role.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := admin.Exec(t.Context(), `DROP TABLE public.payroll`); err != nil {
		t.Fatal(err)
	}
}
