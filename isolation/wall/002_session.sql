-- What a session knows of its tenant is kept in sequences: currval() is private
-- to the session, and only the owner, through the functions below, can setval().
-- The application's roles may read the mark and nothing else.
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
CREATE UNLOGGED SEQUENCE partywall.mark MINVALUE 0;
CREATE UNLOGGED SEQUENCE partywall.mark_at MINVALUE 0;
CREATE UNLOGGED SEQUENCE partywall.mark_hi MINVALUE -9223372036854775808;
CREATE UNLOGGED SEQUENCE partywall.mark_lo MINVALUE -9223372036854775808;
-- SELECT allows currval(); USAGE or UPDATE would allow nextval() and setval().
GRANT SELECT ON SEQUENCE partywall.mark, partywall.mark_at, partywall.mark_hi, partywall.mark_lo
  TO partywall_app, partywall_pooled;

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
-- going on. (One condition and one query, because each costs a tenth of the
-- statement behind it.)
CREATE FUNCTION partywall.bind(k bigint, t bigint, e bigint, readonly boolean, ms integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
DECLARE
  marked pg_catalog.int8;
  now_is pg_catalog.text;
BEGIN
  IF ((pg_catalog.currval('partywall.secret'::pg_catalog.regclass) OPERATOR(pg_catalog.=) k) IS TRUE
     -- Whatever happens from here on, the session is no longer the last tenant's.
     AND pg_catalog.setval('partywall.mark'::pg_catalog.regclass, 0) IS NOT NULL
     AND pg_catalog.pg_advisory_unlock_all() IS NOT NULL
     AND (t OPERATOR(pg_catalog.>) 0) IS TRUE
     AND pg_catalog.pg_advisory_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NOT NULL
     AND pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed') IS NOT TRUE THEN
    IF (pg_catalog.currval('partywall.secret'::pg_catalog.regclass) OPERATOR(pg_catalog.=) k) IS NOT TRUE THEN
      RAISE EXCEPTION 'partywall: wrong session secret' USING ERRCODE = 'PW003';
    END IF;
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
         -- A fence without a UUID must not leave the last tenant's: 0 is nobody's.
         AND (CASE WHEN f.hi IS NOT NULL
           THEN pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, f.hi) IS NOT NULL
            AND pg_catalog.setval('partywall.mark_lo'::pg_catalog.regclass, f.lo) IS NOT NULL
           ELSE pg_catalog.currval('partywall.mark_hi'::pg_catalog.regclass) OPERATOR(pg_catalog.=) 0
             OR pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, 0) IS NOT NULL END)
         THEN pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t) END
    INTO marked FROM partywall.fence f
   WHERE f.tenant_id OPERATOR(pg_catalog.=) t AND f.epoch OPERATOR(pg_catalog.=) e
     AND (f.state OPERATOR(pg_catalog.=) 'a' OR f.state OPERATOR(pg_catalog.=) 'r' AND readonly);
  IF marked IS NULL THEN
    now_is := partywall.fence_now(t);
    PERFORM pg_catalog.pg_advisory_unlock_all();
    RAISE EXCEPTION 'partywall: tenant is fenced' USING ERRCODE = 'PW001', DETAIL = now_is;
  END IF;
  RETURN marked;
END $fn$;

-- fence_now says how a tenant's fence stands, for whoever was refused.
CREATE FUNCTION partywall.fence_now(t bigint) RETURNS text
LANGUAGE sql STABLE AS $fn$
  SELECT COALESCE((SELECT pg_catalog.format('%s %s', f.epoch, f.state)
    FROM partywall.fence f WHERE f.tenant_id OPERATOR(pg_catalog.=) t), '-1 -')
$fn$;

