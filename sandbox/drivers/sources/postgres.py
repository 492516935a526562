"""PostgreSQL 12 and later, as a source."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.core.connection import Postgres
from sandbox.core.errors import InvalidInput
from sandbox.core.relations import Key, Reference
from sandbox.core.source import BLANK, Source
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import LOGIN, SOURCE, keep_login, literal, load, quoted
from sandbox.drivers.sources.dialect import Dialect
from sandbox.drivers.sources.failures import (
    CONNECT_SECONDS,
    LOCK_SECONDS,
    STATEMENT_SECONDS,
    login_error,
)
from sandbox.drivers.sources.login import POWERS, Power, refuse_writers

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
  AND has_schema_privilege(relnamespace, 'USAGE')
  AND has_column_privilege(pg_class.oid, attnum, 'SELECT')
"""
_IN_PART = """
SELECT relname::text AS relation FROM pg_class
WHERE relnamespace = to_regnamespace({schema})::oid AND relkind IN ('r', 'p', 'm', 'f')
  AND NOT has_table_privilege(oid, 'SELECT')
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


class PostgresDialect(Dialect):
    """Reads PostgreSQL in one repeatable-read, read-only transaction."""

    def __init__(self, source: Source, at: Postgres) -> None:
        super().__init__(source, at.db_schema)
        self._at = at

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
        settings = (
            f"connect_timeout={CONNECT_SECONDS} tcp_user_timeout=30000 client_encoding=UTF8 "
            "application_name=bimodal-sandbox "
            f"options='-c statement_timeout={STATEMENT_SECONDS * 1000}"
            f" -c lock_timeout={LOCK_SECONDS * 1000}'"
        )
        keep_login(con, "postgres", self._at, password)
        con.execute(
            f"ATTACH {literal(settings)} AS {SOURCE} (TYPE postgres, SECRET {LOGIN}, READ_ONLY)"
        )

    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open a repeatable-read, read-only transaction, as DuckDB makes it; return its start."""
        con.execute("BEGIN")
        # Not before: a connection that goes back to its pool forgets its settings.
        _ask(con, _NOTICE_OUR_END)
        in_part = {table for (table,) in self._told(con, _IN_PART)}
        if in_part.intersection(self._source.tables or in_part):
            # Rows are asked for by their place (ctid), and a right on columns does not give it.
            con.execute("SET pg_use_ctid_scan = false")
        now = "SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint AS at"
        return _EPOCH + timedelta(microseconds=_ask(con, now)[0][0])

    def check_login(self, con: "DuckDBPyConnection") -> None:
        """Raise Denied if the role, or one that it could become, could write."""
        refuse_writers(self._subject, [Power(could, undo) for could, undo in _ask(con, POWERS)])

    def _listed(self, con: "DuckDBPyConnection") -> Iterable[tuple[str, str]]:
        """Return the columns of tables, views and foreign tables, readable or not."""
        return [(table, column) for table, column in self._told(con, _COLUMNS)]

    def readable(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return the columns on which the login has SELECT."""
        return {(table, column) for table, column in self._told(con, _READABLE)}

    def parts(self, con: "DuckDBPyConnection") -> set[str]:
        """Return the partitions."""
        return {table for (table,) in self._told(con, _PARTS)}

    def spread(
        self, con: "DuckDBPyConnection", table: str, columns: Sequence[str], most: int
    ) -> str:
        """Return the SQL of whole pages drawn from all over a large table; "" for any other."""
        counts = self._told(con, _PAGES, table=literal(table))
        rows = next((int(count) for (count,) in counts), 0)
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
        return {(table, column) for table, column, _ in self._told(con, _NUMERICS)}

    def rows(self, con: "DuckDBPyConnection", table: str, condition: str) -> int:
        """Have the server count, in the same transaction.

        Raises InvalidInput for a `numeric` that is no finite number: it would arrive as 0.
        """
        rules = self._source.tables[table].columns
        tests = {
            column: (_NO_NUMBERS if many else _NO_NUMBER).format(quoted(column))
            for there, column, many in self._told(con, _NUMERICS)
            if there == table and column in rules and rules[column].mask.method not in BLANK
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

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return unique indexes and foreign keys within the schema."""
        names = _NAMES.format(columns="(indkey::int2[])[0:indnkeyatts - 1]", table="indrelid")
        unique = tuple(
            Key(table=table, columns=tuple(json.loads(columns)))
            for table, columns in self._told(con, _UNIQUE, names=names)
        )
        columns = _NAMES.format(columns="conkey", table="conrelid")
        keys = _NAMES.format(columns="confkey", table="confrelid")
        references = tuple(
            Reference(
                table=table,
                columns=tuple(json.loads(own)),
                key=Key(table=far, columns=tuple(json.loads(there))),
            )
            for table, own, far, there in self._told(con, _REFERENCES, columns=columns, keys=keys)
        )
        return tuple(dict.fromkeys(unique)), references

    def _told(self, con: "DuckDBPyConnection", query: str, **parts: str) -> list[tuple[Any, ...]]:
        """Ask the server's catalogue about the schema; `parts` are the query's others, as SQL."""
        return _ask(con, query.format(schema=literal(quoted(self.schema)), **parts))


def _ask(con: "DuckDBPyConnection", query: str) -> list[tuple[Any, ...]]:
    """Run one SELECT in the server's own SQL, inside the current transaction."""
    return con.execute("FROM postgres_query(?, ?)", [SOURCE, query]).fetchall()
