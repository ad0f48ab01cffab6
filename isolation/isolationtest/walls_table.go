package isolationtest

// tableWalls are the walls around every table.
func tableWalls() []wall {
	const again = `SELECT partywall.protect('{table}', '{column}')`
	return []wall{
		{name: "{table}: policy dropped", do: `DROP POLICY {policy} ON {table}`, undo: again},
		{name: "{table}: policy is true", do: `ALTER POLICY {policy} ON {table} USING (true) WITH CHECK (true)`, undo: again},
		{name: "{table}: policy lets read", do: `ALTER POLICY {policy} ON {table} USING (true)`, undo: again},
		{name: "{table}: policy lets write", do: `ALTER POLICY {policy} ON {table} WITH CHECK (true)`, undo: again},
		{name: "{table}: policy is a tautology", do: `ALTER POLICY {policy} ON {table} USING ({column} IS NOT NULL)`, undo: again},
		{
			name: "{table}: policy on a setting",
			do:   `ALTER POLICY {policy} ON {table} USING ({column}::text = current_setting('app.tenant', true))`, undo: again,
		},
		{name: "{table}: policy for everybody", do: `ALTER POLICY {policy} ON {table} TO PUBLIC`, undo: again},
		{name: "{table}: policy of the system for tenants", do: `ALTER POLICY partywall_system ON {table} TO {wall}`, undo: again},
		{
			name: "{table}: one policy more", do: `CREATE POLICY partywall_mutant ON {table} FOR SELECT USING (true)`,
			undo: `DROP POLICY partywall_mutant ON {table}`,
		},
		{name: "{table}: row security off", do: `ALTER TABLE {table} DISABLE ROW LEVEL SECURITY`, undo: again},
		{name: "{table}: not forced", do: `ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY`, undo: again},
		{
			name: "{table}: owned by the role", do: `ALTER TABLE {table} OWNER TO {role}`,
			undo: `ALTER TABLE {table} OWNER TO partywall_owner; ` + again,
		},
		{name: "{table}: may be emptied", do: `GRANT TRUNCATE ON {table} TO {wall}`, undo: again},
		{name: "{table}: may be referred to", do: `GRANT REFERENCES ON {table} TO {role}`, undo: `REVOKE REFERENCES ON {table} FROM {role}`},
		{name: "{table}: may have triggers", do: `GRANT TRIGGER ON {table} TO PUBLIC`, undo: again},
		{name: "{table}: rows are nobody's by default", do: `ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT`, undo: again},
		{
			name: "{table}: a key without the tenant", do: `CREATE UNIQUE INDEX partywall_mutant ON {table} ((1)) WHERE {column} IS NULL`,
			undo: `DROP INDEX {schema}.partywall_mutant`,
		},
		{
			name: "{table}: a view past the policies", do: `CREATE VIEW {schema}.partywall_mutant AS TABLE {table}; GRANT SELECT ON {schema}.partywall_mutant TO {role}`,
			undo: `DROP VIEW {schema}.partywall_mutant`,
		},
		{
			name: "{table}: a copy as a materialized view",
			do:   `CREATE MATERIALIZED VIEW {schema}.partywall_mutant AS TABLE {table}; GRANT SELECT ON {schema}.partywall_mutant TO {role}`,
			undo: `DROP MATERIALIZED VIEW {schema}.partywall_mutant`,
		},
		{
			name: "{table}: a copy without a policy",
			do:   `CREATE TABLE {schema}.partywall_mutant AS TABLE {table}; GRANT SELECT ON {schema}.partywall_mutant TO {role}`,
			undo: `DROP TABLE {schema}.partywall_mutant`,
		},
		{
			name: "{table}: a child without a policy",
			do:   `CREATE TABLE {schema}.partywall_mutant () INHERITS ({table}); GRANT SELECT ON {schema}.partywall_mutant TO {role}`,
			undo: `DROP TABLE {schema}.partywall_mutant`,
		},
		{
			name: "{table}: a function that reads past the policies",
			do:   `CREATE FUNCTION {schema}.partywall_mutant() RETURNS SETOF {table} LANGUAGE sql SECURITY DEFINER AS 'TABLE {table}'`,
			undo: `DROP FUNCTION {schema}.partywall_mutant`,
		},
		{
			name: "{table}: a trigger that acts past the policies",
			do: `CREATE FUNCTION {schema}.partywall_mutant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';
				CREATE TRIGGER partywall_mutant BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {schema}.partywall_mutant()`,
			undo: `DROP FUNCTION {schema}.partywall_mutant CASCADE`,
		},
		{
			name: "{table}: a rule", do: `CREATE RULE partywall_mutant AS ON DELETE TO {table} DO ALSO SELECT 1`,
			undo: `DROP RULE partywall_mutant ON {table}`,
		},
		{name: "{table}: published", do: `CREATE PUBLICATION partywall_mutant FOR TABLE {table}`, undo: `DROP PUBLICATION partywall_mutant`},
	}
}
