-- What is in the schema $1, for fingerprint.sql: found by what depends on the
-- schema, so that it does not matter how many others there are.
SELECT coalesce(array_agg(DISTINCT c.oid) FILTER (WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')), '{}'),
       coalesce(array_agg(DISTINCT p.oid) FILTER (WHERE p.oid IS NOT NULL), '{}'),
       coalesce(array_agg(DISTINCT t.oid) FILTER (WHERE t.typtype IN ('d', 'e')), '{}')
  FROM pg_namespace n
  JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relnamespace = n.oid
  LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND p.pronamespace = n.oid
  LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid AND t.typnamespace = n.oid
 WHERE n.nspname = $1
