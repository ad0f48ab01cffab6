-- Every relation of the host's, as the role that serves tenants sees it; the
-- sentences are made in Go. What a superuser may do goes without saying, and what
-- an owner may do goes away with the ownership.
, walls AS NOT MATERIALIZED (
  SELECT p.polrelid, p.polname, pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS checking,
         p.polpermissive AND p.polcmd = '*' AND p.polroles = ARRAY[to_regrole(ask.wall)::oid] AS plain,
         (SELECT a.attname FROM pg_depend d JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attnum = d.refobjsubid
           WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = p.polrelid AND d.refobjsubid > 0 LIMIT 1) AS attname
    FROM ask, pg_policy p
   WHERE p.polname = CASE ask.wall WHEN 'partywall_app' THEN 'partywall_bound' WHEN 'partywall_pooled' THEN 'partywall_pooled' END
), reference AS MATERIALIZED (
  SELECT a.atttypid, w.using FROM walls w JOIN pg_attribute a ON a.attrelid = w.polrelid AND a.attname = w.attname
   WHERE w.polrelid IN (to_regclass('partywall.reference_bigint'), to_regclass('partywall.reference_uuid'))
)
SELECT c.oid::regclass::text,
       c.relkind::text,
       EXISTS (SELECT FROM held m WHERE has_table_privilege(m.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
         OR has_any_column_privilege(m.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')) AS reachable,
       EXISTS (SELECT FROM held m WHERE has_table_privilege(m.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
         OR has_any_column_privilege(m.oid, c.oid, 'INSERT, UPDATE'))
         AND c.relowner NOT IN (SELECT m.oid FROM held m) AS writable,
       EXISTS (SELECT FROM shared s WHERE s.relation = c.oid) AS shared,
       COALESCE(w.attname, '')::text AS tenant_column,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = ask.tenant_column AND NOT a.attisdropped) AS candidate,
       c.relrowsecurity,
       c.relforcerowsecurity,
       COALESCE((SELECT option_value::boolean FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_invoker'), false) AS invoker,
       COALESCE(w.plain AND w.using = w.checking AND w.using = (
         SELECT '(' || quote_ident(w.attname) || substr(r.using, length('(tenant_id') + 1)
           FROM reference r JOIN pg_attribute a ON a.atttypid = r.atttypid
          WHERE a.attrelid = c.oid AND a.attname = w.attname), false) AS standing,
       ARRAY(SELECT quote_ident(p.polname) FROM pg_policy p
              WHERE p.polrelid = c.oid AND p.polpermissive AND p.polname <> COALESCE(w.polname, '')
                -- The wall's own for its other roles: membership in those is a finding by itself.
                AND NOT (p.polname = 'partywall_bound' AND p.polroles = ARRAY[to_regrole('partywall_app')::oid]
                  OR p.polname IN ('partywall_pooled', 'partywall_system') AND p.polroles = ARRAY[to_regrole(p.polname)::oid])
                AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR r IN (SELECT m.oid FROM held m))) AS permissive,
       ARRAY(SELECT right_name FROM unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS right_name
              WHERE EXISTS (SELECT FROM held m WHERE has_table_privilege(m.oid, c.oid, right_name)
                OR right_name = 'REFERENCES' AND has_any_column_privilege(m.oid, c.oid, right_name))
                AND c.relowner NOT IN (SELECT m.oid FROM held m)) AS rights,
       g.list
  FROM ask CROSS JOIN grantees g CROSS JOIN relations c
  JOIN hosts n ON n.oid = c.relnamespace
  LEFT JOIN walls w ON w.polrelid = c.oid
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   -- By name, and not the whole schema: a migrator that is called partywall
   -- has it on its search_path, and may have made the host's tables there.
   AND (n.nspname <> 'partywall' OR c.relname NOT IN ('shared_table', 'reference_bigint', 'reference_uuid', 'key', 'fence', 'migration'))
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
