"""PostgreSQL 12 and later, as a source."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.core.connection import Postgres, place_of
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import InvalidInput, SandboxError
from sandbox.core.relations import Key, Reference
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import SOURCE, literal, live_types, load, quoted
from sandbox.drivers.sources.failures import (
    CONNECT_SECONDS,
    LOCK_SECONDS,
    STATEMENT_SECONDS,
    login_error,
    reading_error,
)
from sandbox.drivers.sources.login import refuse_powers

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Where the server can (PostgreSQL 14), it looks every second whether we are still there, so a
# build that was killed does not leave a long query running in the core system.
_NOTICE_OUR_END = (
    "SELECT set_config(name, '1000', false) AS value FROM pg_settings "
    "WHERE name = 'client_connection_check_interval'"
)
_COLUMNS = """
SELECT relname::text AS relation, attname::text AS attribute
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = to_regnamespace({schema})::oid AND relkind IN ('r', 'p', 'v', 'm', 'f')
  AND attnum > 0 AND NOT attisdropped
ORDER BY relname, attnum
"""
_READABLE = """
SELECT relname::text AS relation, attname::text AS attribute
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = {schema}::regnamespace AND attnum > 0 AND NOT attisdropped
  AND has_column_privilege(pg_class.oid, attnum, 'SELECT')
"""
_PARTS = """
SELECT relname::text AS relation FROM pg_class
WHERE relnamespace = {schema}::regnamespace AND relispartition
"""
# What the server counted when it last looked; of tables whose pages can be drawn.
_PAGES = """
SELECT reltuples::bigint AS rows FROM pg_class
WHERE relnamespace = {schema}::regnamespace AND relkind IN ('r', 'm') AND relname = {table}
"""
_NUMERICS = """
SELECT relname::text AS relation, attname::text AS attribute,
  atttypid = 'numeric[]'::regtype AS many
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = {schema}::regnamespace AND attnum > 0 AND NOT attisdropped
  AND atttypid IN ('numeric'::regtype, 'numeric[]'::regtype)
"""
# What DuckDB's reader makes 0 of: no number, and those without an end (PostgreSQL 14). No other is
# as large: a numeric has 131,072 digits before the point.
_NO_NUMBER = "({0} = 'NaN' OR {0} > '1e131071' OR {0} < '-1e131071')"
_NO_NUMBERS = "{0}::text ~ '[NI]'"
_NAMES = """
(SELECT json_agg(attname ORDER BY place)::text FROM unnest({columns}) WITH ORDINALITY
 AS part (number, place) JOIN pg_attribute ON attrelid = {table} AND attnum = number)
"""
_UNIQUE = """
SELECT relname::text AS relation, {names} AS keys
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = {schema}::regnamespace AND indisunique
  AND indpred IS NULL AND indexprs IS NULL
ORDER BY relname, keys
"""
_REFERENCES = """
SELECT own.relname::text AS relation, {columns} AS columns, far.relname::text AS target,
  {keys} AS keys
FROM pg_constraint JOIN pg_class AS own ON own.oid = conrelid
JOIN pg_class AS far ON far.oid = confrelid
WHERE contype = 'f' AND own.relnamespace = {schema}::regnamespace
  AND far.relnamespace = own.relnamespace
