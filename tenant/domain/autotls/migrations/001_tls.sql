-- Files by name, as certmagic keeps them: accounts, challenges, certificates and
-- their keys. Values are sealed with the name as associated data.
CREATE TABLE item (
    key         text COLLATE "C" PRIMARY KEY,
    value       bytea NOT NULL,
    size        integer NOT NULL, -- before it was sealed
    modified_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT item_bounds CHECK (octet_length(key) BETWEEN 1 AND 1024 AND octet_length(value) <= 1049600 AND size >= 0)
);

-- Who works on what. Tokens rise over all locks: who had one before can write
-- nothing any more.
CREATE SEQUENCE lock_token;
CREATE TABLE lock (
    name        text COLLATE "C" PRIMARY KEY,
    token       bigint NOT NULL,
    holder      text NOT NULL,
    lease_until timestamptz NOT NULL,
    CONSTRAINT lock_name CHECK (octet_length(name) BETWEEN 1 AND 1024)
);

-- One row per certificate, written with its items. due_at is when somebody is to
-- look at it: to renew it, to ask its CA for a better time, or to try again.
CREATE TABLE certificate (
    host       text COLLATE "C" PRIMARY KEY, -- or *.zone
    site       text COLLATE "C" NOT NULL,    -- its items are site.crt, site.key and site.json
    ca         text NOT NULL,                -- the CA's directory
    not_before timestamptz NOT NULL,
    not_after  timestamptz NOT NULL,
    renew_at   timestamptz NOT NULL,
    due_at     timestamptz NOT NULL
);
CREATE INDEX certificate_due ON certificate (due_at);
CREATE INDEX certificate_end ON certificate (not_after);

-- Hosts whose last order failed, and until when they are left alone. Those for
-- which there was no room in a bucket stand in its line, and what came in great
-- numbers behind the others.
CREATE TABLE rest (
    host        text COLLATE "C" PRIMARY KEY,
    failures    integer NOT NULL,
    reason      text NOT NULL,
    problem     text NOT NULL,
    rests_until timestamptz NOT NULL,
    waits_for   text COLLATE "C", -- a bucket's key
    waits_since timestamptz,
    backlog     boolean NOT NULL DEFAULT false,
    CONSTRAINT rest_line CHECK ((waits_for IS NULL) = (waits_since IS NULL))
);
CREATE INDEX rest_line ON rest (waits_for, backlog, waits_since, host) WHERE waits_for IS NOT NULL;

-- What nodes have to forget that they know: hosts whose certificate changed or
-- went away. Rows are kept for an hour.
CREATE TABLE change (
    host text COLLATE "C" PRIMARY KEY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX change_at ON change (at);

-- What is left of the CAs' limits, for package pace: a bucket is full again at a
-- time, and until then the less is in it the longer that is.
CREATE TABLE bucket (
    key     text COLLATE "C" PRIMARY KEY,
    full_at timestamptz NOT NULL,
    CONSTRAINT bucket_key CHECK (octet_length(key) BETWEEN 1 AND 1024)
);
CREATE INDEX bucket_full ON bucket (full_at);