-- rebind is bind for a tenant whose fence this session has read at the turn
-- seen, which let it write and had the search_path p. It returns the turn to
-- show the next time, or 0 for one whose fence has to be read each time.
CREATE FUNCTION partywall.rebind(k bigint, t bigint, e bigint, seen bigint, p text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
BEGIN
  IF (pg_catalog.currval('partywall.secret'::pg_catalog.regclass) OPERATOR(pg_catalog.=) k) IS TRUE
     AND (seen OPERATOR(pg_catalog.>) 0) IS TRUE
     AND pg_catalog.setval('partywall.mark'::pg_catalog.regclass, 0) IS NOT NULL
     AND pg_catalog.pg_advisory_unlock_all() IS NOT NULL
     AND pg_catalog.pg_advisory_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NOT NULL
     AND (pg_catalog.pg_sequence_last_value('partywall.turn'::pg_catalog.regclass) OPERATOR(pg_catalog.=) seen) IS TRUE
     AND pg_catalog.currval('partywall.mark_hi'::pg_catalog.regclass) OPERATOR(pg_catalog.=) 0
     AND (pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) p
       OR pg_catalog.set_config('search_path', p, false) IS NOT NULL)
     AND pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t) IS NOT NULL THEN
    RETURN seen;
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
  IF (pg_catalog.pg_advisory_xact_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NOT NULL
     AND pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed') IS NOT TRUE THEN
    PERFORM FROM partywall.fence f WHERE f.tenant_id OPERATOR(pg_catalog.=) t FOR SHARE; -- as in bind
  END IF;
  SELECT CASE WHEN (pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) f.path
           OR pg_catalog.set_config('search_path', f.path, true) IS NOT NULL)
         AND (ms OPERATOR(pg_catalog.<) 0
           OR pg_catalog.set_config('statement_timeout', ms::pg_catalog.text, true) IS NOT NULL)
         -- A fence without a UUID must not leave the last tenant's: 0 is nobody's.
         AND (CASE WHEN f.hi IS NOT NULL
           THEN pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, f.hi) IS NOT NULL
            AND pg_catalog.setval('partywall.mark_lo'::pg_catalog.regclass, f.lo) IS NOT NULL
           ELSE pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, 0) IS NOT NULL END)
         AND pg_catalog.setval('partywall.mark_at'::pg_catalog.regclass,
               (pg_catalog.date_part('epoch', pg_catalog.now()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8) IS NOT NULL
         THEN pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t) END
    INTO marked FROM partywall.fence f
   WHERE f.tenant_id OPERATOR(pg_catalog.=) t AND f.epoch OPERATOR(pg_catalog.=) e
     AND (f.state OPERATOR(pg_catalog.=) 'a' OR f.state OPERATOR(pg_catalog.=) 'r' AND readonly);
  IF marked IS NULL THEN
    RAISE EXCEPTION 'partywall: tenant is fenced' USING ERRCODE = 'PW001', DETAIL = partywall.fence_now(t);
  END IF;
  RETURN marked;
END $fn$;

-- tenant is the default of tenant_id. It is VOLATILE, as currval() is, so that
-- PostgreSQL can put its body where it is called.
CREATE FUNCTION partywall.tenant() RETURNS bigint
LANGUAGE sql VOLATILE AS $fn$ SELECT pg_catalog.currval('partywall.mark'::pg_catalog.regclass) $fn$;

CREATE FUNCTION partywall.tenant_uuid() RETURNS uuid
LANGUAGE sql VOLATILE AS $fn$
  SELECT pg_catalog.encode(pg_catalog.int8send(pg_catalog.currval('partywall.mark_hi'::pg_catalog.regclass))
    OPERATOR(pg_catalog.||) pg_catalog.int8send(pg_catalog.currval('partywall.mark_lo'::pg_catalog.regclass)), 'hex')::pg_catalog.uuid
$fn$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA partywall FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partywall.open_session, partywall.bind, partywall.rebind TO partywall_app;
GRANT EXECUTE ON FUNCTION partywall.enter TO partywall_pooled;
GRANT EXECUTE ON FUNCTION partywall.tenant, partywall.tenant_uuid TO partywall_app, partywall_pooled, partywall_system;

-- What follows in this transaction is the migration tool's.
SET LOCAL ROLE NONE;
