package check

import (
	"context"
	"fmt"
	"strings"
)

// inject tries to get across by SQL, first within one expression of a
// statement, as an injection has to, then with statements of its own.
func (r *run) inject(ctx context.Context, s, victim *store) {
	// Attacks that fail because nothing works prove nothing.
	played, _, err := r.client.search(ctx, s.slug, `' UNION ALL SELECT 'invoice:' || invoice_id, '' FROM invoice -- `)
	if r.failed(ctx, s.country+": playground", err) {
		return
	}
	if got := len(played.Rows) - len(s.want.customers) - 1; got != len(s.want.invoices) {
		r.mismatchf("%s: injected SQL finds %d invoices of its own, want %d; %s", s.country, got, len(s.want.invoices), played.Error)
	}
	fill := strings.NewReplacer("$victim", fmt.Sprint(victim.number),
		"$customer", fmt.Sprint(some(victim.want.customers)), "$invoice", fmt.Sprint(some(victim.want.invoices)))
	for line := range strings.Lines(injections) {
		if text := strings.TrimSpace(line); text != "" {
			r.inject1(ctx, s, fill.Replace(text))
		}
	}
	for text := range strings.SplitSeq(statements, ";\n") {
		if text = strings.TrimSpace(text); text != "" {
			r.run1(ctx, s, fill.Replace(text))
		}
	}
	r.hop(ctx, s)
}

// some returns one of the ids, which are all alike to an attacker, or 0.
func some(ids map[int32]bool) (id int32) {
	for id = range ids {
		break
	}
	return id
}

func (r *run) inject1(ctx context.Context, s *store, text string) {
	r.count()
	_, a, err := r.client.search(ctx, s.slug, text)
	if !r.failed(ctx, s.country+": "+text, err) {
		r.inspect(s, text, a.body)
		r.unturned(ctx, s, text)
	}
}

func (r *run) run1(ctx context.Context, s *store, text string) {
	r.count()
	_, a, err := r.client.sql(ctx, s.slug, text)
	if !r.failed(ctx, s.country+": "+text, err) {
		r.inspect(s, text, a.body)
		r.unturned(ctx, s, text)
	}
}

// unturned makes sure that the statement after an attack is this store's. Its
// text has the canary in it: others may not see what is said here either.
func (r *run) unturned(ctx context.Context, s *store, text string) {
	_, a, err := r.client.sql(ctx, s.slug, `SELECT 'tenant:' || partywall.tenant() UNION ALL SELECT email FROM customer -- `+s.canary)
	if r.failed(ctx, s.country+": after "+text, err) {
		return
	}
	r.inspect(s, "the statement after "+text, a.body)
	if !strings.Contains(a.body, fmt.Sprintf(`"tenant:%d"`, s.number)) {
		r.leakf("%s: after %s the session is not its own: %.200s", s.country, text, a.body)
	}
}

// hop reads the tables of every schema there is by their whole names.
func (r *run) hop(ctx context.Context, s *store) {
	played, _, err := r.client.sql(ctx, s.slug, findTables)
	if r.failed(ctx, s.country+": looking for tables", err) {
		return
	}
	if len(played.Rows) == 0 {
		r.mismatchf("%s: found no tables to attack: %s", s.country, played.Error)
	}
	for _, row := range played.Rows {
		r.run1(ctx, s, fmt.Sprintf(`SELECT '%s:' || %s FROM %s`, row[1], row[2], row[0]))
	}
}

// findTables lists all tables of sales that there are in a database, with the
// token and the id of their rows.
const findTables = `
	SELECT c.oid::regclass::text, CASE c.relname WHEN 'invoice_line' THEN 'line' ELSE c.relname::text END, c.relname || '_id'
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relname IN ('customer', 'invoice', 'invoice_line') AND c.relkind = 'r'
	ORDER BY 1`

