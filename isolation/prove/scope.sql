-- What every check begins with. $1 is the role that is judged, '' for the
-- connection's own; $2 the wall's role that the policies are for, '' where there
-- is no wall; $3 the usual tenant column; $4 a schema, if only that one is meant;
-- $5 the columns that are secret.
-- A right counts if the role has it itself or by SET ROLE.
-- Before it comes shared, the tables declared by partywall.share, whose table is
-- not there where there is no wall.
, ask AS MATERIALIZED (
  SELECT COALESCE(NULLIF($1::text, ''), current_user) AS role, $2::text AS wall, $3::text AS tenant_column, $5::text[] AS secret,
         CASE WHEN $2::text = '' THEN 'CURRENT_USER' ELSE 'partywall_owner' END AS keeper
), me AS MATERIALIZED (
  SELECT r.* FROM pg_roles r, ask WHERE r.rolname = ask.role
), mine AS MATERIALIZED (
  SELECT r.* FROM pg_roles r, me WHERE r.oid = me.oid OR pg_has_role(me.oid, r.oid, 'MEMBER')
), held AS MATERIALIZED (
  -- Of a superuser there is one thing to say.
  SELECT mine.* FROM mine, me WHERE NOT me.rolsuper
), grantees AS MATERIALIZED (
  -- Whom a right has to be taken from, so that nothing leads back to it.
  SELECT 'PUBLIC' || COALESCE(string_agg(', ' || quote_ident(rolname), '' ORDER BY rolname), '') AS list
    FROM held WHERE rolname !~ '^pg_' AND rolname NOT IN ('partywall_owner', 'partywall_system')
), judged AS NOT MATERIALIZED (
  -- The schemas that are looked at. ($4 itself, for the planner to see whether
  -- there are many.)
  SELECT * FROM pg_namespace WHERE $4::text = '' OR nspname = $4::text
), hosts AS MATERIALIZED (
  -- Those of the host's.
  SELECT oid, nspname FROM judged
   WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND nspname !~ '^pg_(toast_)?temp_'
), relations AS NOT MATERIALIZED (
  -- What is in them. pg_class has no index by schema: one schema's relations are
  -- found by what depends on it, so that it does not matter how many others there are.
  SELECT c.* FROM judged n JOIN pg_class c ON c.relnamespace = n.oid WHERE $4::text = ''
  UNION ALL
  SELECT c.* FROM judged n
    JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.classid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = d.objid AND c.relnamespace = n.oid
   WHERE $4::text <> ''
), tenanted AS MATERIALIZED (
  -- The tables that have a tenant column. Those of the wall are known by name:
  -- a migrator called partywall may have made the host's beside them. (OFFSET 0
  -- has the column looked up for each table, also where nobody has told the
  -- planner yet how many columns there are.)
  SELECT c.oid, c.relname, a.attnum, a.attname, a.attnotnull, a.atthasdef, a.atttypid, c.relrowsecurity, c.relforcerowsecurity, c.relispartition
    FROM relations c JOIN hosts n ON n.oid = c.relnamespace CROSS JOIN LATERAL (
      SELECT * FROM pg_attribute a
       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = COALESCE((
         SELECT used.attname
           FROM pg_policy p CROSS JOIN LATERAL (
             SELECT b.attname
               FROM pg_depend d JOIN pg_attribute b ON b.attrelid = d.refobjid AND b.attnum = d.refobjsubid
              WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refobjid = p.polrelid AND d.refobjsubid > 0 LIMIT 1) used
          WHERE p.polrelid = c.oid AND p.polname IN ('partywall_bound', 'partywall_pooled') LIMIT 1), (SELECT tenant_column FROM ask)) OFFSET 0) a
   WHERE c.relkind IN ('r', 'p') AND c.oid NOT IN (SELECT relation FROM shared)
     AND (n.nspname <> 'partywall' OR c.relname NOT IN ('shared_table', 'reference_bigint', 'reference_uuid', 'key', 'fence', 'migration'))
)
