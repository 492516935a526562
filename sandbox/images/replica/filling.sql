-- What the cluster of the lab's image is made into before data comes. Variables: schema.
CREATE DATABASE replica TEMPLATE lab;
\connect replica
ALTER SCHEMA public OWNER TO postgres;
DROP DATABASE lab;
DROP ROLE lab;
DROP SCHEMA public;
CREATE SCHEMA :"schema";
REVOKE ALL ON DATABASE replica FROM PUBLIC;
ALTER DATABASE replica SET search_path = :"schema";
ALTER DATABASE replica SET statement_timeout = '5min';
ALTER DATABASE replica SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE postgres SET statement_timeout = 0;
-- All that a login may: see the tables of the snapshot.
CREATE ROLE reader NOLOGIN;
GRANT CONNECT ON DATABASE replica TO reader;
GRANT USAGE ON SCHEMA :"schema" TO reader;
