package prove_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation/prove"
)

// lookAt is what the app role finds of one schema.
func (s *scene) lookAt(t testing.TB, schema string) *prove.Report {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.data.As(s.app))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	report, err := prove.Catalog(t.Context(), conn, &prove.Options{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// blocks is how many blocks of the database the server has asked for so far,
// in sessions that are over.
func (s *scene) blocks(t testing.TB) (n int64) {
	t.Helper()
	for open := true; open; {
		err := s.admin.QueryRow(t.Context(), `SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = current_database()`).Scan(&open)
		if err != nil {
			t.Fatal(err)
		}
	}
	s.exec(t, `SELECT pg_stat_clear_snapshot()`)
	err := s.admin.QueryRow(t.Context(), `SELECT blks_read + blks_hit FROM pg_stat_database WHERE datname = current_database()`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fill makes schemas of ten tables behind the wall, from the number first on.
func (s *scene) fill(t testing.TB, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		var sql strings.Builder
		fmt.Fprintf(&sql, `CREATE SCHEMA own_%d; GRANT USAGE ON SCHEMA own_%[1]d TO partywall_app; `, i)
		for j := range 10 {
			fmt.Fprintf(&sql, `CREATE TABLE own_%d.thing_%d (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id bigint, PRIMARY KEY (tenant_id, id));
				SELECT partywall.protect('own_%[1]d.thing_%[2]d'); `, i, j)
		}
		s.exec(t, sql.String())
	}
}

// What is found in one schema is what is found of it when all are looked at.
func TestOneSchema(t *testing.T) {
	t.Parallel()
	s := walled(t)
	s.fill(t, 1, 2)
	if r := s.lookAt(t, "own_1"); len(r.Findings) > 0 {
		t.Fatal(r.Findings)
	}
	for _, sql := range []string{
		`CREATE TABLE own_1.bare (tenant_id bigint, id bigint)`,
		`GRANT SELECT ON own_1.bare TO partywall_app`,
		`CREATE VIEW own_1.glimpse AS SELECT * FROM own_1.thing_1`,
		`GRANT SELECT ON own_1.glimpse TO partywall_app`,
		`CREATE MATERIALIZED VIEW own_1.copy AS SELECT * FROM own_1.thing_1`,
		`GRANT SELECT ON own_1.copy TO partywall_app`,
		`CREATE TABLE own_1.parted (tenant_id bigint NOT NULL, id bigint UNIQUE) PARTITION BY RANGE (id)`,
		`CREATE TABLE own_1.part PARTITION OF own_1.parted FOR VALUES FROM (0) TO (9)`,
		`GRANT INSERT ON own_1.part TO {app}`,
		`CREATE TABLE own_1.owned (tenant_id bigint NOT NULL, id bigint)`,
		`ALTER TABLE own_1.owned OWNER TO {app}`,
		`CREATE SEQUENCE own_1.counter`,
		`GRANT ALL ON SEQUENCE own_1.counter TO {app}`,
		`DROP POLICY partywall_bound ON own_1.thing_2`,
		`CREATE FUNCTION own_1.past() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
		`GRANT CREATE ON SCHEMA own_1 TO {app}`,
		`CREATE TABLE own_2.bare (tenant_id bigint, id bigint)`,
		`GRANT SELECT ON own_2.bare TO partywall_app`,
	} {
		s.exec(t, sql)
	}
	one := s.lookAt(t, "own_1")
	all := s.lookAt(t, "")
	got, want := codes(one), slices.DeleteFunc(codes(all), func(c string) bool { return !strings.Contains(c, "own_1") })
	if !slices.Equal(got, want) || len(want) < 12 {
		t.Errorf("one schema:\n%s\nof all:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A tenant's schema is looked at when the tenant is made: that must not take the
// longer, the more tenants there are.
func TestOneSchemaAmongMany(t *testing.T) {
	t.Parallel()
	s := walled(t)
	// The least of a few: the server counts for the whole database, and what made
	// the schemas, or vacuums them, may be counted late.
	cost := func() int64 {
		least := int64(math.MaxInt64)
		for range 3 {
			before := s.blocks(t)
			s.lookAt(t, "own_1")
			least = min(least, s.blocks(t)-before)
		}
		return least
	}
	s.fill(t, 1, 2)
	few := cost()
	s.fill(t, 3, 60)
	many := cost()
	t.Log("blocks:", few, many)
	if few == 0 || 4*many > 5*few {
		t.Errorf("one of 2 schemas takes %d blocks, one of 60 takes %d", few, many)
	}
}