// injections are completed by the program to
// SELECT last_name, email FROM customer WHERE last_name LIKE '%…%'.
const injections = `
' OR true --
' OR tenant_id = $victim --
' UNION SELECT email, 'tenant:' || tenant_id FROM customer --
' UNION SELECT email, '' FROM customer WHERE tenant_id <> partywall.tenant() --
' UNION SELECT 'invoice:' || invoice_id, 'tenant:' || tenant_id FROM invoice --
' UNION SELECT 'line:' || invoice_line_id, 'tenant:' || tenant_id FROM invoice_line --
' UNION SELECT set_config('app.tenant', '$victim', false), email FROM customer --
' UNION SELECT set_config('partywall.tenant', '$victim', false), email FROM customer --
' UNION SELECT set_config('role', 'partywall_owner', false), email FROM customer --
' UNION SELECT set_config('search_path', 'public', false), email FROM customer --
' UNION SELECT set_config('row_security', 'off', false), email FROM customer --
' UNION SELECT setval('partywall.mark', $victim)::text, email FROM customer --
' UNION SELECT nextval('partywall.mark')::text, email FROM customer --
' UNION SELECT pg_catalog.setval('partywall.secret', 1)::text, '' --
' UNION SELECT 'secret ' || currval('partywall.secret'), '' --
' UNION SELECT 'secret ' || last_value, '' FROM partywall.secret --
' UNION SELECT partywall.bind(0, $victim, 1, false, -1)::text, email FROM customer --
' UNION SELECT partywall.bind(currval('partywall.mark'), $victim, 2, true, -1)::text, email FROM customer --
' UNION SELECT partywall.bind(k, $victim, 2, false, -1)::text, '' FROM generate_series(1, 5) AS k --
' UNION SELECT partywall.open_session(1, 1, 9999999999, '\x00')::text, '' --
' UNION SELECT partywall.enter(1, $victim, 2, false, -1, 9999999999, '\x00')::text, email FROM customer --
' UNION SELECT 'tenant:' || partywall.admit($victim, 99, 'a', 'public', NULL, NULL), '' --
' UNION SELECT encode(secret, 'hex'), 'tenant' || ':$victim' FROM partywall.key --
' UNION SELECT path, 'tenant:' || tenant_id FROM partywall.fence --
' UNION (WITH mark AS MATERIALIZED (SELECT setval('partywall.mark', $victim)) SELECT c.email, '' FROM mark, customer c) --
' UNION (WITH gone AS MATERIALIZED (SELECT partywall.bind(1, 0, 0, false, -1)) SELECT c.email, '' FROM gone, customer c) --
' UNION SELECT query_to_xml('SELECT email FROM customer', true, true, '')::text, '' --
' UNION SELECT table_to_xml('customer', true, true, '')::text, '' --
' UNION SELECT database_to_xml(true, true, '')::text, '' --
' UNION SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename IN ('customer', 'invoice') --
' UNION SELECT stavalues1::text, '' FROM pg_statistic --
' UNION SELECT pg_read_file('/etc/passwd'), 'tenant' || ':$victim' --
' UNION SELECT lo_import('/etc/passwd')::text, '' --
' AND 1 = (SELECT email FROM customer WHERE tenant_id = $victim LIMIT 1)::int --
' OR email::int = 1 AND tenant_id <> partywall.tenant() --
'; UPDATE customer SET tenant_id = partywall.tenant() --
'; SELECT setval('partywall.mark', $victim); SELECT last_name, email FROM customer --
'; COMMIT; SET ROLE partywall_owner; SELECT last_name, email FROM customer --
`

