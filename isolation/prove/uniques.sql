-- Unique keys and exclusion constraints, each with what PostgreSQL calls equal in
-- it. That of a partition is its parent's.
SELECT t.path, x.relname::text, i.indexrelid::regclass::text, k.expressions,
       concat_ws(' AND ', CASE WHEN NOT i.indnullsnotdistinct THEN k.known END, pg_get_expr(i.indpred, i.indrelid)),
       k.same,
       CASE WHEN con.oid IS NOT NULL THEN format('ON CONSTRAINT %I', con.conname)
            ELSE concat('(', array_to_string(k.expressions, ', '), ')', ' WHERE ' || pg_get_expr(i.indpred, i.indrelid)) END
  FROM targets t JOIN pg_index i ON i.indrelid = t.oid AND (i.indisunique OR i.indisexclusion) AND i.indisready
  JOIN pg_class x ON x.oid = i.indexrelid
  LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = t.oid AND con.contype IN ('p', 'u', 'x')
  CROSS JOIN LATERAL (
    SELECT array_agg(e.text ORDER BY n) AS expressions,
           string_agg(format('(%s) IS NOT NULL', e.text), ' AND ' ORDER BY n) AS known,
           string_agg(format('(mine.k%1$s OPERATOR(%2$I.%3$s) theirs.k%1$s OR mine.k%1$s IS NULL AND theirs.k%1$s IS NULL)', n, s.nspname, o.oprname), ' AND ' ORDER BY n) AS same
      FROM generate_series(1, i.indnkeyatts) AS n
      CROSS JOIN LATERAL (SELECT pg_get_indexdef(i.indexrelid, n, false) AS text) e
      JOIN pg_opclass c ON c.oid = i.indclass[n - 1]
      LEFT JOIN pg_amop a ON a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype
                         AND a.amopstrategy = 3 AND con.conexclop IS NULL -- a btree's equality
      JOIN pg_operator o ON o.oid = COALESCE(con.conexclop[n], a.amopopr)
      JOIN pg_namespace s ON s.oid = o.oprnamespace) k
 WHERE NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
 ORDER BY 1, 2
