-- The one database and the one role of a lab. Without a password the role cannot log in.
CREATE ROLE lab LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
CREATE DATABASE lab TEMPLATE template0 OWNER postgres;
REVOKE ALL ON DATABASE lab FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE lab TO lab;
-- Each template database would cost every lab 7 MB and 300 files.
ALTER DATABASE template0 IS_TEMPLATE false;
ALTER DATABASE template1 IS_TEMPLATE false;
DROP DATABASE template0;
DROP DATABASE template1;
-- What we ask as the superuser is no work of the lab's users: see usecases/idling.py.
ALTER ROLE postgres SET track_activities = off;
\connect lab
ALTER SCHEMA public OWNER TO lab;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
VACUUM (FULL, ANALYZE);
