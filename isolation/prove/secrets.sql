-- The planner's statistics are of all tenants' rows, and its estimates show them:
-- of secret columns there should be none, nor of what indexes make of them. What
-- has been gathered stays until the column's type is set; that makes its indexes
-- anew, which begin without statistics and with no word about them. A partition
-- goes by its root's name, and has its columns' types.
, indexed AS (
  SELECT i.indexrelid, i.indrelid, a.attnum, d.refobjsubid, COALESCE(a.attstattarget, -1) <> 0 AS gathers
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid AND (i.indkey::int2[])[a.attnum - 1] = 0
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
                    AND d.refobjid = i.indrelid AND d.refobjsubid > 0
), secrets AS (
  SELECT t.oid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS type, r.oid::regclass AS root, r.relname,
         COALESCE(a.attstattarget, -1) <> 0 OR EXISTS (SELECT FROM indexed x WHERE x.indrelid = t.oid AND x.refobjsubid = a.attnum AND x.gathers) AS gathers
    FROM ask, tenanted t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_class r ON r.oid = COALESCE(pg_partition_root(t.oid), t.oid)
   WHERE r.relname || '.' || a.attname = ANY (ask.secret)
)
SELECT 'warning', 'statistics-values', format('%s.%I', s.oid::regclass, s.attname),
       format('column %I of table %s is secret, and the planner''s estimates show whether a value is there', s.attname, s.oid::regclass),
       format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0, ALTER COLUMN %2$I TYPE %s', s.root, s.attname, s.type)
       || COALESCE((SELECT string_agg(format('; ALTER INDEX %s ALTER COLUMN %s SET STATISTICS 0', x.indexrelid::regclass, x.attnum), '' ORDER BY x.indexrelid::regclass::text, x.attnum)
            FROM indexed x WHERE x.indrelid = s.oid AND x.refobjsubid = s.attnum), '')
  FROM secrets s WHERE s.gathers
UNION ALL
SELECT 'warning', 'secret-unknown', n.name, format('%s is secret, and no table has such a column and the tenant''s', n.name), ''
  FROM ask, unnest(ask.secret) AS n (name) WHERE $4::text = '' AND NOT EXISTS (SELECT FROM secrets s WHERE s.relname || '.' || s.attname = n.name)
