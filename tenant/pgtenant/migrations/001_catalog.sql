-- The installation: one row. Its name goes into envelopes.
CREATE TABLE installation (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    name uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO installation DEFAULT VALUES;

-- What signs envelopes: the highest id signs, all verify.
CREATE TABLE envelope_key (
    id         integer PRIMARY KEY CHECK (id > 0),
    secret     bytea NOT NULL CHECK (length(secret) >= 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE tenant (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           uuid NOT NULL,
    -- Under the C collation, so that its index serves prefixes too.
    slug         text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    status       text NOT NULL,
    reason       text NOT NULL,
    plan         text NOT NULL,
    region       text NOT NULL,
    labels       jsonb NOT NULL,
    server       text NOT NULL,
    strategy     text NOT NULL,
    schema       text NOT NULL,
    database     text NOT NULL,
    bucket       text NOT NULL,
    cache        text NOT NULL,
    epoch        bigint NOT NULL,
    version      bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    delete_after timestamptz,
    -- The transaction that changed the row last; set by the trigger below.
    changed_in   xid8 NOT NULL,

    CONSTRAINT tenant_id_key UNIQUE (id),
    CONSTRAINT tenant_slug_key UNIQUE (slug),
    -- The rules of tenant.ValidateSlug and its neighbours, for whoever writes
    -- here without them. Lengths are in bytes.
    CONSTRAINT tenant_slug CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
        AND slug !~ '^..--' AND slug !~ '^[0-9]+$'
        AND slug !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'),
    CONSTRAINT tenant_text CHECK (octet_length(name) <= 200 AND octet_length(reason) <= 200),
    CONSTRAINT tenant_status CHECK (status IN
        ('pending', 'active', 'suspended', 'maintenance', 'archived', 'deleting', 'deleted')),
    CONSTRAINT tenant_delete_after CHECK ((status = 'deleting') = (delete_after IS NOT NULL)),
    CONSTRAINT tenant_words CHECK (plan ~ '^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$'
        AND region ~ '^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$'),
    CONSTRAINT tenant_labels CHECK (jsonb_typeof(labels) = 'object'),
    CONSTRAINT tenant_placement CHECK (
        CASE WHEN server = '' THEN strategy || schema || database || bucket || cache = ''
        ELSE server ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'
            AND strategy IN ('shared', 'schema', 'database')
            AND (strategy = 'schema') = (schema <> '') AND octet_length(schema) <= 63
            AND (strategy = 'database') = (database <> '') AND octet_length(database) <= 63
            AND octet_length(bucket) <= 512 AND octet_length(cache) <= 512
        END),
    CONSTRAINT tenant_counts CHECK (epoch > 0 AND version > 0)
);
CREATE INDEX tenant_changed_in ON tenant (changed_in);
CREATE INDEX tenant_server ON tenant (server, number);
CREATE INDEX tenant_not_active ON tenant (status, number) WHERE status <> 'active';
CREATE INDEX tenant_labels_index ON tenant USING gin (labels jsonb_path_ops) WHERE labels <> '{}';

-- stamp notes who changed a row, and holds every writer, the library or a
-- person at psql, to what other parts of Partywall build on.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.id, NEW.number, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.number, OLD.created_at) THEN
            RAISE EXCEPTION 'partywall_catalog.tenant: id, number and created_at never change'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.version <> OLD.version + 1 THEN
            RAISE EXCEPTION 'partywall_catalog.tenant: an update raises version by one'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.epoch <> OLD.epoch + (CASE WHEN
            (NEW.server, NEW.strategy, NEW.schema, NEW.database, NEW.bucket, NEW.cache, NEW.status = 'active')
            IS DISTINCT FROM
            (OLD.server, OLD.strategy, OLD.schema, OLD.database, OLD.bucket, OLD.cache, OLD.status = 'active')
            THEN 1 ELSE 0 END) THEN
            RAISE EXCEPTION 'partywall_catalog.tenant: epoch rises by one with placement or right to write'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    NEW.changed_in := pg_current_xact_id();
    RETURN NEW;
END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON tenant FOR EACH ROW EXECUTE FUNCTION stamp();

-- A row that is gone is a change that nobody is told of.
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'partywall_catalog.tenant: rows stay as tombstones; set status to deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER keep BEFORE DELETE OR TRUNCATE ON tenant FOR EACH STATEMENT EXECUTE FUNCTION keep();

-- One word per transaction, however many rows it changes: PostgreSQL drops
-- notifications that say the same.
CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog AS $$
BEGIN
    PERFORM pg_notify('partywall_catalog', '');
    RETURN NULL;
END $$;
CREATE TRIGGER announce AFTER INSERT OR UPDATE ON tenant FOR EACH STATEMENT EXECUTE FUNCTION announce();
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON envelope_key
    FOR EACH STATEMENT EXECUTE FUNCTION announce();
