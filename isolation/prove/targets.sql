-- What every probe begins with: the tables behind the wall that the session may
-- use. A path names a table with its schema, and so in every session alike.
WITH targets AS MATERIALIZED (
  SELECT DISTINCT c.oid, c.oid::regclass::text AS name, format('%I.%I', n.nspname, c.relname) AS path,
         quote_ident(a.attname) AS tenant_column, a.attnum AS tenant_attnum, a.atttypid = 'uuid'::regtype AS uuid
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = c.oid AND d.refobjsubid > 0
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
   WHERE p.polname IN ('partywall_bound', 'partywall_pooled') AND has_schema_privilege(n.oid, 'USAGE')
     AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
     AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
)
