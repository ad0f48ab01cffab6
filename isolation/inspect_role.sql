-- Every right of the role that serves tenants ($1: the wall's role that it has
-- to be a member of) that leads around row-level security, as a sentence with
-- the SQL that takes it away.
WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user),
     mine AS (SELECT r.* FROM pg_roles r, me WHERE pg_has_role(me.oid, r.oid, 'MEMBER') AND NOT me.rolsuper)
SELECT format('role %I is a superuser and no policy holds it; run: ALTER ROLE %I NOSUPERUSER', rolname, rolname) FROM me WHERE rolsuper
UNION ALL
SELECT format('role %I logs in and becomes %I, and any statement may go back; take the role out of the connection string and run: ALTER ROLE %I RESET role', session_user, current_user, session_user)
 WHERE session_user <> current_user
UNION ALL
SELECT format('role %I has BYPASSRLS and no policy holds it; run: ALTER ROLE %I NOBYPASSRLS', rolname, rolname)
  FROM mine WHERE rolbypassrls
UNION ALL
SELECT format('role %I may create roles and so become any; run: ALTER ROLE %I NOCREATEROLE', rolname, rolname) FROM mine WHERE rolcreaterole
UNION ALL
SELECT format('role %I may read the replication stream; run: ALTER ROLE %I NOREPLICATION', rolname, rolname) FROM mine WHERE rolreplication
UNION ALL
SELECT format('role %I is a member of %I and would bypass the policies; run: REVOKE %I FROM %I', me.rolname, m.rolname, m.rolname, me.rolname)
  FROM me, mine m WHERE m.oid <> me.oid
   AND (m.rolsuper OR m.rolname IN ('partywall_owner', 'partywall_system', 'pg_read_all_data', 'pg_write_all_data',
        'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_signal_backend', 'pg_database_owner'))
UNION ALL
SELECT format('role %I is not a member of %I, for which the policies are; run: GRANT %I TO %I', rolname, $1::text, $1::text, rolname)
  FROM me WHERE NOT rolsuper AND NOT pg_has_role(oid, $1::text, 'USAGE')
UNION ALL
SELECT format('role %I is a member of %I too, whose policies ask for less here; run: REVOKE %I FROM %I', me.rolname, m.rolname, m.rolname, me.rolname)
  FROM me, mine m WHERE m.rolname IN ('partywall_app', 'partywall_pooled') AND m.rolname <> $1::text
UNION ALL
SELECT format('role %I owns %s %s and would bypass its policy; run: ALTER %s %s OWNER TO partywall_owner', m.rolname,
              CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'table' END, c.oid::regclass,
              CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass)
  FROM mine m JOIN pg_class c ON c.relowner = m.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
 WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system')
UNION ALL
SELECT format('role %I owns schema %I; run: ALTER SCHEMA %I OWNER TO partywall_owner', m.rolname, n.nspname, n.nspname)
  FROM mine m JOIN pg_namespace n ON n.nspowner = m.oid WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system', 'pg_database_owner')
UNION ALL
SELECT format('role %I owns function %s; run: ALTER FUNCTION %s OWNER TO partywall_owner', m.rolname, p.oid::regprocedure, p.oid::regprocedure)
  FROM mine m JOIN pg_proc p ON p.proowner = m.oid WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system')
UNION ALL
SELECT format('role %I may create in schema %I; run: REVOKE CREATE ON SCHEMA %I FROM PUBLIC, partywall_app, partywall_pooled, %I', me.rolname, n.nspname, n.nspname, me.rolname)
  FROM me, pg_namespace n WHERE NOT me.rolsuper AND n.nspname !~ '^pg_(toast_)?temp_' AND has_schema_privilege(me.oid, n.oid, 'CREATE')
UNION ALL
SELECT format('role %I may make %s in database %I; run: REVOKE %s ON DATABASE %I FROM PUBLIC, partywall_app, partywall_pooled, %I', me.rolname,
              CASE priv WHEN 'TEMP' THEN 'temporary tables' ELSE 'schemas' END, current_database(), priv, current_database(), me.rolname)
  FROM me, unnest(ARRAY['TEMP', 'CREATE']) AS priv
 WHERE NOT me.rolsuper AND has_database_privilege(me.oid, current_database(), priv)
