"""What the login of a source could write: it must be nothing; and how PostgreSQL tells it.
What it may not read, too.

DuckDB's read-only attachment is no control (its `postgres_execute` writes): the role is. So we
ask the server's catalogue about the login and every role it could become.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sandbox.core.errors import Denied, Unavailable
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import quoted

_MOST_SHOWN = 8

# Rows of what makes a Power, worst first. `format('%I')` lets the server quote its own names.
# pg_catalog is left out: PostgreSQL grants UPDATE on the view pg_settings to everybody, and its
# tables can be changed by superusers only.
POWERS = """
WITH reachable AS (
  SELECT r.* FROM pg_roles r, pg_roles me
  WHERE me.rolname = session_user
    AND (r.oid = me.oid OR (NOT me.rolsuper AND pg_has_role(me.oid, r.oid, 'MEMBER')))
), schemas AS (
  SELECT * FROM pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND nspname !~ '^pg_(toast_)?temp_'
), granted AS (
  SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
         format('%I.%I', nspname, relname) AS object, '' AS part, relowner AS owner, acl.*
  FROM pg_class JOIN schemas ON relnamespace = schemas.oid, aclexplode(relacl) acl
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND acl.privilege_type
          IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'MAINTAIN')
     OR relkind = 'S' AND acl.privilege_type IN ('USAGE', 'UPDATE')
  UNION ALL
  SELECT 'TABLE', format('%I.%I', nspname, relname), format(' (%I)', attname), relowner, acl.*
  FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
       JOIN schemas ON relnamespace = schemas.oid, aclexplode(attacl) acl
  WHERE acl.privilege_type IN ('INSERT', 'UPDATE')
  UNION ALL
  SELECT 'SCHEMA', format('%I', nspname), '', nspowner, acl.*
  FROM schemas, aclexplode(nspacl) acl WHERE acl.privilege_type = 'CREATE'
  UNION ALL
  SELECT 'DATABASE', format('%I', datname), '', datdba, acl.*
  FROM pg_database, aclexplode(datacl) acl
  WHERE datname = current_database() AND acl.privilege_type = 'CREATE'
), powers AS (
  SELECT 1 AS rank, format('use the attribute %s of role %s', has, rolname) AS could,
         format('ALTER ROLE %I NO%s', rolname, has) AS undo
  FROM reachable, LATERAL (VALUES ('SUPERUSER', rolsuper), ('BYPASSRLS', rolbypassrls),
    ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb), ('REPLICATION', rolreplication)
  ) AS attribute(has, yes) WHERE yes
  UNION ALL
  SELECT 2, format('act as %s', r.rolname),
         format('REVOKE %I FROM %I', r.rolname, pg_get_userbyid(m.member))
  FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
  WHERE m.member IN (SELECT oid FROM reachable) AND r.rolname IN (
    'pg_write_all_data', 'pg_write_server_files', 'pg_read_server_files',
    'pg_execute_server_program', 'pg_create_subscription', 'pg_maintain', 'pg_signal_backend')
  UNION ALL
  SELECT 3, format('change what it owns: %s', pg_describe_object(classid, objid, 0)),
         format('REASSIGN OWNED BY %I TO CURRENT_USER', pg_get_userbyid(refobjid))
  FROM pg_shdepend, pg_database
  WHERE datname = current_database() AND deptype = 'o'
    AND refobjid IN (SELECT oid FROM reachable)
    AND (dbid = pg_database.oid
         OR (classid = 'pg_database'::regclass AND objid = pg_database.oid))
  UNION ALL
  SELECT 4, format('%s on %s %s%s', string_agg(DISTINCT privilege_type, ', '),
                   lower(kind), object, part),
         format('REVOKE %s ON %s %s FROM %s',
                string_agg(DISTINCT privilege_type || part, ', '), kind, object,
                CASE grantee WHEN 0 THEN 'PUBLIC'
                             ELSE quote_ident(pg_get_userbyid(grantee)) END)
  FROM granted
  WHERE grantee <> owner AND (grantee = 0 OR grantee IN (SELECT oid FROM reachable))
  GROUP BY kind, object, part, grantee
)
SELECT could, undo FROM powers ORDER BY rank, could LIMIT 100
"""


@dataclass(frozen=True)
class Power:
    """One thing that a login could do, and the statement that takes it back."""

    could: str
    undo: str


def refuse_writers(subject: str, powers: Sequence[Power]) -> None:
    """Raise Denied, with how to take it back, if there is anything that a login could do."""
    if not powers:
        return
    could = [clean(power.could) for power in powers]
    undo = list(dict.fromkeys(clean(f"{power.undo};") for power in powers))
    raise Denied(
        f"The source's login could write: {_listed(could, '; ')}.",
        subject=subject,
        hint="Let the source's owner run:\n  " + _listed(undo, "\n  "),
        details={"could": could, "undo": undo},
    )


def refuse_hidden(
    source: Source, subject: str, schema: str, unseen: Collection[tuple[str, str]]
) -> None:
    """Raise Unavailable, with the grants that mend it, if what is listed is among the `unseen`.

    Those are (table, column) that the login may not read. A dropped column is not read.
    """
    read = {
        name: [c for c, rule in table.columns.items() if rule.mask.method != "drop"]
        for name, table in source.tables.items()
    }
    hidden = {name: [c for c in columns if (name, c) in unseen] for name, columns in read.items()}
    found = [clean(part) for name in read for part in _named(name, hidden[name], read[name])]
    if not found:
        return
    user = quoted(getattr(source.connection, "user", ""))
    tables = [quoted(schema, name) for name in read if hidden[name]]
    grant = [clean(f"GRANT SELECT ON {table} TO {user};") for table in tables]
    if hidden == read:  # perhaps it may not even use the schema
        grant.insert(0, clean(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {user};"))
    raise Unavailable(
        f"The source's login may not read what its file lists: {_listed(found, ', ')}.",
        subject=subject,
        hint="Let the source's owner run:\n  " + _listed(grant, "\n  "),
        details={"hidden": found, "grant": grant},
    )


def _named(table: str, hidden: list[str], read: list[str]) -> list[str]:
    """Return what is hidden of a table: all of it by its name, or some of its columns."""
    if hidden and hidden == read:
        return [table]
    return [f"{table}.{column}" for column in hidden]


def _listed(parts: list[str], separator: str) -> str:
    rest = len(parts) - _MOST_SHOWN
    shown = [*parts[:_MOST_SHOWN], f"and {rest} more"] if rest > 0 else parts
    return separator.join(shown)
