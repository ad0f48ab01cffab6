-- What a session knows of its tenant is kept in sequences: currval() is private
-- to the session, and only the owner, through the functions below, can setval().
-- The application's roles may ask for their own mark and nothing else.
SET LOCAL ROLE partywall_owner;

CREATE TABLE partywall.key (
  id         integer     PRIMARY KEY CHECK (id > 0),
  secret     bytea       NOT NULL CHECK (octet_length(secret) = 32),
  ipad       bytea       NOT NULL CHECK (octet_length(ipad) = 64),
  opad       bytea       NOT NULL CHECK (octet_length(opad) = 64),
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE partywall.key IS 'Keys that sign sessions and tokens: HMAC-SHA256 with its pads worked out (RFC 2104). Readable by the owner alone.';

CREATE TABLE partywall.fence (
  tenant_id bigint PRIMARY KEY CHECK (tenant_id > 0),
  epoch     bigint NOT NULL CHECK (epoch >= 0),
  state     "char" NOT NULL CHECK (state IN ('a', 'r', 'f')),
  path      text   NOT NULL,
  hi        bigint,
  lo        bigint
);
COMMENT ON TABLE partywall.fence IS 'Who may come in. state: a = active, r = read only, f = fenced. path: the tenant''s search_path. hi, lo: the halves of the tenant''s UUID, where tables are keyed by it.';

CREATE UNLOGGED SEQUENCE partywall.secret MINVALUE -9223372036854775808;
-- Of any value that these hold the next one is past the last: nextval() fails.
-- After a crash it would give 0 once, which is nobody.
CREATE UNLOGGED SEQUENCE partywall.mark    MINVALUE 0 MAXVALUE 9223372036854775806 INCREMENT 9223372036854775807 NO CYCLE;
CREATE UNLOGGED SEQUENCE partywall.mark_at MINVALUE 0 MAXVALUE 9223372036854775806 INCREMENT 9223372036854775807 NO CYCLE;
-- A UUID's halves can be any numbers, so only the owner may use these.
CREATE UNLOGGED SEQUENCE partywall.mark_hi MINVALUE -9223372036854775808;
CREATE UNLOGGED SEQUENCE partywall.mark_lo MINVALUE -9223372036854775808;
-- USAGE allows currval(), and nextval(), which fails. SELECT would show the last
-- value, whoever's it is; UPDATE would allow setval().
GRANT USAGE ON SEQUENCE partywall.mark, partywall.mark_at TO partywall_app, partywall_pooled;

-- In the functions that run for tenants every name and operator is qualified,
-- because they run with the owner's rights under the caller's search_path. (A
-- SET clause would do the same, at twice the cost, and would undo the
-- search_path that bind sets.)

CREATE FUNCTION partywall.verify(kid integer, body bytea, mac bytea) RETURNS boolean
LANGUAGE plpgsql STABLE AS $fn$
DECLARE
  ok pg_catalog.bool;
BEGIN
  -- Hashing both sides once more takes the meaning out of how long they compare.
  SELECT pg_catalog.sha256(pg_catalog.sha256(k.opad OPERATOR(pg_catalog.||) pg_catalog.sha256(k.ipad OPERATOR(pg_catalog.||) body)))
         OPERATOR(pg_catalog.=) pg_catalog.sha256(mac)
    INTO ok FROM partywall.key k WHERE k.id OPERATOR(pg_catalog.=) kid;
  IF ok IS NULL THEN
    RAISE EXCEPTION 'partywall: unknown key' USING ERRCODE = 'PW002';
  END IF;
  RETURN ok;
END $fn$;

-- open_session gives a new connection its secret: whoever shows k later is the
-- library and not a statement that somebody slipped into it.
CREATE FUNCTION partywall.open_session(kid integer, k bigint, expires bigint, mac bytea) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
BEGIN
  IF (partywall.verify(kid,
       '\x73'::pg_catalog.bytea OPERATOR(pg_catalog.||) pg_catalog.int8send(k)
       OPERATOR(pg_catalog.||) pg_catalog.int4send(pg_catalog.pg_backend_pid())
       OPERATOR(pg_catalog.||) pg_catalog.int8send(expires), mac)
     AND expires::pg_catalog.float8 OPERATOR(pg_catalog.>=) pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())) IS NOT TRUE THEN
    RAISE EXCEPTION 'partywall: forged or expired session' USING ERRCODE = 'PW003';
  END IF;
  PERFORM pg_catalog.setval('partywall.secret'::pg_catalog.regclass, k),
          pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, 0),
          pg_catalog.setval('partywall.mark'::pg_catalog.regclass, 0);
  RETURN pg_catalog.date_part('epoch', pg_catalog.clock_timestamp());
