-- Code that runs with somebody else's rights: functions, triggers and rules.
, routines AS MATERIALIZED (
  SELECT p.*, o.rolsuper OR o.rolbypassrls OR o.rolname = 'partywall_system' AS bypasses, l.lanname, l.lanpltrusted,
         p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) AS fires,
         EXISTS (SELECT FROM held m WHERE has_function_privilege(m.oid, p.oid, 'EXECUTE')) AS callable
    FROM pg_proc p JOIN hosts n ON n.oid = p.pronamespace JOIN pg_roles o ON o.oid = p.proowner JOIN pg_language l ON l.oid = p.prolang
   WHERE (n.nspname <> 'partywall' OR p.proname NOT IN ('verify', 'open_session', 'lock_key', 'bind', 'rebind', 'enter', 'fence_stands', 'turned', 'tenant', 'tenant_uuid', 'protect', 'grant_sequences', 'share', 'admit', 'evict'))
     AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
)
SELECT 'breach', 'definer-bypasses', oid::regprocedure::text,
       format('function %s runs as %s, which no policy holds, for whoever calls it', oid::regprocedure, proowner::regrole),
       format('ALTER ROUTINE %s SECURITY INVOKER', oid::regprocedure)
  FROM routines WHERE prosecdef AND bypasses AND callable AND NOT fires
UNION ALL
SELECT 'warning', 'definer-search-path', oid::regprocedure::text,
       format('function %s runs as %s under its caller''s search_path', oid::regprocedure, proowner::regrole),
       format('ALTER ROUTINE %s SET search_path = pg_catalog, pg_temp', oid::regprocedure)
  FROM routines WHERE prosecdef AND NOT bypasses AND callable AND NOT fires
   AND NOT EXISTS (SELECT FROM unnest(proconfig) AS s WHERE s LIKE 'search\_path=%')
UNION ALL
SELECT 'warning', 'function-leakproof', oid::regprocedure::text,
       format('function %s says that it is LEAKPROOF, so it may see rows before the policies do', oid::regprocedure),
       format('ALTER ROUTINE %s NOT LEAKPROOF', oid::regprocedure)
  FROM routines WHERE proleakproof
UNION ALL
SELECT 'breach', 'function-untrusted', oid::regprocedure::text,
       format('function %s is in %s, which can do what the server''s operating system lets it', oid::regprocedure, lanname),
       format('REVOKE EXECUTE ON ROUTINE %s FROM %s', oid::regprocedure, g.list)
  FROM routines, grantees g WHERE NOT lanpltrusted AND callable AND lanname <> 'internal'
UNION ALL
SELECT 'warning', 'trigger-definer', t.oid::regclass || '.' || tg.tgname,
       format('trigger %I of table %s runs as %s, which no policy holds', tg.tgname, t.oid::regclass, f.proowner::regrole),
       format('ALTER FUNCTION %s SECURITY INVOKER', f.oid::regprocedure)
  FROM tenanted t JOIN pg_trigger tg ON tg.tgrelid = t.oid AND NOT tg.tgisinternal JOIN routines f ON f.oid = tg.tgfoid
 WHERE f.prosecdef AND f.bypasses
UNION ALL
SELECT 'warning', 'rule', t.oid::regclass || '.' || r.rulename, format('rule %I of table %s runs with its owner''s rights', r.rulename, t.oid::regclass),
       format('DROP RULE %I ON %s', r.rulename, t.oid::regclass)
  FROM tenanted t JOIN pg_rewrite r ON r.ev_class = t.oid
UNION ALL
SELECT 'info', 'event-trigger', e.evtname, format('event trigger %I runs code of %s whenever somebody migrates', e.evtname, e.evtowner::regrole),
       format('ALTER EVENT TRIGGER %I DISABLE', e.evtname)
  FROM pg_event_trigger e, ask WHERE e.evtenabled <> 'D' AND $4::text = ''
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
