-- Foreign keys from one table behind the wall to another: the pairs of columns,
-- and for each a value that nobody has. The tenant column stays the tenant's own.
SELECT t.oid::regclass || '.' || con.conname, t.path, r.path, x.relname::text, k.columns, k.refers, k.nobody
  FROM targets t JOIN pg_constraint con ON con.conrelid = t.oid AND con.contype = 'f' AND con.conparentid = 0
  JOIN targets r ON r.oid = con.confrelid JOIN pg_class x ON x.oid = con.conindid
  CROSS JOIN LATERAL (
    SELECT array_agg(quote_ident(h.attname) ORDER BY pair.n) AS columns, array_agg(quote_ident(f.attname) ORDER BY pair.n) AS refers,
           array_agg(COALESCE('CAST(' || quote_literal(CASE
             WHEN f.atttypid = 'uuid'::regtype THEN gen_random_uuid()::text
             WHEN ty.typcategory = 'N' THEN (-20000 - trunc(random() * 12000))::text
             WHEN ty.typcategory = 'S' THEN md5(random()::text)
             WHEN ty.typcategory = 'D' THEN '0001-01-01' END) || ' AS ' || format_type(f.atttypid, f.atttypmod) || ')', '') ORDER BY pair.n) AS nobody
      FROM unnest(con.conkey, con.confkey) WITH ORDINALITY AS pair (here, there, n)
      JOIN pg_attribute h ON h.attrelid = t.oid AND h.attnum = pair.here
      JOIN pg_attribute f ON f.attrelid = r.oid AND f.attnum = pair.there
      JOIN pg_type ty ON ty.oid = f.atttypid
     WHERE pair.here <> t.tenant_attnum) k
 WHERE k.columns IS NOT NULL
 ORDER BY 1
