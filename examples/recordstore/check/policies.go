package check

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// comparePolicies holds the policies of every table of sales against those of
// a table that the wall keeps to compare others with. It finds what no attack
// can: a policy that is missing for a role that this chain does not use.
func (r *run) comparePolicies(ctx context.Context, conn *pgx.Conn, database string) {
	rows, err := conn.Query(ctx, differingPolicies)
	if r.failed(ctx, database+": policies", err) {
		return
	}
	differing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if r.failed(ctx, database+": policies", err) {
		return
	}
	for _, finding := range differing {
		r.mismatchf("%s: %s", database, finding)
	}
}

// differingPolicies lists, in words, the policies that a table of sales lacks
// or has beyond those of the reference. Anybody may read these catalogues.
const differingPolicies = `
	WITH sale AS (
		SELECT oid FROM pg_catalog.pg_class WHERE relname IN ('customer', 'invoice', 'invoice_line') AND relkind = 'r'
	), policy AS (
		SELECT polrelid, polname, polcmd, polpermissive, polroles,
		       pg_get_expr(polqual, polrelid) AS sees, pg_get_expr(polwithcheck, polrelid) AS writes
		FROM pg_catalog.pg_policy
	), wanted AS (
		SELECT sale.oid, polname, polcmd, polpermissive, polroles, sees, writes
		FROM sale, policy WHERE polrelid = 'partywall.reference_bigint'::regclass
	), found AS (
		SELECT sale.oid, polname, polcmd, polpermissive, polroles, sees, writes
		FROM sale JOIN policy ON polrelid = sale.oid
	)
	SELECT format('policy %I of %s is missing, or not as it was made', polname, oid::regclass)
	FROM (TABLE wanted EXCEPT TABLE found) AS missing
	UNION ALL
	SELECT format('policy %I of %s is not one of the wall', polname, oid::regclass)
	FROM (TABLE found EXCEPT TABLE wanted) AS extra
	ORDER BY 1`
