-- Keys that tell one tenant what another has. NULLS NOT DISTINCT, deferral and
-- the like come from PostgreSQL's own words for the key. Foreign keys sort before
-- what they refer to, and are to be changed before it.
SELECT 'warning', 'key-without-tenant', i.indexrelid::regclass::text,
       format('%s %s of table %s does not have %I in it: a conflict tells what other tenants have',
              CASE WHEN con.contype = 'x' THEN 'exclusion constraint' WHEN i.indisprimary THEN 'primary key' ELSE 'unique key' END,
              i.indexrelid::regclass, t.oid::regclass, t.attname),
       CASE WHEN con.contype = 'x'
         THEN format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', t.oid::regclass, con.conname,
                regexp_replace(pg_get_constraintdef(con.oid), '^(EXCLUDE USING \w+ \()', format('\1%I WITH =, ', t.attname)))
       WHEN con.oid IS NOT NULL
         THEN format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', t.oid::regclass, con.conname,
                regexp_replace(pg_get_constraintdef(con.oid), '^([^(]+\()', format('\1%I, ', t.attname)))
       ELSE format('DROP INDEX %s; %s', i.indexrelid::regclass,
                regexp_replace(pg_get_indexdef(i.indexrelid), '( USING \w+ \()', format('\1%I, ', t.attname))) END
  FROM tenanted t JOIN pg_index i ON i.indrelid = t.oid AND (i.indisunique OR i.indisexclusion)
  LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = t.oid AND con.contype IN ('p', 'u', 'x')
 WHERE NOT t.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
   AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
UNION ALL
SELECT 'warning', 'foreign-key-without-tenant', t.oid::regclass || '.' || con.conname,
       format('foreign key %I of table %s does not have %I in it: a tenant can refer to another''s row, and learns that it is there',
              con.conname, t.oid::regclass, t.attname),
       CASE WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisunique AND i.indpred IS NULL
                           AND i.indnkeyatts = cardinality(con.confkey) + 1
                           AND (i.indkey::int2[])[0:i.indnkeyatts - 1] @> (r.attnum || con.confkey))
         THEN '' ELSE format('ALTER TABLE %s ADD UNIQUE (%I, %s); ', r.oid::regclass, r.attname,
           (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n) FROM unnest(con.confkey) WITH ORDINALITY AS k (num, n)
              JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.num)) END
       || format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', t.oid::regclass, con.conname,
            regexp_replace(regexp_replace(pg_get_constraintdef(con.oid), '^FOREIGN KEY \(', format('FOREIGN KEY (%I, ', t.attname)),
              '\) REFERENCES ([^(]+)\(', format(') REFERENCES \1(%I, ', r.attname)))
  FROM tenanted t JOIN pg_constraint con ON con.conrelid = t.oid AND con.contype = 'f' AND con.conparentid = 0
  JOIN tenanted r ON r.oid = con.confrelid
 WHERE NOT EXISTS (SELECT FROM unnest(con.conkey, con.confkey) AS pair (here, there) WHERE pair.here = t.attnum AND pair.there = r.attnum)
