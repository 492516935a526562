"""Attacks on PostgreSQL from the lab's own role: its server's files, programs, rights, ways out.

What runs here is SQL alone, over a connection like the tool's; what it does, it does in the lab's
container. An attack has held only if it was refused for the reason that it should be.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sandbox_lab import Lab, Refused
from sandbox_verify import Attack, Outcome

LOGIN = Path("/run/sandbox/lab.json")
NO_RIGHT = frozenset({"42501"})
# The extension is not installed; the lab's image has only what a lab needs.
NOT_THERE = frozenset({"42501", "0A000"})
# No line of pg_hba.conf, no right to replicate, or no place for it.
NO_ENTRY = frozenset({"28000", "42501", "53300"})
NAME = "sandbox_verify"
PROGRAM_ROLES = "pg_execute_server_program, pg_read_server_files, pg_write_server_files"
EXTENSIONS = ("dblink", "postgres_fdw", "file_fdw", "adminpack", "lo", "plperlu", "plpython3u")


class Try(NamedTuple):
    """One statement, the codes of a right refusal, and what undoes it if it works.

    Without `undo` it runs in a transaction that is rolled back.
    """

    name: str
    sql: str
    right: frozenset[str] = NO_RIGHT
    undo: str = ""


TRIES = (
    Try("read a file", "SELECT pg_read_file('/etc/passwd')"),
    Try("read a file as bytes", "SELECT pg_read_binary_file('/proc/self/environ')"),
    Try("list a folder", "SELECT pg_ls_dir('/')"),
    Try("look at a file", "SELECT pg_stat_file('/etc/passwd')"),
    Try("list its log of changes", "SELECT * FROM pg_ls_waldir()"),
    Try("COPY from a file", "CREATE TEMP TABLE t (x text); COPY t FROM '/etc/passwd'"),
    Try("COPY to a file", "COPY (SELECT 1) TO '/dev/null'"),
    Try("COPY from a program", "CREATE TEMP TABLE t (x text); COPY t FROM PROGRAM 'id'"),
    Try("COPY to a program", "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'"),
    Try("import a file as large object", "SELECT lo_import('/etc/passwd')"),
    Try("export a large object", "SELECT lo_export(lo_from_bytea(0, 'x'), '/dev/null')"),
    Try("LOAD a library", "LOAD '$libdir/dict_snowball'"),
    Try("function in C", "CREATE FUNCTION pg_temp.f(internal) RETURNS internal LANGUAGE c "
        "AS '$libdir/dict_snowball', 'dsnowball_init'"),
    Try("internal function", "CREATE FUNCTION pg_temp.f(text) RETURNS text LANGUAGE internal "
        "AS 'pg_read_file_all'"),
    Try("foreign data wrapper", f"CREATE FOREIGN DATA WRAPPER {NAME}"),
    Try("subscription", f"CREATE SUBSCRIPTION {NAME} CONNECTION 'host=192.0.2.1 user=x password=x' "
        "PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false)"),
    Try("publication of all tables", f"CREATE PUBLICATION {NAME} FOR ALL TABLES"),
    Try("new superuser", f"CREATE ROLE {NAME} SUPERUSER"),
    Try("be superuser", "ALTER ROLE CURRENT_USER SUPERUSER"),
    Try("replicate", "ALTER ROLE CURRENT_USER REPLICATION"),
    Try("roles for files and programs", f"GRANT {PROGRAM_ROLES} TO CURRENT_USER"),
    Try("SET ROLE", "SET LOCAL ROLE postgres"),
    Try("SET SESSION AUTHORIZATION", "SET LOCAL SESSION AUTHORIZATION postgres"),
    Try("read passwords", "SELECT rolname, rolpassword FROM pg_authid"),
    Try("write the catalogue", "UPDATE pg_authid SET rolsuper = true WHERE rolname = current_user"),
    Try("system setting", "ALTER SYSTEM SET work_mem = '8MB'", undo="ALTER SYSTEM RESET work_mem"),
    Try("load libraries at login", "SET LOCAL session_preload_libraries = 'dict_snowball'"),
    Try("folder of libraries", "SET LOCAL dynamic_library_path = '/tmp'"),
    Try("read the settings again", "SELECT pg_reload_conf()"),
    Try("turn the log", "SELECT pg_rotate_logfile()"),
    Try("event trigger", "CREATE FUNCTION pg_temp.f() RETURNS event_trigger LANGUAGE plpgsql "
        f"AS 'BEGIN END'; CREATE EVENT TRIGGER {NAME} ON ddl_command_end "
        "EXECUTE FUNCTION pg_temp.f()"),
    Try("table space", f"CREATE TABLESPACE {NAME} LOCATION '/tmp'",
        undo=f"DROP TABLESPACE IF EXISTS {NAME}"),
    Try("another database", f"CREATE DATABASE {NAME}", undo=f"DROP DATABASE IF EXISTS {NAME}"),
    Try("schema of another's", f"CREATE SCHEMA {NAME}"),
    Try("give a function away", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql "
        "SECURITY DEFINER AS 'SELECT 1'; ALTER FUNCTION pg_temp.f() OWNER TO postgres"),
    *(Try(f"extension {name}", f"CREATE EXTENSION {name}", NOT_THERE) for name in EXTENSIONS),
)  # fmt: skip
ATTRIBUTES = """
SELECT concat_ws(', ',
  CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreaterole THEN 'makes roles' END,
  CASE WHEN rolcreatedb THEN 'makes databases' END, CASE WHEN rolreplication THEN 'replicates' END,
  CASE WHEN rolbypassrls THEN 'passes row security' END,
  (SELECT string_agg(o.rolname, ', ') FROM pg_roles o
   WHERE o.rolname <> current_user AND pg_has_role(o.oid, 'MEMBER')))
FROM pg_roles WHERE rolname = current_user
"""


def attacks() -> list[Attack]:
    """Return the attacks on the lab."""
    login = json.loads(LOGIN.read_text())
    return [
        Attack("lab", "attributes of its role", partial(attributes, login)),
        *(Attack("lab", each.name, partial(attempt, login, each)) for each in TRIES),
        Attack("lab", "log in as superuser", partial(enter, login, user="postgres")),
        Attack("lab", "log in to replicate", partial(enter, login, replication="true")),
        Attack("lab", "log in to read changes", partial(enter, login, replication="database")),
        Attack("lab", "log in to another database", partial(enter, login, database="core")),
    ]


def attributes(login: dict[str, Any]) -> Outcome:
    """Ask what the role may beyond its own tables."""
    with Lab(login) as lab:
        found = lab.ask(ATTRIBUTES)[0][0]
    return not found, found or "none"


def attempt(login: dict[str, Any], tried: Try) -> Outcome:
    """Run one statement; undo it when it works."""
    with Lab(login) as lab:
        if not tried.undo:
            lab.ask("BEGIN")
        try:
            lab.ask(tried.sql)
        except Refused as error:
            return error.code in tried.right, str(error)
        # Closing the connection rolls an open transaction back.
        if tried.undo:
            lab.ask(tried.undo)
    return False, "it worked"


def enter(login: dict[str, Any], **other: str) -> Outcome:
    """Log in as somebody else, or to something else."""
    try:
        with Lab(login, **other):
            return False, "let in"
    except Refused as error:
        return error.code in NO_ENTRY, str(error)
