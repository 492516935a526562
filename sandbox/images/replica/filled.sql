-- Once data and logins are there. Variables: schema.
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO reader;
-- By these, sandboxes that share a server could talk to each other, or look at one another.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace
  AND (proname ~ '^pg_(try_)?advisory' OR proname ~ '^pg_stat_get_(activity|backend|progress)'
       OR proname ~ '^lo(_|write)'
       OR proname IN ('pg_lock_status', 'pg_prepared_xact', 'pg_blocking_pids'))
\gexec
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
