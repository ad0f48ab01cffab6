-- What is known of each place of the fleet. The places themselves are the
-- truth; this table is so that those that are current need not be asked.
CREATE TABLE place (
  server      text NOT NULL,
  database    text NOT NULL,
  schema      text NOT NULL,
  strategy    text NOT NULL CHECK (strategy IN ('shared', 'schema', 'database')),
  version     bigint NOT NULL,
  release     text NOT NULL,  -- that the place is current with, '' if with none
  fingerprint text NOT NULL,  -- of its tables when they were last looked at, '' if never
  attempts    integer NOT NULL, -- since it was last current
  -- Why it failed, empty if it did not.
  failed_version bigint NOT NULL,
  file        text NOT NULL,
  line        integer NOT NULL,
  statement   text NOT NULL,
  code        text NOT NULL,
  error       text NOT NULL,
  changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (server, database, schema)
);

-- The migrations as they were when they first ran anywhere.
CREATE TABLE migration_seen (
  version  bigint PRIMARY KEY CHECK (version > 0),
  file     text NOT NULL,
  digest   text NOT NULL,
  first_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
