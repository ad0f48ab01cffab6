-- What the host's migrations call. These run with the rights of whoever
-- migrates, and rarely.
SET LOCAL ROLE partywall_owner;

CREATE TABLE partywall.shared_table (relation regclass PRIMARY KEY);
COMMENT ON TABLE partywall.shared_table IS 'Tables that all tenants read and none writes, declared by partywall.share.';
GRANT SELECT ON partywall.shared_table TO partywall_app, partywall_pooled, partywall_system;

-- protect puts a table behind the wall. It may be called again, and repairs
-- what has been changed since.
CREATE FUNCTION partywall.protect(relation regclass, tenant_column name DEFAULT 'tenant_id') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
  kind     "char";
  col      record;
  bound    text;
  pooled   text;
  fallback text;
  part     regclass;
BEGIN
  SELECT relkind INTO kind FROM pg_class WHERE oid = relation;
  IF kind NOT IN ('r', 'p') THEN
    RAISE EXCEPTION 'partywall.protect: % is not a table', relation USING ERRCODE = '42809';
  END IF;
  SELECT atttypid::regtype AS type, attnotnull AS required, atthasdef AS has_default INTO col
    FROM pg_attribute WHERE attrelid = relation AND attname = tenant_column AND NOT attisdropped;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'partywall.protect: table % has no column %', relation, quote_ident(tenant_column)
      USING ERRCODE = '42703', HINT = format('ALTER TABLE %s ADD COLUMN %I bigint NOT NULL DEFAULT partywall.tenant();', relation, tenant_column);
  END IF;
  CASE col.type
  WHEN 'bigint'::regtype THEN
    fallback := 'partywall.tenant()';
    bound  := 'nullif(currval(''partywall.mark''::regclass), 0)'; -- nobody has no rows to write either
    pooled := bound;
  WHEN 'uuid'::regtype THEN
    fallback := 'partywall.tenant_uuid()';
    pooled := fallback;
    -- The halves outlive a bind that fails; the mark does not.
    bound  := format('CASE WHEN currval(''partywall.mark''::regclass) > 0 THEN %s END', fallback);
  ELSE
    RAISE EXCEPTION 'partywall.protect: column %.% is %, not bigint or uuid', relation, quote_ident(tenant_column), col.type
      USING ERRCODE = '42804';
  END CASE;
  IF NOT col.required THEN
    RAISE EXCEPTION 'partywall.protect: column %.% may be null: such rows would be nobody''s', relation, quote_ident(tenant_column)
      USING ERRCODE = '42804', HINT = format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', relation, tenant_column);
  END IF;
  pooled := format('CASE WHEN currval(''partywall.mark_at''::regclass) = (date_part(''epoch'', now()) * 1000000)::bigint THEN %s END', pooled);

  DELETE FROM partywall.shared_table s WHERE s.relation = protect.relation;
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relation);
  EXECUTE format('DROP POLICY IF EXISTS partywall_bound ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS partywall_pooled ON %s', relation);
  EXECUTE format('DROP POLICY IF EXISTS partywall_system ON %s', relation);
  EXECUTE format('CREATE POLICY partywall_bound ON %1$s TO partywall_app USING (%2$I = (SELECT %3$s)) WITH CHECK (%2$I = (SELECT %3$s))',
    relation, tenant_column, bound);
  EXECUTE format('CREATE POLICY partywall_pooled ON %1$s TO partywall_pooled USING (%2$I = (SELECT %3$s)) WITH CHECK (%2$I = (SELECT %3$s))',
    relation, tenant_column, pooled);
  EXECUTE format('CREATE POLICY partywall_system ON %s TO partywall_system USING (true) WITH CHECK (true)', relation);
  IF NOT col.has_default THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', relation, tenant_column, fallback);
  END IF;
  -- TRUNCATE, REFERENCES and TRIGGER look past row-level security.
  EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, partywall_app, partywall_pooled', relation);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO partywall_app, partywall_pooled, partywall_system', relation);
  PERFORM partywall.grant_sequences(relation);

  -- A partition is a table of its own, with policies of its own.
  FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = relation LOOP
    PERFORM partywall.protect(part, tenant_column);
  END LOOP;
END $fn$;

-- grant_sequences lets tenants draw from the sequences of a table's serial
-- columns. (Identity columns need no grant.)
CREATE FUNCTION partywall.grant_sequences(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
  seq regclass;
BEGIN
  FOR seq IN
    SELECT d.objid::regclass FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    WHERE d.refobjid = relation AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
  LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO partywall_app, partywall_pooled, partywall_system', seq);
  END LOOP;
END $fn$;

-- share declares a table that all tenants read and none writes.
CREATE FUNCTION partywall.share(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
  EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, partywall_app, partywall_pooled', relation);
  EXECUTE format('GRANT SELECT ON %s TO partywall_app, partywall_pooled', relation);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO partywall_system', relation);
  INSERT INTO partywall.shared_table VALUES (relation) ON CONFLICT DO NOTHING;
END $fn$;

-- admit sets the fence of a tenant, once every lease on the tenant is given
-- back. The epoch only rises: the last word belongs to who knows most. Within
-- an epoch a fence can be shut, and not opened again.
CREATE FUNCTION partywall.admit(t bigint, e bigint, s "char", p text, h bigint, l bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
  IF EXISTS (SELECT FROM partywall.fence f WHERE f.tenant_id = t AND (f.epoch > e OR f.epoch = e AND (s <> 'f' OR f.state = 'f'))) THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(partywall.lock_key(t));
  INSERT INTO partywall.fence AS f VALUES (t, e, s, p, h, l)
    ON CONFLICT (tenant_id) DO UPDATE SET epoch = e, state = s, path = p, hi = h, lo = l
    WHERE f.epoch < e OR f.epoch = e AND s = 'f';
  RETURN FOUND;
END $fn$;

-- evict ends the sessions that still hold a lease on tenant t, and returns how
-- many it ended.
CREATE FUNCTION partywall.evict(t bigint) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
  SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_locks
  WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ShareLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = (partywall.lock_key(t) >> 32) & 4294967295
    AND objid::bigint = partywall.lock_key(t) & 4294967295
$fn$;

REVOKE ALL ON FUNCTION partywall.protect, partywall.grant_sequences, partywall.share, partywall.admit, partywall.evict, partywall.lock_key FROM PUBLIC;

-- What protected tables look like, to hold others against.
CREATE TABLE partywall.reference_bigint (tenant_id bigint NOT NULL);
CREATE TABLE partywall.reference_uuid (tenant_id uuid NOT NULL);
SELECT partywall.protect('partywall.reference_bigint'), partywall.protect('partywall.reference_uuid');
REVOKE ALL ON partywall.reference_bigint, partywall.reference_uuid FROM partywall_app, partywall_pooled, partywall_system;

-- What follows in this transaction is the migration tool's.
SET LOCAL ROLE NONE;
