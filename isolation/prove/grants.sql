-- Rights on what is not a table of the host's.
, doors (severity, code, names, reason) AS (VALUES
  ('breach', 'function-files', '^(pg_read_(binary_)?file|pg_ls_(dir|logdir|waldir|tmpdir)|pg_stat_file|lo_import|lo_export)$', 'read and write the server''s files'),
  ('warning', 'function-set-config', '^set_config$', 'change the session from within a SELECT'),
  ('warning', 'function-locks', '^pg_(try_)?advisory_', 'take locks that all tenants share'),
  ('warning', 'function-large-objects', '^(lo_(?!import|export).*|loread|lowrite)$', 'reach large objects, which know no tenants'),
  ('warning', 'function-activity', '^(pg_stat_get_activity|pg_stat_get_backend_activity|pg_lock_status|pg_prepared_statement|pg_cursor)$', 'see other sessions'' statements, with the literals in them'),
  ('warning', 'function-sequences', '^pg_sequence_last_value$', 'see how far other tenants'' sequences have come, and who was served last'),
  ('warning', 'function-signal', '^(pg_terminate_backend|pg_cancel_backend)$', 'end other tenants'' sessions'),
  ('warning', 'function-message', '^pg_logical_emit_message$', 'write messages to the log')
), candidates AS MATERIALIZED (
  -- Of three thousand functions the few that a door could be among: one regular
  -- expression for each, and not seven.
  SELECT p.oid, p.proname FROM pg_proc p
   WHERE p.pronamespace = 'pg_catalog'::regnamespace
     AND (p.proname LIKE 'pg\_%' OR p.proname LIKE 'lo%' OR p.proname = 'set_config')
     AND p.proname ~ '^(set_config$|lo|pg_(read_|ls_|stat_file|stat_get_(activity|backend_activity)$|(try_)?advisory_|lock_status|prepared_statement|cursor|terminate_|cancel_|logical_emit|sequence_last_value$))'
)
SELECT d.severity, d.code, d.code, format('role %I may call functions that %s', me.rolname, d.reason),
       format('REVOKE EXECUTE ON FUNCTION %s FROM %s', string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid::regprocedure::text), g.list)
  FROM me, grantees g, ask, doors d JOIN candidates p ON p.proname ~ d.names
 WHERE $4::text = '' AND EXISTS (SELECT FROM held m WHERE m.rolname !~ '^pg_' AND has_function_privilege(m.oid, p.oid, 'EXECUTE')
   AND m.rolname NOT IN ('partywall_owner', 'partywall_system'))
 GROUP BY d.severity, d.code, me.rolname, d.reason, g.list
UNION ALL
SELECT 'breach', 'wall-right', c.oid::regclass::text, format('role %I may %s %s, and so get past the gate', me.rolname, lower(r.name), c.oid::regclass),
       format('REVOKE %s ON %s FROM %s', r.name, c.oid::regclass, g.list)
  FROM me, grantees g, ask, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'partywall',
       unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'USAGE']) AS r (name)
 WHERE ask.wall <> '' AND $4::text = ''
   AND (c.relkind = 'S' AND c.relname IN ('secret', 'mark', 'mark_at', 'mark_hi', 'mark_lo', 'turn') AND r.name IN ('SELECT', 'UPDATE', 'USAGE')
        AND NOT (r.name = 'USAGE' AND c.relname IN ('mark', 'mark_at'))
     OR c.relkind = 'r' AND c.relname IN ('key', 'fence', 'shared_table') AND r.name <> 'USAGE' AND NOT (r.name = 'SELECT' AND c.relname = 'shared_table'))
   AND EXISTS (SELECT FROM held m WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system') AND m.rolname !~ '^pg_'
     AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(m.oid, c.oid, CASE WHEN c.relkind = 'S' THEN r.name ELSE 'USAGE' END)
                        ELSE has_table_privilege(m.oid, c.oid, CASE WHEN r.name = 'USAGE' THEN 'SELECT' ELSE r.name END) END)
