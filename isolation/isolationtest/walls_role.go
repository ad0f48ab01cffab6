package isolationtest

// roleWalls are the walls around the role that serves tenants.
func roleWalls() []wall {
	member := func(of string) wall {
		return wall{name: "role: member of " + of, do: `GRANT ` + of + ` TO {role}`, undo: `REVOKE ` + of + ` FROM {role}`}
	}
	attribute := func(name string) wall {
		return wall{name: "role: " + name, do: `ALTER ROLE {role} ` + name, undo: `ALTER ROLE {role} NO` + name}
	}
	return []wall{
		attribute("SUPERUSER"), attribute("BYPASSRLS"), attribute("CREATEROLE"), attribute("REPLICATION"),
		member("partywall_owner"), member("partywall_system"), member("{other}"),
		member("pg_read_all_data"), member("pg_write_all_data"), member("pg_read_server_files"), member("pg_execute_server_program"),
		member("pg_signal_backend"), member("pg_monitor"),
		{
			name: "role: owns a schema", do: `CREATE SCHEMA partywall_mutant AUTHORIZATION {role}`,
			undo: `DROP SCHEMA partywall_mutant`,
		},
		{
			name: "role: owns a function",
			do:   `CREATE FUNCTION {schema}.partywall_mutant() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION {schema}.partywall_mutant OWNER TO {role}`,
			undo: `DROP FUNCTION {schema}.partywall_mutant`,
		},
		{
			name: "role: row_security off", do: `ALTER ROLE {role} IN DATABASE {db} SET row_security = off`,
			undo: `ALTER ROLE {role} IN DATABASE {db} RESET row_security`,
		},
		{name: "role: may create in the schema", do: `GRANT CREATE ON SCHEMA {schema} TO {role}`, undo: `REVOKE CREATE ON SCHEMA {schema} FROM {role}`},
		{name: "role: may create schemas", do: `GRANT CREATE ON DATABASE {db} TO {role}`, undo: `REVOKE CREATE ON DATABASE {db} FROM {role}`},
		{name: "role: may make temporary tables", do: `GRANT TEMPORARY ON DATABASE {db} TO {role}`, undo: `REVOKE TEMPORARY ON DATABASE {db} FROM {role}`},
		{
			name: "role: whatever comes is open to it", do: `ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}`,
			undo: `ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE SELECT ON TABLES FROM {role}`,
		},
	}
}

// databaseWalls are the walls around the database, and around the wall itself.
func databaseWalls() []wall {
	granted := func(name, right string) wall {
		return wall{name: name, do: `GRANT ` + right + ` TO {role}`, undo: `REVOKE ` + right + ` FROM {role}`}
	}
	public := func(name, function string) wall {
		right := `EXECUTE ON FUNCTION ` + function
		return wall{name: name, do: `GRANT ` + right + ` TO PUBLIC`, undo: `REVOKE ` + right + ` FROM PUBLIC`}
	}
	return []wall{
		granted("wall: the session's secret can be read", `SELECT ON SEQUENCE partywall.secret`),
		granted("wall: the mark can be written", `UPDATE ON SEQUENCE partywall.mark`),
		granted("wall: the mark's time can be written", `UPDATE ON SEQUENCE partywall.mark_at`),
		granted("wall: the keys can be read", `SELECT ON partywall.key`),
		granted("wall: keys can be added", `INSERT ON partywall.key`),
		granted("wall: the fence can be raised", `UPDATE ON partywall.fence`),
		granted("wall: the fence can be read", `SELECT ON partywall.fence`),
		granted("wall: tables can be declared shared", `INSERT ON partywall.shared_table`),
		granted("wall: tenants can be let in", `EXECUTE ON FUNCTION partywall.admit`),
		granted("wall: sessions can be ended", `EXECUTE ON FUNCTION partywall.evict`),
		granted("wall: tables can be opened", `EXECUTE ON FUNCTION partywall.share`),
		{
			name: "wall: a fence that changes tells nobody", do: `ALTER TABLE partywall.fence DISABLE TRIGGER turned`,
			undo: `ALTER TABLE partywall.fence ENABLE ALWAYS TRIGGER turned`,
		},
		public("door: set_config", `pg_catalog.set_config(text, text, boolean)`),
		public("door: advisory locks", `pg_catalog.pg_advisory_lock(bigint)`),
		public("door: large objects", `pg_catalog.lo_get(oid)`),
		public("door: other sessions' statements", `pg_catalog.pg_stat_get_activity(int)`),
		public("door: ending sessions", `pg_catalog.pg_terminate_backend(int, bigint)`),
		public("door: the server's files", `pg_catalog.pg_read_file(text)`),
		{name: "door: dblink", do: `CREATE EXTENSION dblink`, undo: `DROP EXTENSION dblink`, needs: "dblink"},
		{
			name: "door: a foreign server", do: `CREATE FOREIGN DATA WRAPPER partywall_mutant; CREATE SERVER partywall_mutant FOREIGN DATA WRAPPER partywall_mutant;
				GRANT USAGE ON FOREIGN SERVER partywall_mutant TO {role}`,
			undo: `DROP FOREIGN DATA WRAPPER partywall_mutant CASCADE`,
		},
		{
			name: "door: a function that is called leakproof", do: `CREATE FUNCTION {schema}.partywall_mutant(int) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'`,
			undo: `DROP FUNCTION {schema}.partywall_mutant`,
		},
		{
			name: "door: an event trigger", do: `CREATE FUNCTION {schema}.partywall_mutant() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
				CREATE EVENT TRIGGER partywall_mutant ON ddl_command_end EXECUTE FUNCTION {schema}.partywall_mutant()`,
			undo: `DROP FUNCTION {schema}.partywall_mutant CASCADE`,
		},
		{
			name: "door: a foreign key without the tenant", do: `
				CREATE TABLE {schema}.partywall_mutant (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), id int UNIQUE, up int REFERENCES {schema}.partywall_mutant (id));
				SELECT partywall.protect('{schema}.partywall_mutant')`,
			undo: `DROP TABLE {schema}.partywall_mutant`,
		},
	}
}
