-- What is in each of the host's schemas, for fingerprint.sql.
SELECT n.nspname::text, coalesce(c.list, '{}'), coalesce(p.list, '{}'), coalesce(t.list, '{}')
  FROM pg_namespace n
  LEFT JOIN (SELECT relnamespace, array_agg(oid) AS list FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') GROUP BY 1) c ON c.relnamespace = n.oid
  LEFT JOIN (SELECT pronamespace, array_agg(oid) AS list FROM pg_proc GROUP BY 1) p ON p.pronamespace = n.oid
  LEFT JOIN (SELECT typnamespace, array_agg(oid) AS list FROM pg_type WHERE typtype IN ('d', 'e') GROUP BY 1) t ON t.typnamespace = n.oid
 WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