UNION ALL
SELECT 'breach', 'wall-function', p.oid::regprocedure::text, format('role %I may call %s, which is the owner''s', me.rolname, p.oid::regprocedure),
       format('REVOKE EXECUTE ON FUNCTION %s FROM %s', p.oid::regprocedure, g.list)
  FROM me, grantees g, ask, pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'partywall'
 WHERE ask.wall <> '' AND $4::text = '' AND p.proname IN ('verify', 'lock_key', 'fence_stands', 'turned', 'protect', 'grant_sequences', 'share', 'admit', 'evict')
   AND EXISTS (SELECT FROM held m WHERE m.rolname NOT IN ('partywall_owner', 'partywall_system') AND has_function_privilege(m.oid, p.oid, 'EXECUTE'))
UNION ALL
SELECT 'breach', 'wall-trigger', 'partywall.fence', format('trigger %I of partywall.fence does not fire: sessions that remember a fence do not see it change', w.name),
       format('ALTER TABLE partywall.fence ENABLE ALWAYS TRIGGER %I', w.name)
  FROM ask, (VALUES ('turned'), ('emptied')) AS w (name)
 WHERE ask.wall <> '' AND $4::text = '' AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = w.name
   WHERE n.nspname = 'partywall' AND c.relname = 'fence' AND t.tgenabled IS DISTINCT FROM 'A')
UNION ALL
SELECT 'warning', 'sequence-update', c.oid::regclass::text, format('role %I may set sequence %s back, for all tenants', me.rolname, c.oid::regclass),
       format('REVOKE UPDATE ON SEQUENCE %s FROM %s', c.oid::regclass, g.list)
  FROM me, grantees g, relations c JOIN hosts n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND (n.nspname <> 'partywall' OR c.relname NOT IN ('secret', 'mark', 'mark_at', 'mark_hi', 'mark_lo', 'turn')) AND EXISTS (SELECT FROM held m WHERE m.rolname !~ '^pg_' AND m.rolname NOT IN ('partywall_owner', 'partywall_system')
   AND m.oid <> c.relowner AND has_sequence_privilege(m.oid, CASE WHEN c.relkind = 'S' THEN c.oid END, 'UPDATE'))
UNION ALL
SELECT 'breach', 'large-object', l.oid::text, format('large object %s knows no tenants and can be reached by role %I', l.oid, me.rolname),
       CASE WHEN l.lomowner IN (SELECT oid FROM held) THEN format('ALTER LARGE OBJECT %s OWNER TO %s', l.oid, ask.keeper)
            ELSE format('REVOKE ALL ON LARGE OBJECT %s FROM %s', l.oid, g.list) END
  FROM me, grantees g, ask, pg_largeobject_metadata l
 WHERE $4::text = '' AND NOT me.rolsuper AND (l.lomowner IN (SELECT oid FROM held)
    OR EXISTS (SELECT FROM aclexplode(l.lomacl) a WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM held)))
UNION ALL
SELECT 'warning', 'default-privileges', concat_ws('.', d.defaclrole::regrole::text, n.nspname),
       format('whatever %s makes%s is open to role %I from the start', d.defaclrole::regrole, ' in schema ' || quote_ident(n.nspname), me.rolname),
       format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON TABLES FROM %s', d.defaclrole::regrole, ' IN SCHEMA ' || quote_ident(n.nspname), g.list)
  FROM me, grantees g, ask, pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
 WHERE $4::text = '' AND d.defaclobjtype = 'r'
   AND EXISTS (SELECT FROM aclexplode(d.defaclacl) a WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM held))
UNION ALL
SELECT 'breach', 'foreign-server', s.srvname, format('role %I may use foreign server %I, which no policy holds', me.rolname, s.srvname),
       format('REVOKE ALL ON FOREIGN SERVER %I FROM %s', s.srvname, g.list)
  FROM me, grantees g, ask, pg_foreign_server s
 WHERE $4::text = '' AND EXISTS (SELECT FROM held m WHERE has_server_privilege(m.oid, s.oid, 'USAGE'))