// statements are what an attacker tries who can run any statement. Those that
// write leave nothing behind should they get through: they write what is there
// already, or end in an error that tells what they have done. None spells out
// what would give it away, so that the text of one store's attack is not taken
// for another's row.
const statements = `
SELECT email, 'tenant:' || tenant_id FROM customer WHERE tenant_id = $victim;
SELECT 'customer:' || customer_id FROM customer FOR UPDATE;
TABLE customer;
SELECT * FROM customer c RIGHT JOIN invoice i ON i.tenant_id <> c.tenant_id;
SELECT string_agg('line:' || invoice_line_id, ' ') FROM invoice_line;
UPDATE customer SET email = email WHERE tenant_id = $victim RETURNING 'customer:' || customer_id;
UPDATE invoice SET total = total WHERE tenant_id <> partywall.tenant() RETURNING 'invoice:' || invoice_id;
UPDATE invoice_line SET quantity = quantity WHERE tenant_id <> partywall.tenant() RETURNING 'line:' || invoice_line_id;
WITH moved AS (UPDATE customer SET tenant_id = $victim, customer_id = -customer_id WHERE email LIKE 'canary-%' RETURNING 'tenant:' || tenant_id AS t) SELECT t::int FROM moved;
WITH made AS (INSERT INTO customer (tenant_id, customer_id, first_name, last_name, country, email) VALUES ($victim, -1, '', '', '', '') RETURNING 'tenant:' || tenant_id AS t) SELECT t::int FROM made;
WITH made AS (INSERT INTO invoice (tenant_id, invoice_id, customer_id, invoice_date, total) SELECT $victim, -1, customer_id, now(), 0 FROM customer LIMIT 1 RETURNING 'tenant:' || tenant_id AS t) SELECT t::int FROM made;
WITH made AS (INSERT INTO invoice_line (tenant_id, invoice_line_id, invoice_id, track_id, unit_price, quantity) SELECT $victim, -1, invoice_id, track_id, 0, 1 FROM invoice_line LIMIT 1 RETURNING 'tenant:' || tenant_id AS t) SELECT t::int FROM made;
WITH made AS (INSERT INTO customer (tenant_id, customer_id, first_name, last_name, country, email) VALUES ($victim, -1, 'a', 'b', 'c', 'd') RETURNING 'tenant' || ':$victim' AS t) SELECT t::int FROM made;
WITH made AS (INSERT INTO invoice (tenant_id, invoice_id, customer_id, invoice_date, total) VALUES ($victim, -1, $customer, now(), 0) RETURNING 'tenant' || ':$victim' AS t) SELECT t::int FROM made;
WITH made AS (INSERT INTO invoice_line (tenant_id, invoice_line_id, invoice_id, track_id, unit_price, quantity) SELECT $victim, -1, $invoice, min(track_id), 0, 1 FROM track RETURNING 'tenant' || ':$victim' AS t) SELECT t::int FROM made;
MERGE INTO customer c USING (SELECT $victim AS t) v ON c.tenant_id = v.t WHEN MATCHED THEN UPDATE SET email = c.email;
UPDATE track SET name = name RETURNING 'tenant' || ':$victim';
INSERT INTO genre VALUES (-1, '') RETURNING 'tenant' || ':$victim';
SET ROLE partywall_owner;
SET ROLE partywall_system;
SET SESSION AUTHORIZATION partywall_owner;
SET row_security = off;
SET search_path = partywall, public;
SET LOCAL app.tenant = '$victim';
RESET ALL;
RESET ROLE;
DISCARD SEQUENCES;
DISCARD ALL;
DEALLOCATE ALL;
BEGIN;
EXECUTE partywall_bind(0, $victim, 2, false, -1);
PREPARE leak AS SELECT email FROM customer;
EXECUTE leak;
DECLARE leak CURSOR WITH HOLD FOR SELECT email FROM customer;
FETCH ALL FROM leak;
COPY customer TO STDOUT;
COPY (SELECT email FROM customer) TO PROGRAM 'cat';
CREATE TEMP TABLE leak AS SELECT email FROM customer;
CREATE TABLE leak AS SELECT email FROM customer;
CREATE VIEW leak AS SELECT email FROM customer;
CREATE FUNCTION leak() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM customer';
CREATE RULE leak AS ON SELECT TO customer DO INSTEAD SELECT 1;
CREATE POLICY leak ON customer USING (true);
DROP POLICY partywall_bound ON customer;
ALTER TABLE customer DISABLE ROW LEVEL SECURITY;
ALTER TABLE customer NO FORCE ROW LEVEL SECURITY;
ALTER ROLE CURRENT_USER BYPASSRLS;
GRANT partywall_owner TO CURRENT_USER;
TRUNCATE invoice_line;
SELECT partywall.protect('customer');
SELECT partywall.share('customer');
SELECT 'tenant:' || partywall.evict($victim);
DO 'BEGIN RAISE EXCEPTION ''%'', (SELECT string_agg(email, '' '') FROM customer); END';
DO 'BEGIN PERFORM partywall.bind(1, $victim, 2, false, -1); EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION ''%'', (SELECT string_agg(email, '' '') FROM customer); END';
DO 'BEGIN PERFORM setval(''partywall.mark'', $victim); END';
SELECT secret FROM partywall.key;
SELECT query FROM pg_stat_activity;
SELECT pg_stat_get_backend_activity(id) FROM pg_stat_get_backend_idset() AS id;
SELECT * FROM pg_locks;
SELECT statement FROM pg_prepared_statements;
SELECT * FROM pg_cursors;
SELECT pg_ls_dir('.');
SELECT * FROM pg_authid;
LISTEN partywall;
SELECT 1; SELECT email FROM customer;
`