END $fn$;

-- lock_key keeps our advisory locks apart from the host's own.
CREATE FUNCTION partywall.lock_key(t bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $fn$ SELECT t OPERATOR(pg_catalog.#) 5786932019442810880 $fn$;

-- The turn rises with every change of a fence, as the last thing before the
-- change is committed, and so while whoever admits a tenant holds its lock. It
-- is read past all snapshots. A session that holds a tenant's lease, and finds
-- the turn at which it last read the tenant's fence, need not read it again:
-- nobody's has changed.
CREATE SEQUENCE partywall.turn;

CREATE FUNCTION partywall.turned() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
  PERFORM nextval('partywall.turn');
  RETURN NULL;
END $fn$;

CREATE CONSTRAINT TRIGGER turned AFTER INSERT OR UPDATE OR DELETE ON partywall.fence
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION partywall.turned();
CREATE TRIGGER emptied BEFORE TRUNCATE ON partywall.fence EXECUTE FUNCTION partywall.turned();
ALTER TABLE partywall.fence ENABLE ALWAYS TRIGGER turned, ENABLE ALWAYS TRIGGER emptied;

-- bind makes the session tenant t's until the next bind, and takes the lease
-- that whoever fences the tenant has to wait for. ms is the statement timeout
-- in milliseconds, or -1 to leave it as it is. What lets in asks for IS TRUE
-- and never for the opposite: a NULL is no proof, and does not keep AND from
-- going on. (Few conditions and one query, because each costs a tenth of the
-- statement behind it.)
CREATE FUNCTION partywall.bind(k bigint, t bigint, e bigint, readonly boolean, ms integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
DECLARE
  marked pg_catalog.int8;
  stands pg_catalog.text;
BEGIN
  IF (pg_catalog.currval('partywall.secret'::pg_catalog.regclass) OPERATOR(pg_catalog.=) k) IS NOT TRUE THEN
    RAISE EXCEPTION 'partywall: wrong session secret' USING ERRCODE = 'PW003';
  END IF;
  -- Whatever happens from here on, the session is no longer the last tenant's,
  -- and has forgotten all sequences: lastval() and currval() would tell what the
  -- last one drew. It keeps its secret; without one it would be of no use.
  DISCARD SEQUENCES;
  IF (pg_catalog.setval('partywall.secret'::pg_catalog.regclass, k) IS NOT NULL
     AND pg_catalog.setval('partywall.mark'::pg_catalog.regclass, 0) IS NOT NULL
     AND pg_catalog.pg_advisory_unlock_all() IS NOT NULL
     AND (t OPERATOR(pg_catalog.>) 0) IS TRUE
     AND pg_catalog.pg_advisory_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NOT NULL
     AND pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed') IS NOT TRUE THEN
    IF (t OPERATOR(pg_catalog.>) 0) IS NOT TRUE THEN
      RETURN 0;
    END IF;
    -- Under Read Committed the query below sees what was committed before the
    -- lock was granted. Above it the snapshot is older than the wait, and only
    -- a row lock shows a fence raised in between.
    PERFORM FROM partywall.fence f WHERE f.tenant_id OPERATOR(pg_catalog.=) t FOR SHARE;
  END IF;
  SELECT CASE WHEN (pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) f.path
           OR pg_catalog.set_config('search_path', f.path, false) IS NOT NULL)
         AND (ms OPERATOR(pg_catalog.<) 0
           OR pg_catalog.set_config('statement_timeout', ms::pg_catalog.text, false) IS NOT NULL)
         -- Where the fence has no UUID, 0 is nobody's.
         AND pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, COALESCE(f.hi, 0)) IS NOT NULL
         AND (f.lo IS NULL OR pg_catalog.setval('partywall.mark_lo'::pg_catalog.regclass, f.lo) IS NOT NULL)
         THEN pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t) END
    INTO marked FROM partywall.fence f
   WHERE f.tenant_id OPERATOR(pg_catalog.=) t
     AND f.epoch OPERATOR(pg_catalog.=) e AND (f.state OPERATOR(pg_catalog.=) 'a' OR f.state OPERATOR(pg_catalog.=) 'r' AND readonly);
  IF marked IS NULL THEN
    stands := partywall.fence_stands(t);
    PERFORM pg_catalog.pg_advisory_unlock_all();
    RAISE EXCEPTION 'partywall: tenant is fenced' USING ERRCODE = 'PW001', DETAIL = stands;
  END IF;
  RETURN marked;
END $fn$;

-- fence_stands says how a tenant's fence does, to whoever is refused.
CREATE FUNCTION partywall.fence_stands(t bigint) RETURNS text
LANGUAGE sql STABLE AS $fn$
  SELECT COALESCE((SELECT pg_catalog.format('%s %s', f.epoch, f.state)
    FROM partywall.fence f WHERE f.tenant_id OPERATOR(pg_catalog.=) t), '-1 -')
$fn$;

-- rebind is bind for a tenant whose fence this session has read at the turn
-- seen, which let it write, had the search_path p and no UUID. It returns the
-- turn to show the next time, or 0 for one whose fence has to be read each time.
CREATE FUNCTION partywall.rebind(k bigint, t bigint, e bigint, seen bigint, p text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
BEGIN
  IF (pg_catalog.currval('partywall.secret'::pg_catalog.regclass) OPERATOR(pg_catalog.=) k
     AND seen OPERATOR(pg_catalog.>) 0) IS TRUE THEN
    DISCARD SEQUENCES; -- as in bind
    IF pg_catalog.setval('partywall.secret'::pg_catalog.regclass, k) IS NOT NULL
       AND pg_catalog.setval('partywall.mark'::pg_catalog.regclass, 0) IS NOT NULL
       AND pg_catalog.pg_advisory_unlock_all() IS NOT NULL
       AND pg_catalog.pg_advisory_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NOT NULL
       AND (pg_catalog.pg_sequence_last_value('partywall.turn'::pg_catalog.regclass) OPERATOR(pg_catalog.=) seen) IS TRUE
       AND (pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) p
         OR pg_catalog.set_config('search_path', p, false) IS NOT NULL)
       AND pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, 0) IS NOT NULL
       AND pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t) IS NOT NULL THEN
      RETURN seen;
    END IF;
  END IF;
  IF partywall.bind(k, t, e, false, -1) OPERATOR(pg_catalog.=) t
     AND pg_catalog.currval('partywall.mark_hi'::pg_catalog.regclass) OPERATOR(pg_catalog.=) 0
     AND pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) p THEN
    RETURN COALESCE(pg_catalog.pg_sequence_last_value('partywall.turn'::pg_catalog.regclass), 0);
  END IF;
  RETURN 0;
