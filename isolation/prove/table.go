package prove

import (
	"fmt"
	"strings"
)

// CodeUnprotected is a table with a tenant column and without the wall.
const CodeUnprotected = "table-unprotected"

// table is a relation as the catalogue shows it.
type table struct {
	Name       string // as the role would write it
	Kind       string // pg_class.relkind
	Reachable  bool   // the role has a right on it
	Writable   bool   // the role may change it
	Shared     bool   // declared by partywall.share
	Column     string // the tenant column that the wall's policy compares, "" without one
	Candidate  bool   // it has a column that looks like the tenant's
	Enabled    bool
	Forced     bool
	Invoker    bool     // a view that runs with its reader's rights
	Standing   bool     // the wall's policy is as partywall.protect makes it
	Permissive []string // other policies that let the role in
	Rights     []string // rights that look past row-level security
	Grantees   string   // whom rights are taken from
}

// findings says what is wrong with t, and which SQL puts it right.
func (t table) findings(wall bool) []Finding {
	switch t.Kind {
	case "v":
		if t.Reachable && !t.Invoker {
			return t.one("view-definer", "view %[1]s runs with its owner's rights and would bypass the policies", "ALTER VIEW %[2]s SET (security_invoker = true)")
		}
		return nil
	case "m", "f":
		if t.Reachable {
			kind := map[string]string{"m": "materialized view", "f": "foreign table"}[t.Kind]
			return t.one(strings.ReplaceAll(kind, " ", "-"), kind+" %[1]s cannot be protected", "REVOKE ALL ON %[2]s FROM "+t.Grantees)
		}
		return nil
	}
	if !wall {
		return t.plain()
	}
	switch {
	case t.Shared:
		if t.Writable {
			return t.one("shared-writable", "shared table %[1]s can be written by tenants", "SELECT partywall.share('%[2]s')")
		}
		return nil
	case t.Column == "" && t.Candidate:
		return t.one(CodeUnprotected, "table %[1]s is neither protected nor shared", "SELECT partywall.protect('%[2]s')")
	case t.Column == "" && t.Reachable:
		out := t.one("table-undeclared", "table %[1]s is neither protected nor shared, and has no tenant column", "SELECT partywall.share('%[2]s')")
		out[0].Note = " if all tenants may read it"
		return out
	case t.Column == "":
		return nil
	}
	return t.breaches()
}

// plain judges a table where there is no wall.
func (t table) plain() (out []Finding) {
	if t.Candidate && t.Reachable && !t.Enabled {
		out = t.one("table-open", "table %[1]s has no row-level security", "ALTER TABLE %[2]s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
	}
	if t.Candidate && t.Enabled && !t.Forced {
		out = t.one("table-not-forced", "table %[1]s does not hold its owner to the policies", "ALTER TABLE %[2]s FORCE ROW LEVEL SECURITY")
		out[0].Severity = Warning
	}
	if t.Candidate {
		out = append(out, t.rights()...)
	}
	return out
}

// breaches says what is wrong with a table that is behind the wall.
func (t table) breaches() (out []Finding) {
	if !t.Enabled || !t.Forced || !t.Standing {
		out = t.one("policy-changed", "the policy of table %[1]s is not as partywall.protect made it", "SELECT partywall.protect('%[2]s')")
		if t.Column != "tenant_id" {
			out[0].SQL = fmt.Sprintf("SELECT partywall.protect(%s, %s)", literal(t.Name), literal(t.Column))
		}
	}
	for _, p := range t.Permissive {
		out = append(out, Finding{
			Severity: Breach, Code: "policy-extra", Object: t.Name + "." + p,
			Reason: fmt.Sprintf("policy %s lets tenants see more of table %s", p, quoted(t.Name)),
			SQL:    fmt.Sprintf("DROP POLICY %s ON %s", p, t.Name), Note: ", and create it AS RESTRICTIVE",
		})
	}
	return append(out, t.rights()...)
}

// rights says which rights look past the policies.
func (t table) rights() []Finding {
	if len(t.Rights) == 0 {
		return nil
	}
	rights := strings.Join(t.Rights, ", ")
	return t.one("table-right", "the right to "+rights+" looks past the policies of table %[1]s", "REVOKE "+rights+" ON %[2]s FROM "+t.Grantees)
}

// one is a single breach, worded with t's name for people and for SQL.
func (t table) one(code, reason, sql string) []Finding {
	return []Finding{{
		Severity: Breach, Code: code, Object: t.Name,
		Reason: fmt.Sprintf(reason, quoted(t.Name)),
		SQL:    strings.NewReplacer("'%[2]s'", literal(t.Name), "%[2]s", t.Name).Replace(sql),
	}}
}

func quoted(name string) string {
	if strings.HasPrefix(name, `"`) {
		return name
	}
	return `"` + name + `"`
}

// literal makes a name a text in SQL.
func literal(name string) string { return `'` + strings.ReplaceAll(name, `'`, `''`) + `'` }
