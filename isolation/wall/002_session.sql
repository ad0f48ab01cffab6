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

-- bind makes the session tenant t's until the next bind, and takes the lease
-- that whoever fences the tenant has to wait for. ms is the statement timeout
-- in milliseconds, or -1 to leave it as it is. (Conditions instead of
-- PERFORM: an expression costs a tenth of a query here.) What lets in asks for
-- IS TRUE and never for the opposite: a NULL is no proof.
CREATE FUNCTION partywall.bind(k bigint, t bigint, e bigint, readonly boolean, ms integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
DECLARE
  f  partywall.fence;
  ok pg_catalog.bool;
BEGIN
  IF (pg_catalog.currval('partywall.secret'::pg_catalog.regclass) OPERATOR(pg_catalog.=) k) IS NOT TRUE THEN
    RAISE EXCEPTION 'partywall: wrong session secret' USING ERRCODE = 'PW003';
  END IF;
  -- Whatever happens from here on, the session is no longer the last tenant's,
  -- and has forgotten all sequences: lastval() and currval() would tell what the
  -- last one drew. It keeps its secret; without one it would be of no use.
  DISCARD SEQUENCES;
  IF pg_catalog.setval('partywall.secret'::pg_catalog.regclass, k) IS NULL
     OR pg_catalog.setval('partywall.mark'::pg_catalog.regclass, 0) IS NULL
     OR pg_catalog.pg_advisory_unlock_all() IS NULL
     OR t OPERATOR(pg_catalog.=) 0
     OR pg_catalog.pg_advisory_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NULL THEN
    RETURN 0;
  END IF;
  -- Under Read Committed this statement sees what was committed before the lock
  -- was granted. Above it the snapshot is older than the wait, and only a row
  -- lock shows a fence raised in between.
  IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed' THEN
    SELECT * INTO f FROM partywall.fence x WHERE x.tenant_id OPERATOR(pg_catalog.=) t;
  ELSE
    SELECT * INTO f FROM partywall.fence x WHERE x.tenant_id OPERATOR(pg_catalog.=) t FOR SHARE;
  END IF;
  ok := f.epoch OPERATOR(pg_catalog.=) e AND (f.state OPERATOR(pg_catalog.=) 'a' OR f.state OPERATOR(pg_catalog.=) 'r' AND readonly);
  IF ok IS NOT TRUE THEN
    PERFORM pg_catalog.pg_advisory_unlock_all();
    RAISE EXCEPTION 'partywall: tenant is fenced' USING ERRCODE = 'PW001',
      DETAIL = pg_catalog.format('%s %s', COALESCE(f.epoch, -1), COALESCE(f.state, '-'));
  END IF;
  IF pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.<>) f.path
     AND pg_catalog.set_config('search_path', f.path, false) IS NULL
     OR ms OPERATOR(pg_catalog.>=) 0
     AND pg_catalog.set_config('statement_timeout', ms::pg_catalog.text, false) IS NULL
     -- Where the fence has no UUID, 0 is nobody's.
     OR pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, COALESCE(f.hi, 0)) IS NULL
     OR f.lo IS NOT NULL AND pg_catalog.setval('partywall.mark_lo'::pg_catalog.regclass, f.lo) IS NULL THEN
    RETURN 0;
  END IF;
  RETURN pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t);
END $fn$;

-- enter makes the transaction tenant t's: the mark names the transaction by its
-- now() and is void in the next one, whoever gets the connection then.
CREATE FUNCTION partywall.enter(kid integer, t bigint, e bigint, readonly boolean, ms integer, expires bigint, mac bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $fn$
DECLARE
  f  partywall.fence;
  ok pg_catalog.bool;
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
  IF pg_catalog.pg_advisory_xact_lock_shared(t OPERATOR(pg_catalog.#) 5786932019442810880) IS NULL THEN
    RETURN 0;
  END IF;
  IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed' THEN
    SELECT * INTO f FROM partywall.fence x WHERE x.tenant_id OPERATOR(pg_catalog.=) t;
  ELSE
    SELECT * INTO f FROM partywall.fence x WHERE x.tenant_id OPERATOR(pg_catalog.=) t FOR SHARE;
  END IF;
  ok := f.epoch OPERATOR(pg_catalog.=) e AND (f.state OPERATOR(pg_catalog.=) 'a' OR f.state OPERATOR(pg_catalog.=) 'r' AND readonly);
  IF ok IS NOT TRUE THEN
    RAISE EXCEPTION 'partywall: tenant is fenced' USING ERRCODE = 'PW001',
      DETAIL = pg_catalog.format('%s %s', COALESCE(f.epoch, -1), COALESCE(f.state, '-'));
  END IF;
  IF pg_catalog.set_config('search_path', f.path, true) IS NULL
     OR ms OPERATOR(pg_catalog.>=) 0
     AND pg_catalog.set_config('statement_timeout', ms::pg_catalog.text, true) IS NULL
     OR pg_catalog.setval('partywall.mark_hi'::pg_catalog.regclass, COALESCE(f.hi, 0)) IS NULL
     OR f.lo IS NOT NULL AND pg_catalog.setval('partywall.mark_lo'::pg_catalog.regclass, f.lo) IS NULL
     OR pg_catalog.setval('partywall.mark_at'::pg_catalog.regclass,
          (pg_catalog.date_part('epoch', pg_catalog.now()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8) IS NULL THEN
    RETURN 0;
  END IF;
  RETURN pg_catalog.setval('partywall.mark'::pg_catalog.regclass, t);
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
GRANT EXECUTE ON FUNCTION partywall.open_session, partywall.bind TO partywall_app;
GRANT EXECUTE ON FUNCTION partywall.enter TO partywall_pooled;
GRANT EXECUTE ON FUNCTION partywall.tenant, partywall.tenant_uuid TO partywall_app, partywall_pooled, partywall_system;

-- What follows in this transaction is the migration tool's.
SET LOCAL ROLE NONE;
