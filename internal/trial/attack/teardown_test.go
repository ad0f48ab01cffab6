package main

import (
	"slices"
	"testing"

	"github.com/partywall/partywall/internal/trial/mode"
	"github.com/partywall/partywall/tenant"
)

// TestTornDown takes a wall down, one stone at a time, after it has been opened:
// the suite sees it.
func TestTornDown(t *testing.T) {
	t.Parallel()
	servers, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sql    func(h *house) string
		leaks  []string // the cases that have to be a leak then, in shared tables
		pooled bool
	}{
		"a policy of true": {
			func(*house) string {
				return `DROP POLICY partywall_bound ON orders; CREATE POLICY partywall_bound ON orders TO partywall_app USING (true)`
			}, []string{"01", "03", "04", "18", "19"}, false,
		},
		"a gate that asks for nothing": {
			func(*house) string {
				return `CREATE OR REPLACE FUNCTION partywall.bind(k bigint, t bigint, e bigint, readonly boolean, ms integer) RETURNS bigint
					LANGUAGE sql SECURITY DEFINER AS $$ SELECT setval('partywall.mark', t) $$`
			}, []string{"03", "05"}, false,
		},
		"a role with BYPASSRLS": {
			func(h *house) string { return `ALTER ROLE ` + h.app + ` BYPASSRLS` }, []string{"01", "03", "19"}, false,
		},
		"no row-level security": {
			func(*house) string { return `ALTER TABLE orders DISABLE ROW LEVEL SECURITY` }, []string{"01", "04", "18"}, true,
		},
		"a token that nobody checks": {
			func(*house) string {
				return `CREATE OR REPLACE FUNCTION partywall.verify(kid integer, body bytea, mac bytea) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$`
			}, []string{"05", "07"}, true,
		},
		"a mark that all may read": {
			func(*house) string { return `GRANT SELECT ON SEQUENCE partywall.mark TO partywall_app` }, []string{"29m"}, false,
		},
		"a function that reads it for all": {
			func(*house) string { return `GRANT EXECUTE ON FUNCTION pg_sequence_last_value TO PUBLIC` }, []string{"29m"}, false,
		},
		"a session that forgets no sequence": {
			func(*house) string { return withoutDiscard("bind") }, []string{"29l"}, false,
		},
		"a pooler's session that forgets no sequence": {
			func(*house) string { return withoutDiscard("enter") }, []string{"29l"}, true,
		},
		"TRUNCATE for tenants": {
			func(*house) string { return `GRANT TRUNCATE ON orders, lines TO partywall_app` }, []string{"22"}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mode.All()[0]
			if c.pooled {
				m = mode.All()[len(mode.All())-1]
			}
			h := built(t, servers, m, tenant.Shared)
			if err := h.admin(t.Context(), h.name, c.sql(h)); err != nil {
				t.Fatal(err)
			}
			wanted := slices.DeleteFunc(cases(), func(one Case) bool { return !slices.Contains(c.leaks, one.ID) })
			err := h.run(t.Context(), wanted, func(o Outcome) {
				if o.Verdict != Leak {
					t.Errorf("%s %s: %s %s", o.Case.ID, o.Case.Name, o.Verdict, o.Evidence)
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// withoutDiscard makes a gate's function anew, without what makes it forget.
func withoutDiscard(function string) string {
	return `DO $do$ BEGIN
		EXECUTE replace(pg_get_functiondef('partywall.` + function + `'::regproc), 'DISCARD SEQUENCES;', '');
	END $do$`
}

// TestHolesThatProveMisses makes a hole and asks for it under a wrong name: what
// nobody has found is a leak.
func TestHolesThatProveMisses(t *testing.T) {
	t.Parallel()
	servers, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	key := misbuilt{
		fixture: []string{`CREATE UNIQUE INDEX loot ON {there}.accounts (email)`}, undo: []string{`DROP INDEX IF EXISTS loot`}, attack: uniqueKey,
	}
	for code, want := range map[string]Verdict{"key-without-tenant": Proven, "no-such-code": Leak} {
		err := built(t, servers, mode.All()[0], tenant.Shared).run(t.Context(), []Case{key.proven("17h", "a key", code)}, func(o Outcome) {
			if o.Verdict != want {
				t.Errorf("%s: %s %s, want %s", code, o.Verdict, o.Evidence, want)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}
