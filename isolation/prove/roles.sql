-- What the role is, may become and owns.
SELECT 'breach', 'role-superuser', rolname::text, format('role %I is a superuser and no policy holds it', rolname), format('ALTER ROLE %I NOSUPERUSER', rolname) FROM me WHERE rolsuper
UNION ALL
SELECT 'breach', 'role-login', session_user::text,
       format('role %I logs in and becomes %I, and any statement may go back; take the role out of the connection string', session_user, current_user),
       format('ALTER ROLE %I RESET role', session_user)
  FROM ask WHERE session_user <> current_user AND ask.role = current_user
UNION ALL
SELECT 'breach', 'role-bypassrls', rolname, format('role %I has BYPASSRLS and no policy holds it', rolname), format('ALTER ROLE %I NOBYPASSRLS', rolname)
  FROM held WHERE rolbypassrls
UNION ALL
SELECT 'breach', 'role-createrole', rolname, format('role %I may create roles and so become any', rolname), format('ALTER ROLE %I NOCREATEROLE', rolname)
  FROM held WHERE rolcreaterole
UNION ALL
SELECT 'breach', 'role-replication', rolname, format('role %I may read the replication stream', rolname), format('ALTER ROLE %I NOREPLICATION', rolname)
  FROM held WHERE rolreplication
UNION ALL
SELECT 'breach', 'role-member', m.rolname, format('role %I is a member of %I and would bypass the policies', me.rolname, m.rolname),
       format('REVOKE %I FROM %I', m.rolname, me.rolname)
  FROM me, held m WHERE m.oid <> me.oid
   AND (m.rolsuper OR m.rolname IN ('partywall_owner', 'partywall_system', 'pg_read_all_data', 'pg_write_all_data',
        'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_signal_backend', 'pg_create_subscription'))
UNION ALL
SELECT 'breach', 'role-database', current_database(), format('role %I owns database %I', me.rolname, current_database()),
       format('ALTER DATABASE %I OWNER TO %s', current_database(), ask.keeper)
  FROM me, ask, held m WHERE m.rolname = 'pg_database_owner'
UNION ALL
SELECT 'warning', 'role-monitor', m.rolname, format('role %I is a member of %I and sees the statements of all sessions', me.rolname, m.rolname),
       format('REVOKE %I FROM %I', m.rolname, me.rolname)
  FROM me, held m WHERE m.rolname IN ('pg_monitor', 'pg_read_all_stats', 'pg_stat_scan_tables')
   AND EXISTS (SELECT FROM pg_auth_members a WHERE a.roleid = m.oid AND a.member = me.oid)
UNION ALL
SELECT 'breach', 'role-not-member', me.rolname, format('role %I is not a member of %I, for which the policies are', me.rolname, ask.wall),
       CASE WHEN current_setting('server_version_num')::int >= 160000 THEN format('GRANT %I TO %I WITH INHERIT TRUE', ask.wall, me.rolname)
            ELSE format('GRANT %I TO %I', ask.wall, me.rolname) || CASE WHEN me.rolinherit THEN '' ELSE format('; ALTER ROLE %I INHERIT', me.rolname) END END
  FROM me, ask WHERE NOT me.rolsuper AND ask.wall <> '' AND NOT pg_has_role(me.oid, NULLIF(ask.wall, '')::name, 'USAGE')
UNION ALL
SELECT 'breach', 'role-both', m.rolname, format('role %I is a member of %I too, whose policies ask for less here', me.rolname, m.rolname),
       format('REVOKE %I FROM %I', m.rolname, me.rolname)
  FROM me, ask, held m WHERE ask.wall <> '' AND m.rolname IN ('partywall_app', 'partywall_pooled') AND m.rolname <> ask.wall
UNION ALL
SELECT 'breach', 'role-owns-table', c.oid::regclass::text,
       format('role %I owns %s %s and would bypass its policy', m.rolname,
              CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'table' END, c.oid::regclass),
       format('ALTER %s %s OWNER TO %s',
              CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
              c.oid::regclass, ask.keeper)
  FROM ask, held m JOIN relations c ON c.relowner = m.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
 WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system')
UNION ALL
SELECT 'breach', 'role-owns-schema', n.nspname, format('role %I owns schema %I', m.rolname, n.nspname), format('ALTER SCHEMA %I OWNER TO %s', n.nspname, ask.keeper)
  FROM ask, held m JOIN judged n ON n.nspowner = m.oid WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system', 'pg_database_owner')
UNION ALL
SELECT 'breach', 'role-owns-function', p.oid::regprocedure::text, format('role %I owns function %s', m.rolname, p.oid::regprocedure),
       format('ALTER ROUTINE %s OWNER TO %s', p.oid::regprocedure, ask.keeper)
  FROM ask, held m JOIN pg_proc p ON p.proowner = m.oid JOIN judged n ON n.oid = p.pronamespace WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system')
UNION ALL
SELECT 'breach', 'create-in-schema', n.nspname, format('role %I may create in schema %I', me.rolname, n.nspname),
       format('REVOKE CREATE ON SCHEMA %I FROM %s', n.nspname, g.list)
  FROM me, grantees g, judged n
 WHERE n.nspname !~ '^pg_(toast_)?temp_' AND n.nspowner NOT IN (SELECT oid FROM held) AND EXISTS (SELECT FROM held m WHERE has_schema_privilege(m.oid, n.oid, 'CREATE') AND m.rolname NOT IN ('partywall_owner', 'partywall_system', 'pg_database_owner'))
UNION ALL
SELECT 'breach', 'create-in-database', priv,
       format('role %I may make %s in database %I', me.rolname, CASE priv WHEN 'TEMP' THEN 'temporary tables' ELSE 'schemas' END, current_database()),
       format('REVOKE %s ON DATABASE %I FROM %s', priv, current_database(), g.list)
  FROM me, grantees g, unnest(ARRAY['TEMP', 'CREATE']) AS priv
 -- What comes with the database goes with it.
 WHERE EXISTS (SELECT FROM held m JOIN pg_database d ON d.datname = current_database() AND NOT pg_has_role(m.oid, d.datdba, 'USAGE')
   WHERE has_database_privilege(m.oid, d.oid, priv) AND m.rolname NOT IN ('partywall_owner', 'partywall_system', 'pg_database_owner'))
