-- The roles of the wall. They belong to the whole cluster and may be there
-- already, made for another database of it, perhaps at this very moment.
DO $do$
DECLARE
  wanted name;
BEGIN
  IF current_setting('server_version_num')::int < 150000 THEN
    RAISE EXCEPTION 'partywall needs PostgreSQL 15 or newer, this is %', current_setting('server_version');
  END IF;
  FOREACH wanted IN ARRAY ARRAY['partywall_owner', 'partywall_app', 'partywall_pooled', 'partywall_system']::name[] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- made by somebody else since we looked
      END;
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
    IF NOT pg_has_role(wanted, 'MEMBER') THEN
      BEGIN
        EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
      EXCEPTION WHEN unique_violation THEN
        NULL; -- granted from another database: no lock spans two of them
      END;
    END IF;
  END LOOP;
END $do$;

ALTER SCHEMA partywall OWNER TO partywall_owner;
GRANT USAGE ON SCHEMA partywall TO partywall_app, partywall_pooled, partywall_system;
