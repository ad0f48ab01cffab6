-- Every relation of the host's, as the role that serves tenants sees it. $1 is
-- the wall's role that the policies are for, $2 the usual tenant column, $3 a
-- schema, if only that one is meant. A right counts if the role has it itself or
-- by SET ROLE.
WITH mine AS (
  SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user OR pg_has_role(r.oid, 'MEMBER')
), walls AS (
  SELECT p.polrelid, p.polname, pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS checking,
         p.polpermissive AND p.polcmd = '*' AND p.polroles = ARRAY[$1::text::regrole::oid] AS plain,
         (SELECT a.attname FROM pg_depend d JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attnum = d.refobjsubid
           WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = p.polrelid AND d.refobjsubid > 0 LIMIT 1) AS attname
    FROM pg_policy p
   WHERE p.polname = CASE $1::text WHEN 'partywall_app' THEN 'partywall_bound' ELSE 'partywall_pooled' END
), reference AS (
  SELECT a.atttypid, w.using FROM walls w JOIN pg_attribute a ON a.attrelid = w.polrelid AND a.attname = w.attname
   WHERE w.polrelid IN ('partywall.reference_bigint'::regclass, 'partywall.reference_uuid'::regclass)
)
SELECT c.oid::regclass::text,
       c.relkind::text,
       EXISTS (SELECT FROM mine m WHERE has_table_privilege(m.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
         OR has_any_column_privilege(m.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')) AS reachable,
       EXISTS (SELECT FROM mine m WHERE has_table_privilege(m.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
         OR has_any_column_privilege(m.oid, c.oid, 'INSERT, UPDATE')) AS writable,
       EXISTS (SELECT FROM partywall.shared_table s WHERE s.relation = c.oid) AS shared,
       COALESCE(w.attname, '')::text AS tenant_column,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = $2 AND NOT a.attisdropped) AS candidate,
       c.relrowsecurity,
       c.relforcerowsecurity,
       COALESCE((SELECT option_value::boolean FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_invoker'), false) AS invoker,
       COALESCE(w.plain AND w.using = w.checking AND w.using = (
         SELECT '(' || quote_ident(w.attname) || substr(r.using, length('(tenant_id') + 1)
           FROM reference r JOIN pg_attribute a ON a.atttypid = r.atttypid
          WHERE a.attrelid = c.oid AND a.attname = w.attname), false) AS standing,
       ARRAY(SELECT quote_ident(p.polname) FROM pg_policy p
              WHERE p.polrelid = c.oid AND p.polpermissive AND p.polname <> COALESCE(w.polname, '')
                AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR pg_has_role(r, 'MEMBER'))) AS permissive,
       ARRAY(SELECT right_name FROM unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS right_name
              WHERE EXISTS (SELECT FROM mine m WHERE has_table_privilege(m.oid, c.oid, right_name))) AS rights
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN walls w ON w.polrelid = c.oid
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   -- By name, and not the whole schema: a migrator that is called partywall
   -- has it on its search_path, and may have made the host's tables there.
   AND (n.nspname <> 'partywall' OR c.relname NOT IN ('shared_table', 'reference_bigint', 'reference_uuid', 'key', 'fence', 'migration'))
   AND n.nspname !~ '^pg_(toast_)?temp_'
   AND ($3::text = '' OR n.nspname = $3::text)
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