ORDER BY own.relname, columns
"""
# Masks that do not look at the value.
_UNREAD = ("drop", "null", "redact")


class PostgresDialect:
    """Reads PostgreSQL in one repeatable-read, read-only transaction."""

    def __init__(self, source: Source, at: Postgres) -> None:
        self._source, self._name, self._at = source, source.name, at

    @property
    def schema(self) -> str:
        """The schema that the source file names."""
        return self._at.db_schema

    def place(self) -> str:
        """Return login, server and database."""
        return place_of(self._at)

    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Attach it read-only, with limits of time; raises Unavailable without the password."""
        import duckdb

        load(con, "postgres_scanner")
        try:
            self._attach(con, password)
        except duckdb.Error as error:
            # `from None`: the driver's text is for nobody else's eyes.
            raise login_error(self._name, self.place(), str(error), password) from None

    def _attach(self, con: "DuckDBPyConnection", password: str) -> None:
        at = self._at
        settings = (
            f"connect_timeout={CONNECT_SECONDS} tcp_user_timeout=30000 client_encoding=UTF8 "
            "application_name=bimodal-sandbox "
            f"options='-c statement_timeout={STATEMENT_SECONDS * 1000}"
            f" -c lock_timeout={LOCK_SECONDS * 1000}'"
        )
        con.execute(
            "CREATE TEMPORARY SECRET source_login "
            "(TYPE postgres, HOST ?, PORT ?, DATABASE ?, USER ?, PASSWORD ?)",
            [at.host, at.port, at.database, at.user, password],
        )
        con.execute(
            f"ATTACH {literal(settings)} AS {SOURCE} "
            "(TYPE postgres, SECRET source_login, READ_ONLY)"
        )

    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open a repeatable-read, read-only transaction, as DuckDB makes it; return its start."""
        con.execute("BEGIN")
        # Not before: a connection that goes back to its pool forgets its settings.
        _ask(con, _NOTICE_OUR_END)
        now = "SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint AS at"
        return _EPOCH + timedelta(microseconds=_ask(con, now)[0][0])

    def check_login(self, con: "DuckDBPyConnection") -> None:
        """Raise Denied if the role, or one that it could become, could write."""
        refuse_powers(f"{self._name} ({self.place()})", lambda query: _ask(con, query))

    def columns(self, con: "DuckDBPyConnection") -> LiveTypes:
        """Return the columns of tables, views and foreign tables, readable or not."""
        types = live_types(con, self.schema)
        found: LiveTypes = {}
        for table, column in _ask(con, _COLUMNS.format(schema=self._schema())):
            found.setdefault(table, {})[column] = types.get((table, column), "")
        return found

    def readable(self, con: "DuckDBPyConnection") -> set[tuple[str, str]] | None:
        """Return the columns on which the login has SELECT."""
        found = _ask(con, _READABLE.format(schema=self._schema()))
        return {(table, column) for table, column in found}

    def parts(self, con: "DuckDBPyConnection") -> set[str]:
        """Return the partitions."""
        return {table for (table,) in _ask(con, _PARTS.format(schema=self._schema()))}

    def spread(
        self, con: "DuckDBPyConnection", table: str, columns: Sequence[str], most: int
    ) -> str:
        """Return the SQL of whole pages drawn from all over a large table; "" for any other."""
        relation = literal(table)
        query = _PAGES.format(schema=self._schema(), table=relation)
        rows = next((int(count) for (count,) in _ask(con, query)), 0)
        if rows < 2 * most:
            return ""
        listed = ", ".join(map(quoted, columns)) or "1 AS none"
        drawn = (
            f"SELECT {listed} FROM {quoted(self.schema, table)} "  # noqa: S608 (by quoted)
            f"TABLESAMPLE SYSTEM ({120 * most / rows:.6f}) LIMIT {most}"
        )
        return f"postgres_query({literal(SOURCE)}, {literal(drawn)})"

    def rounded(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return the numeric columns: without a precision they arrive as DOUBLE."""
        return {(table, column) for table, column, _ in self._numerics(con)}

    def rows(self, con: "DuckDBPyConnection", table: str, condition: str) -> int:
        """Have the server count, in the same transaction.

        Raises InvalidInput for a `numeric` that is no finite number: it would arrive as 0.
        """
        rules = self._source.tables[table].columns
        tests = {
            column: (_NO_NUMBERS if many else _NO_NUMBER).format(quoted(column))
            for there, column, many in self._numerics(con)
            if there == table and column in rules and rules[column].mask.method not in _UNREAD
        }
        counts = [
            f"count(*) FILTER (WHERE {test}) AS n{n}" for n, test in enumerate(tests.values())
        ]
        plain = quoted(self.schema, table)
        asked = ", ".join(["count(*) AS rows", *counts])
        rows, *found = _ask(con, f"SELECT {asked} FROM {plain} WHERE {condition}")[0]  # noqa: S608
        strange = [column for column, count in zip(tests, found, strict=True) if count]
        if strange:
            raise InvalidInput(
                "Numbers of the source are NaN or infinite; they would arrive as 0. Columns: "
                + clean(", ".join(strange)),
                subject=clean(f"{self._name}: {table}"),
                hint="Give the source a view that makes them empty (nullif(x, 'NaN')) or double "
                "precision, and list the view; or drop these columns.",
            )
        return int(rows)

    def _numerics(self, con: "DuckDBPyConnection") -> list[tuple[Any, ...]]:
        return _ask(con, _NUMERICS.format(schema=self._schema()))

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return unique indexes and foreign keys within the schema."""
        schema = self._schema()
        names = _NAMES.format(columns="(indkey::int2[])[0:indnkeyatts - 1]", table="indrelid")
        unique = tuple(
            Key(table=table, columns=tuple(json.loads(columns)))
            for table, columns in _ask(con, _UNIQUE.format(schema=schema, names=names))
        )
        columns = _NAMES.format(columns="conkey", table="conrelid")
        keys = _NAMES.format(columns="confkey", table="confrelid")
        references = tuple(
            Reference(
                table=table,
                columns=tuple(json.loads(own)),
                key=Key(table=far, columns=tuple(json.loads(there))),
            )
            for table, own, far, there in _ask(
                con, _REFERENCES.format(schema=schema, columns=columns, keys=keys)
            )
        )
        return tuple(dict.fromkeys(unique)), references

    def check_unchanged(self) -> None:
        """Do nothing: the transaction sees one state, whatever happens meanwhile."""

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB or the server means."""
        return reading_error(self._name, self.place(), error)

    def _schema(self) -> str:
        return literal(quoted(self.schema))


def _ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    """Run one SELECT in the server's own SQL, inside the current transaction."""
    return con.execute("FROM postgres_query(?, ?)", [SOURCE, query]).fetchall()
