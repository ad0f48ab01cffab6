-- The database and the server around the tables.
SELECT 'warning', 'extension', e.extname, format('extension %I opens a door out of the database', e.extname), format('DROP EXTENSION %I', e.extname)
  FROM pg_extension e, ask WHERE $4::text = ''
   AND e.extname IN ('dblink', 'postgres_fdw', 'file_fdw', 'adminpack', 'pageinspect', 'pg_surgery', 'plpython3u', 'plperlu', 'pltclu', 'plsh')
UNION ALL
SELECT 'warning', 'publication', p.pubname || '.' || t.oid::regclass, format('publication %I carries the rows of all tenants in table %s', p.pubname, t.oid::regclass),
       CASE WHEN p.puballtables OR r.oid IS NULL THEN format('DROP PUBLICATION IF EXISTS %I', p.pubname)
            ELSE format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, t.oid::regclass) END
  FROM pg_publication p JOIN tenanted t ON true LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = t.oid
 WHERE p.puballtables OR r.oid IS NOT NULL
    OR EXISTS (SELECT FROM pg_publication_namespace n JOIN pg_class c ON c.relnamespace = n.pnnspid WHERE n.pnpubid = p.oid AND c.oid = t.oid)
UNION ALL
SELECT 'info', 'statistics', s.oid::regclass || '.' || x.stxname, format('statistics %s know the values of all tenants in table %s', x.name, s.oid::regclass),
       format('DROP STATISTICS %s', x.name)
  FROM tenanted s JOIN (SELECT e.*, format('%I.%I', n.nspname, e.stxname) AS name FROM pg_statistic_ext e JOIN pg_namespace n ON n.oid = e.stxnamespace) x
    ON x.stxrelid = s.oid
UNION ALL
SELECT 'warning', 'setting', concat_ws('.', COALESCE(r.rolname, d.datname), split_part(s.line, '=', 1)),
       format('%s sets %s at every login', COALESCE('role ' || quote_ident(r.rolname), 'database ' || quote_ident(d.datname)), s.line),
       CASE WHEN r.oid IS NULL THEN format('ALTER DATABASE %I RESET %I', d.datname, split_part(s.line, '=', 1))
            ELSE format('ALTER ROLE %I %s RESET %I', r.rolname, 'IN DATABASE ' || quote_ident(d.datname), split_part(s.line, '=', 1)) END
  FROM me, ask, pg_db_role_setting c LEFT JOIN pg_roles r ON r.oid = c.setrole LEFT JOIN pg_database d ON d.oid = c.setdatabase,
       unnest(c.setconfig) AS s (line)
 WHERE $4::text = '' AND c.setrole IN (0, me.oid) AND (c.setdatabase = 0 OR d.datname = current_database())
   AND (s.line IN ('row_security=off', 'row_security=false', 'row_security=0') OR s.line ~ '^(session|local)_preload_libraries=.' OR s.line ~ '^session_replication_role=(replica|local)'
     OR s.line ~ '^role=' AND session_user = current_user OR s.line ~ '^search_path=.*pg_temp.*,')
