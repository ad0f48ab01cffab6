-- Doors that tenants' statements have no use for. Each needs a right that the
-- migrator of a managed server may lack: then it stays open, and the proof at
-- boot says so where it matters.
DO $do$
DECLARE
  cmd text;
BEGIN
  REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  -- To end the sessions of a node that does not answer.
  IF NOT pg_has_role('partywall_owner', 'pg_signal_backend', 'MEMBER') THEN
    BEGIN
      GRANT pg_signal_backend TO partywall_owner;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END IF;
  FOR cmd IN
    -- set_config changes the session from within a SELECT; advisory locks and
    -- large objects know no tenants. Sessions of one role see each other's
    -- statements, with the literals in them, and may end each other; so do
    -- statements that follow each other on one connection. A message in the
    -- log is how a move finds its place. The last value of the mark is that of
    -- whoever was bound last.
    SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', p.oid::regprocedure)
      FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND (p.proname = 'set_config' OR p.proname ~ '^pg_(try_)?advisory_' OR p.proname ~ '^(lo_.*|loread|lowrite)$'
            OR p.proname IN ('pg_stat_get_activity', 'pg_stat_get_backend_activity', 'pg_lock_status', 'pg_terminate_backend',
                             'pg_cancel_backend', 'pg_prepared_statement', 'pg_cursor', 'pg_logical_emit_message', 'pg_sequence_last_value'))
    UNION ALL
    SELECT format('GRANT EXECUTE ON FUNCTION %s TO partywall_owner', p.oid::regprocedure)
      FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND (p.proname IN ('set_config', 'pg_lock_status', 'pg_terminate_backend', 'pg_sequence_last_value') OR p.proname ~ '^pg_(try_)?advisory_')
    UNION ALL
    -- Who watches over the server or may end sessions goes on doing so.
    SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::regprocedure,
                  CASE WHEN p.proname IN ('pg_terminate_backend', 'pg_cancel_backend') THEN 'pg_signal_backend' ELSE 'pg_monitor' END)
      FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND p.proname IN ('pg_stat_get_activity', 'pg_stat_get_backend_activity', 'pg_lock_status', 'pg_terminate_backend', 'pg_cancel_backend',
                         'pg_sequence_last_value')
  LOOP
    BEGIN
      EXECUTE cmd;
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
END $do$;
