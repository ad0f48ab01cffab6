package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/check"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/tenant"
)

// These tests tear the wall down, one piece at a time, under a chain that is
// open already: opening it again would refuse. A check that finds nothing then
// is worth nothing.

// breach is one piece torn down. In its SQL $table is a table of sales, and
// $app the role that serves tenants.
type breach struct {
	name, sql string
	finds     string // the kind of finding that there has to be
}

// ofTables are the breaches that every table of sales can suffer.
func ofTables() []breach {
	return []breach{
		{"policy dropped", `DROP POLICY partywall_bound ON $table`, check.Mismatch}, // it denies everything
		{"policy of true", `ALTER POLICY partywall_bound ON $table USING (true)`, check.Leak},
		{"row security off", `ALTER TABLE $table DISABLE ROW LEVEL SECURITY`, check.Leak},
		{"not forced on its owner", `ALTER TABLE $table NO FORCE ROW LEVEL SECURITY; ALTER TABLE $table OWNER TO $app`, check.Leak},
	}
}

// ofShared are those that show only where stores share a table, or that are
// the same wherever the table is.
func ofShared() []breach {
	return []breach{
		{"policy for a pooler dropped", `DROP POLICY partywall_pooled ON $table`, check.Mismatch},
		{"policy for the system dropped", `DROP POLICY partywall_system ON $table`, check.Mismatch},
		{"policy that lets write", `ALTER POLICY partywall_bound ON $table WITH CHECK (true)`, check.Leak},
		{"one policy more", `CREATE POLICY reports ON $table USING (true)`, check.Leak},
	}
}

// ofRoles are breaches that no table suffers, and all do.
func ofRoles() []breach {
	return []breach{
		{"member of the owner", `GRANT partywall_owner TO $app`, check.Leak},
		{"member of the system", `GRANT partywall_system TO $app`, check.Leak},
		{"BYPASSRLS", `ALTER ROLE $app BYPASSRLS`, check.Leak},
		{"superuser", `ALTER ROLE $app SUPERUSER`, check.Leak},
		{"TRUNCATE", `GRANT TRUNCATE ON invoice_line TO partywall_app`, check.Mismatch},
	}
}

func tables() []string { return []string{"customer", "invoice", "invoice_line"} }

// The smallest chains with two neighbours in shared tables, and with a
// database of a store's own.
const (
	withShared   = 3
	withDatabase = 6
)

func TestCheckFindsSharedTablesTornDown(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, nil).URL
	for _, table := range tables() {
		for _, b := range append(ofTables(), ofShared()...) {
			t.Run(table+", "+b.name, func(t *testing.T) {
				t.Parallel()
				h := build(t, url, withShared)
				h.tear(t, "", table, b)
			})
		}
	}
}

func TestCheckFindsRolesLetThrough(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, nil).URL
	for _, b := range ofRoles() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			h := build(t, url, withShared)
			h.tear(t, "", "", b)
		})
	}
}

func TestCheckFindsSchemasTornDown(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, nil).URL
	for i, b := range ofTables() {
		table := tables()[i%len(tables())] // the walls of all tables are alike
		t.Run(table+", "+b.name, func(t *testing.T) {
			t.Parallel()
			h := build(t, url, withShared)
			h.tear(t, "", h.all(t, tenant.Schema)[0].Placement.Schema+"."+table, b)
		})
	}
}

func TestCheckFindsDatabasesTornDown(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t, nil).URL
	for i, b := range ofTables() {
		table := tables()[i%len(tables())]
		t.Run(table+", "+b.name, func(t *testing.T) {
			t.Parallel()
			h := build(t, url, withDatabase)
			h.tear(t, h.all(t, tenant.Database)[0].Placement.Database, table, b)
		})
	}
}

// tear makes a breach and has the check find it.
func (h *house) tear(t *testing.T, database, table string, b breach) {
	t.Helper()
	h.execute(t, database, strings.NewReplacer("$table", table, "$app", h.app(t)).Replace(b.sql))
	h.mustFind(t, b.finds)
}

// TestCheckFails runs a check to its end over a wall with a policy dropped, as
// the command does.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	h := build(t, pgtest.New(t, nil).URL, withShared)
	h.execute(t, "", `DROP POLICY partywall_bound ON invoice`)
	var out bytes.Buffer
	if err := h.check(t.Context(), h.config, h.data, &out); !errors.Is(err, errCheck) {
		t.Errorf("got %v, want errCheck", err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "check: 3 tenants, ") || !strings.Contains(last, " mismatches, FAILED: ") || strings.HasSuffix(last, ", ok") {
		t.Errorf("the last line is %q", last)
	}
}
