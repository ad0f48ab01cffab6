-- The roles of the wall. They belong to the whole cluster and may be there
-- already, made for another database of it. When that happens at this very
-- moment, this migration fails, and is tried again.
DO $do$
DECLARE
  wanted name;
BEGIN
  IF current_setting('server_version_num')::int < 150000 THEN
    RAISE EXCEPTION 'partywall needs PostgreSQL 15 or newer, this is %', current_setting('server_version');
  END IF;
  FOREACH wanted IN ARRAY ARRAY['partywall_owner', 'partywall_app', 'partywall_pooled', 'partywall_system']::name[] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
    END IF;
  END LOOP;
END $do$;

-- Who migrates makes objects in the owner's name, and sees all rows while
-- filling a new column.
DO $do$
DECLARE
  wanted name;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['partywall_owner', 'partywall_system']::name[] LOOP
    -- Since PostgreSQL 16 who makes a role is a member of it, but one that may
    -- neither inherit from it nor become it. USAGE says no to that.
    IF NOT pg_has_role(wanted, 'USAGE') THEN
      EXECUTE format('GRANT %I TO CURRENT_USER', wanted)
        || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
    END IF;
  END LOOP;
END $do$;

ALTER SCHEMA partywall OWNER TO partywall_owner;
GRANT USAGE ON SCHEMA partywall TO partywall_app, partywall_pooled, partywall_system;