END $fn$;

-- enter makes the transaction tenant t's: the mark names the transaction by its
-- now() and is void in the next one, whoever gets the connection then.
CREATE FUNCTION partywall.enter(kid integer, t bigint, e bigint, readonly boolean, ms integer, expires bigint, mac bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
DECLARE
  marked pg_catalog.int8;
BEGIN
  IF (partywall.verify(kid,
       '\x74'::pg_catalog.bytea OPERATOR(pg_catalog.||) pg_catalog.int8send(t)
       OPERATOR(pg_catalog.||) pg_catalog.int8send(e)
       OPERATOR(pg_catalog.||) pg_catalog.boolsend(readonly)
       OPERATOR(pg_catalog.||) pg_catalog.int8send(expires), mac)
     AND expires::pg_catalog.float8 OPERATOR(pg_catalog.>=) pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())) IS NOT TRUE THEN
    RAISE EXCEPTION 'partywall: forged or expired token' USING ERRCODE = 'PW003';
  END IF;
  DISCARD SEQUENCES; -- as in bind; there is no secret to keep
  IF (pg_catalog.pg_advisory_xact_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NOT NULL
     AND pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed') IS NOT TRUE THEN
    PERFORM FROM partywall.fence f WHERE f.tenant_id OPERATOR(pg_catalog.=) t FOR SHARE; -- as in bind
  END IF;
  SELECT CASE WHEN (pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) f.path
           OR pg_catalog.set_config('search_path', f.path, true) IS NOT NULL)
         AND (ms OPERATOR(pg_catalog.<) 0
           OR pg_catalog.set_config('statement_timeout', ms::pg_catalog.text, true) IS NOT NULL)
         AND pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, COALESCE(f.hi, 0)) IS NOT NULL
         AND (f.lo IS NULL OR pg_catalog.setval('partywall.mark_lo'::pg_catalog.regclass, f.lo) IS NOT NULL)
         AND pg_catalog.setval('partywall.mark_at'::pg_catalog.regclass,
               (pg_catalog.date_part('epoch', pg_catalog.now()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8) IS NOT NULL
         THEN pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t) END
    INTO marked FROM partywall.fence f
   WHERE f.tenant_id OPERATOR(pg_catalog.=) t
     AND f.epoch OPERATOR(pg_catalog.=) e AND (f.state OPERATOR(pg_catalog.=) 'a' OR f.state OPERATOR(pg_catalog.=) 'r' AND readonly);
  IF marked IS NULL THEN
    RAISE EXCEPTION 'partywall: tenant is fenced' USING ERRCODE = 'PW001', DETAIL = partywall.fence_stands(t);
  END IF;
  RETURN marked;
END $fn$;

-- tenant is the default of tenant_id. It is VOLATILE, as currval() is, so that
-- PostgreSQL can put its body where it is called.
CREATE FUNCTION partywall.tenant() RETURNS bigint
LANGUAGE sql VOLATILE AS $fn$ SELECT pg_catalog.currval('partywall.mark'::pg_catalog.regclass) $fn$;

-- tenant_uuid puts the halves together, which only the owner may read. It is
-- NULL where the fence has none.
CREATE FUNCTION partywall.tenant_uuid() RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $fn$
BEGIN
  RETURN CASE WHEN pg_catalog.currval('partywall.mark_hi'::pg_catalog.regclass) OPERATOR(pg_catalog.<>) 0 THEN
    pg_catalog.encode(pg_catalog.int8send(pg_catalog.currval('partywall.mark_hi'::pg_catalog.regclass))
      OPERATOR(pg_catalog.||) pg_catalog.int8send(pg_catalog.currval('partywall.mark_lo'::pg_catalog.regclass)), 'hex')::pg_catalog.uuid END;
END $fn$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA partywall FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partywall.open_session, partywall.bind, partywall.rebind TO partywall_app;
GRANT EXECUTE ON FUNCTION partywall.enter TO partywall_pooled;
GRANT EXECUTE ON FUNCTION partywall.tenant, partywall.tenant_uuid TO partywall_app, partywall_pooled, partywall_system;

-- What follows in this transaction is the migration tool's.
SET LOCAL ROLE NONE;
