-- Who makes and ends places: workers of one operation follow each other with
-- higher and higher tokens. The highest that was shown is kept in the server's
-- own database, and who comes with a lower one is refused.
SET LOCAL ROLE partywall_owner;
CREATE TABLE partywall.work (
  subject uuid PRIMARY KEY,
  token   bigint NOT NULL,
  at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
SET LOCAL ROLE NONE;

-- The migrator ends sessions of its own that a worker has left behind. As in
-- 004_harden.sql: where the right to see them was not taken from everybody, it
-- need not be given.
DO $do$
BEGIN
  GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity TO partywall_owner;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $do$;

-- What was done for a tenant that must not be done twice, such as giving it its
-- first rows: a row is written in the transaction that does it. Behind the wall
-- like any of the host's tables.
SET LOCAL ROLE partywall_owner;
CREATE TABLE partywall.once (
  tenant_id bigint NOT NULL DEFAULT partywall.tenant(),
  name      text   NOT NULL CHECK (octet_length(name) <= 200),
  at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (tenant_id, name)
);
SELECT partywall.protect('partywall.once');
SET LOCAL ROLE NONE;
