-- What each tenant's hosts have to point at: a name of its own, never used again.
CREATE TABLE target (
    tenant_id uuid PRIMARY KEY,
    label     text COLLATE "C" NOT NULL UNIQUE
);

-- A host that a tenant has claimed, owns, or had.
CREATE TABLE domain (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES target,
    host        text COLLATE "C" NOT NULL CHECK (host ~ '^[a-z0-9.-]{3,253}$'),
    state       text NOT NULL CHECK (state IN
        ('claimed', 'verified', 'issuing', 'active', 'degraded', 'released', 'tombstoned', 'ended')),
    method      text NOT NULL CHECK (method IN ('txt', 'http')),
    attempt     integer NOT NULL DEFAULT 1,
    token       text NOT NULL CHECK (token <> ''),
    main        boolean NOT NULL DEFAULT false,
    redirects   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(redirects) = 'object'),
    -- What is wrong, and what was found instead; empty if nothing is.
    reason      text NOT NULL DEFAULT '',
    seen        text[] NOT NULL DEFAULT '{}',
    pointed     boolean NOT NULL DEFAULT false,
    failures    integer NOT NULL DEFAULT 0,
    claimed_at  timestamptz NOT NULL,
    verified_at timestamptz,
    checked_at  timestamptz,
    degraded_at timestamptz,
    ended_at    timestamptz,
    cert_until  timestamptz,
    -- When a worker has to look at it, and the lease of the one that does.
    due_at      timestamptz,
    lease_token bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    version     bigint NOT NULL DEFAULT 1,
    changed_in  xid8 NOT NULL,

    CONSTRAINT domain_main CHECK (NOT main OR state IN ('verified', 'issuing', 'active', 'degraded'))
);
-- The wall: a host is one tenant's, also while it is being given up and until it
-- has been proven anew.
CREATE UNIQUE INDEX domain_owner ON domain (host) WHERE state NOT IN ('claimed', 'ended');
CREATE UNIQUE INDEX domain_claim ON domain (tenant_id, host) WHERE state NOT IN ('tombstoned', 'ended');
CREATE UNIQUE INDEX domain_primary ON domain (tenant_id) WHERE main;
CREATE INDEX domain_claims ON domain (host) WHERE state = 'claimed';
CREATE INDEX domain_tenant ON domain (tenant_id, id);
CREATE INDEX domain_due ON domain (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX domain_changed_in ON domain (changed_in);
CREATE SEQUENCE lease;

-- stamp notes who changed what nodes keep in memory; leases and look-ups that
-- find nothing new are no news.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.changed_in := pg_current_xact_id();
        PERFORM pg_notify('partywall_domains', '');
    ELSIF (NEW.id, NEW.tenant_id, NEW.host) IS DISTINCT FROM (OLD.id, OLD.tenant_id, OLD.host) THEN
        RAISE EXCEPTION 'partywall_domains.domain: id, tenant_id and host never change'
            USING ERRCODE = 'integrity_constraint_violation';
    ELSIF (NEW.state, NEW.main, NEW.redirects) IS DISTINCT FROM (OLD.state, OLD.main, OLD.redirects) THEN
        NEW.changed_in := pg_current_xact_id();
        PERFORM pg_notify('partywall_domains', '');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON domain FOR EACH ROW EXECUTE FUNCTION stamp();

-- A row that is gone is a change that nobody is told of.
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SET search_path TO pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'partywall_domains.domain: rows stay; set state to ended'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER keep BEFORE DELETE OR TRUNCATE ON domain FOR EACH STATEMENT EXECUTE FUNCTION keep();

-- What others are to be told.
CREATE TABLE event (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic     text NOT NULL,
    tenant_id uuid NOT NULL,
    host      text NOT NULL,
    reason    text NOT NULL,
    at        timestamptz NOT NULL,
    attempts  integer NOT NULL DEFAULT 0,
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX event_due ON event (due_at);
