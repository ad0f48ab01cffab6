-- The tenant column, and policies that trust what any statement may set.
SELECT 'warning', 'tenant-column-nullable', t.oid::regclass::text,
       format('column %I of table %s may be null: such rows would be nobody''s', t.attname, t.oid::regclass),
       format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', t.oid::regclass, t.attname)
  FROM tenanted t WHERE NOT t.attnotnull
UNION ALL
SELECT 'info', 'tenant-column-default', t.oid::regclass::text,
       format('column %I of table %s has no default: every statement has to know its tenant', t.attname, t.oid::regclass),
       format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT partywall.%s()', t.oid::regclass, t.attname,
              CASE WHEN t.atttypid = 'uuid'::regtype THEN 'tenant_uuid' ELSE 'tenant' END)
  FROM tenanted t, ask WHERE ask.wall <> '' AND NOT t.atthasdef AND t.atttypid IN ('uuid'::regtype, 'bigint'::regtype)
UNION ALL
SELECT 'breach', 'policy-forgeable', t.oid::regclass || '.' || p.polname,
       format('policy %I of table %s compares with %s, which any SQL can set: forgeable%s', p.polname, t.oid::regclass, f.what,
              CASE WHEN ask.wall = '' THEN '; bring the wall up with isolation.Open and a Migrator' ELSE '' END),
       format('SELECT partywall.protect(%L, %L); DROP POLICY %I ON %s', t.oid::regclass, t.attname, p.polname, t.oid::regclass)
  FROM ask, tenanted t JOIN pg_policy p ON p.polrelid = t.oid,
       LATERAL (SELECT COALESCE(
         substring(concat(pg_get_expr(p.polqual, p.polrelid), ' ', pg_get_expr(p.polwithcheck, p.polrelid)) FROM 'current_setting\(''[^'']*''') || ')',
         (SELECT format('%s, which reads a setting', d.refobjid::regprocedure)
            FROM pg_depend d JOIN pg_proc fn ON fn.oid = d.refobjid
           WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
             AND fn.prosrc ~* 'current_setting' LIMIT 1)) AS what) f
 WHERE f.what IS NOT NULL AND p.polpermissive AND p.polname NOT IN ('partywall_bound', 'partywall_pooled', 'partywall_system')
   AND NOT EXISTS (SELECT FROM pg_policy w WHERE w.polrelid = t.oid AND w.polname IN ('partywall_bound', 'partywall_pooled'))
UNION ALL
SELECT 'breach', 'policy-open', t.oid::regclass || '.' || p.polname, format('policy %I of table %s lets everybody see every row', p.polname, t.oid::regclass),
       format('DROP POLICY %I ON %s', p.polname, t.oid::regclass)
  FROM ask, tenanted t JOIN pg_policy p ON p.polrelid = t.oid
 WHERE ask.wall = '' AND p.polpermissive AND 'true' IN (pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
