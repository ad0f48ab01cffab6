-- One row per operation. Whoever works on it holds its lease: owner, until
-- when, and a token that rises with each lease, so that who had an earlier one
-- can change nothing any more.
CREATE TABLE operation (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL,
    tenant_id   uuid,
    -- Names the request: a second one of the same kind and key is the same operation.
    key         text,
    actor       text NOT NULL,
    input       jsonb NOT NULL,
    output      jsonb NOT NULL,
    state       text NOT NULL,
    -- Whether it runs beside others of its tenant.
    beside      boolean NOT NULL,
    -- What somebody wants of it who does not hold the lease.
    wish        text NOT NULL DEFAULT '',
    -- Past the step from which there is no way back.
    committed   boolean NOT NULL DEFAULT false,
    -- Why it is being undone, and what went wrong last.
    reason      text NOT NULL DEFAULT '',
    error       text NOT NULL DEFAULT '',
    -- When somebody is to work on it; NULL while paused, and at the end.
    due_at      timestamptz,
    owner       text NOT NULL DEFAULT '',
    lease_until timestamptz,
    token       bigint NOT NULL DEFAULT 0,
    events      bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline    timestamptz,
    ended_at    timestamptz,

    CONSTRAINT operation_state CHECK (state IN ('pending', 'running', 'paused', 'undoing', 'succeeded', 'undone')),
    CONSTRAINT operation_ended CHECK ((state IN ('succeeded', 'undone')) = (ended_at IS NOT NULL)),
    CONSTRAINT operation_wish CHECK (wish IN ('', 'pause', 'cancel')),
    CONSTRAINT operation_undo CHECK (NOT (committed AND state IN ('undoing', 'undone'))),
    CONSTRAINT operation_text CHECK (octet_length(kind) <= 63 AND octet_length(key) BETWEEN 1 AND 200 AND octet_length(actor) <= 200)
);
CREATE UNIQUE INDEX operation_key ON operation (kind, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX operation_alone ON operation (tenant_id) WHERE ended_at IS NULL AND NOT beside;
CREATE INDEX operation_due ON operation (due_at) WHERE ended_at IS NULL;
CREATE INDEX operation_tenant ON operation (tenant_id, id);
CREATE INDEX operation_kind ON operation (kind, id);

-- A step that has begun. Those that have not have no row.
CREATE TABLE step (
    operation_id uuid NOT NULL REFERENCES operation ON DELETE CASCADE,
    name         text NOT NULL,
    state        text NOT NULL CHECK (state IN ('begun', 'done', 'undone')),
    -- How often it was begun, and how often it was tried to take it back.
    attempts     integer NOT NULL DEFAULT 1,
    undoings     integer NOT NULL DEFAULT 0,
    began_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz,
    PRIMARY KEY (operation_id, name)
);

-- What happened, for people and for whoever asks later. Numbers of one
-- operation are given under its row's lock: who has seen one has seen all below.
CREATE TABLE event (
    operation_id uuid NOT NULL REFERENCES operation ON DELETE CASCADE,
    number       bigint NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    type         text NOT NULL,
    step         text NOT NULL,
    percent      real NOT NULL,
    remaining    interval,
    message      text NOT NULL,
    token        bigint NOT NULL,
    PRIMARY KEY (operation_id, number)
);

-- What is to be told to others, written with what it tells of.
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id uuid NOT NULL,
    kind         text NOT NULL,
    tenant_id    uuid,
    topic        text NOT NULL,
    body         jsonb NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts     integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_due ON outbox (due_at);

-- Places that were made before their tenants.
CREATE TABLE spare (
    name     text PRIMARY KEY,
    server   text NOT NULL,
    strategy text NOT NULL CHECK (strategy IN ('schema', 'database')),
    -- The version of the host's tables that it was made with.
    release  text NOT NULL,
    state    text NOT NULL CHECK (state IN ('making', 'ready')),
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX spare_ready ON spare (server, strategy, at) WHERE state = 'ready';
