-- All that the schema $1 consists of, but the table $2 of versions, as names and
-- words. $3, $4 and $5 are the relations, functions and types in it: there is no
-- index by schema. The search_path is the schema alone, so that PostgreSQL names
-- what is in it without the schema, and everything else with.
WITH own AS MATERIALIZED (
  SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = $1
), everything AS MATERIALIZED (
  SELECT * FROM pg_class WHERE oid = ANY ($3::oid[])
), versions AS MATERIALIZED (
  SELECT oid FROM everything WHERE relname = $2
), relations AS MATERIALIZED (
  SELECT c.* FROM everything c
   WHERE c.oid NOT IN (SELECT v.oid FROM versions v)
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
       AND (d.deptype = 'e' OR d.deptype IN ('a', 'i') AND d.refobjid IN (SELECT v.oid FROM versions v)))
), functions AS MATERIALIZED (
  SELECT * FROM pg_proc p WHERE p.oid = ANY ($4::oid[])
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
)
SELECT CASE r.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END || quote_ident(r.relname) AS object,
       concat_ws(' ', 'kind ' || r.relkind::text, 'persistence ' || r.relpersistence::text, 'owner ' || pg_get_userbyid(r.relowner),
         CASE WHEN r.relrowsecurity THEN 'row security' END, CASE WHEN r.relforcerowsecurity THEN 'forced' END, array_to_string(r.reloptions, ','),
         CASE WHEN r.relkind = 'p' THEN pg_get_partkeydef(r.oid) END, CASE WHEN r.relispartition THEN pg_get_expr(r.relpartbound, r.oid) END,
         CASE WHEN r.relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid, true) END,
         (SELECT concat_ws(' ', format_type(s.seqtypid, NULL), 'increment', s.seqincrement, 'cycle', s.seqcycle) FROM pg_sequence s WHERE s.seqrelid = r.oid)) AS words
  FROM relations r
UNION ALL
SELECT 'column ' || quote_ident(r.relname) || '.' || quote_ident(a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
         nullif('identity ' || a.attidentity::text, 'identity '), nullif('generated ' || a.attgenerated::text, 'generated '),
         (SELECT 'COLLATE ' || quote_ident(l.collname) FROM pg_collation l, pg_type t WHERE l.oid = a.attcollation AND t.oid = a.atttypid AND t.typcollation <> l.oid))
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE r.relkind <> 'S'
UNION ALL
SELECT 'constraint ' || quote_ident(r.relname) || '.' || quote_ident(c.conname),
       pg_get_constraintdef(c.oid, true) || CASE WHEN c.convalidated THEN '' ELSE ' (not validated)' END
  FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid WHERE c.contype <> 'n'
UNION ALL
SELECT 'index ' || quote_ident(i.relname),
       pg_get_indexdef(i.oid, 0, true) || CASE WHEN x.indisvalid THEN '' ELSE ' (invalid)' END
  FROM relations r JOIN pg_index x ON x.indrelid = r.oid JOIN pg_class i ON i.oid = x.indexrelid
UNION ALL
SELECT 'policy ' || quote_ident(r.relname) || '.' || quote_ident(p.polname),
       concat_ws(' ', p.polcmd::text, CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
         'TO ' || (SELECT string_agg(CASE m WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(m) END, ', ' ORDER BY m) FROM unnest(p.polroles) AS m),
         'USING ' || pg_get_expr(p.polqual, p.polrelid), 'CHECK ' || pg_get_expr(p.polwithcheck, p.polrelid))
  FROM relations r JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT 'trigger ' || quote_ident(r.relname) || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid, true) || ' enabled ' || t.tgenabled::text
  FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL
SELECT 'function ' || quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ')',
       concat_ws(' ', 'kind ' || f.prokind::text, 'RETURNS ' || pg_get_function_result(f.oid), 'LANGUAGE ' || l.lanname, 'volatility ' || f.provolatile::text,
         CASE WHEN f.prosecdef THEN 'SECURITY DEFINER' END, 'owner ' || pg_get_userbyid(f.proowner),
         replace(array_to_string(f.proconfig, ','), quote_ident(n.nspname), '(own schema)'), f.prosrc, pg_get_function_sqlbody(f.oid))
  FROM own n, functions f JOIN pg_language l ON l.oid = f.prolang
UNION ALL
SELECT 'type ' || quote_ident(t.typname),
       concat_ws(' ', 'kind ' || t.typtype::text, CASE WHEN t.typtype = 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'NOT NULL' END, t.typdefault) END,
         (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
         (SELECT string_agg(pg_get_constraintdef(c.oid, true), ' ' ORDER BY c.conname) FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype <> 'n'))
  FROM pg_type t WHERE t.oid = ANY ($5::oid[])
UNION ALL
SELECT 'grant ' || what || ' to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,
       string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', ' ORDER BY a.privilege_type)
  FROM (
    SELECT 'on schema' AS what, coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl FROM own n
    UNION ALL
    SELECT 'on ' || quote_ident(r.relname), coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner)) FROM relations r
    UNION ALL
    SELECT 'on column ' || quote_ident(r.relname) || '.' || quote_ident(c.attname), c.attacl
      FROM relations r JOIN pg_attribute c ON c.attrelid = r.oid AND c.attacl IS NOT NULL AND NOT c.attisdropped
    UNION ALL
    SELECT 'on function ' || quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ')', coalesce(f.proacl, acldefault('f', f.proowner)) FROM functions f
  ) AS things (what, acl), aclexplode(acl) AS a
 GROUP BY what, a.grantee
