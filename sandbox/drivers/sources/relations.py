"""Keys and references: read from PostgreSQL's catalogue, checked in a snapshot's file."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sandbox.core.gate import REFERENCE, UNIQUE
from sandbox.core.leaks import Leak
from sandbox.core.relations import Key, Reference, Relations, relations
from sandbox.core.source import Source
from sandbox.drivers.sources.connection import ask, literal, quoted, row_count

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Rows whose keys fit into memory at once; more are read in as many passes.
_AT_ONCE = 500_000
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


def live_relations(con: "DuckDBPyConnection", source: Source) -> Relations:
    """Return what the attached source's keys and references ask of its snapshot."""
    schema = literal(quoted(source.connection.db_schema))
    names = _NAMES.format(columns="(indkey::int2[])[0:indnkeyatts - 1]", table="indrelid")
    unique = tuple(
        Key(table=table, columns=tuple(json.loads(columns)))
        for table, columns in ask(con, _UNIQUE.format(schema=schema, names=names))
    )
    columns = _NAMES.format(columns="conkey", table="conrelid")
    keys = _NAMES.format(columns="confkey", table="confrelid")
    references = tuple(
        Reference(
            table=table,
            columns=tuple(json.loads(own)),
            key=Key(table=far, columns=tuple(json.loads(there))),
        )
        for table, own, far, there in ask(
            con, _REFERENCES.format(schema=schema, columns=columns, keys=keys)
        )
    )
    return relations(source, tuple(dict.fromkeys(unique)), references)


def broken(con: "DuckDBPyConnection", database: str, wanted: Relations) -> Iterator[Leak]:
    """Yield a leak for each key or reference that does not hold in an attached file."""
    for key in wanted.unique:
        count = _repeated(con, database, key)
        if count:
            yield _leak(key.table, key.columns, UNIQUE, count, "unique in the source, not here")
    for reference in wanted.references:
        count = _orphans(con, database, reference)
        if count:
            because = f"not in {reference.key}; the masks of both must be alike"
            yield _leak(reference.table, reference.columns, REFERENCE, count, because)


def _leak(table: str, columns: tuple[str, ...], detector: str, count: int, because: str) -> Leak:
    name = columns[0] if len(columns) == 1 else f"({', '.join(columns)})"
    return Leak(table=table, column=name, detector=detector, count=count, because=because)


def _repeated(con: "DuckDBPyConnection", database: str, key: Key) -> int:
    rows = _rows(database, key.table, key.columns)
    return sum(
        row_count(con, f"(SELECT 1 FROM {rows} WHERE {part} GROUP BY key HAVING count(*) > 1)")  # noqa: S608
        for part in _parts(con, rows)
    )


def _orphans(con: "DuckDBPyConnection", database: str, reference: Reference) -> int:
    rows = _rows(database, reference.table, reference.columns)
    keys = _rows(database, reference.key.table, reference.key.columns)
    return sum(
        row_count(
            con,
            f"(SELECT key FROM {rows} WHERE {part} AND key NOT IN "  # noqa: S608
            f"(SELECT key FROM {keys} WHERE {part}))",
        )
        for part in _parts(con, keys)
    )


def _rows(database: str, table: str, columns: tuple[str, ...]) -> str:
    """Return the SQL of a table's keys, each as one text; one with an empty part is none."""
    parts = [f"CAST({quoted(column)} AS VARCHAR)" for column in columns]
    key = parts[0] if len(parts) == 1 else f"CAST([{', '.join(parts)}] AS VARCHAR)"
    there = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
    where = quoted(database, "main", table)
    return f"(SELECT {key} AS key FROM {where} WHERE {there})"  # noqa: S608


def _parts(con: "DuckDBPyConnection", rows: str) -> Iterator[str]:
    number = row_count(con, rows) // _AT_ONCE + 1
    return (f"hash(key) % {number} = {part}" for part in range(number))
