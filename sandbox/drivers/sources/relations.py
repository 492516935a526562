"""Keys and references, checked in a snapshot's file."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sandbox.core.gate import REFERENCE, UNIQUE
from sandbox.core.leaks import Leak
from sandbox.core.relations import Key, Reference, Relations
from sandbox.drivers.sources.connection import GATED, quoted, row_count

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Rows whose keys fit into memory at once; more are read in as many passes.
_AT_ONCE = 500_000


def broken(con: "DuckDBPyConnection", wanted: Relations) -> Iterator[Leak]:
    """Yield a leak for each key or reference that does not hold in the file GATED."""
    for key in wanted.unique:
        count = _repeated(con, key)
        if count:
            yield _leak(key.table, key.columns, UNIQUE, count, "unique in the source, not here")
    for reference in wanted.references:
        count = _orphans(con, reference)
        if count:
            because = f"not in {reference.key}; the masks of both must be alike"
            yield _leak(reference.table, reference.columns, REFERENCE, count, because)


def _leak(table: str, columns: tuple[str, ...], detector: str, count: int, because: str) -> Leak:
    name = columns[0] if len(columns) == 1 else f"({', '.join(columns)})"
    return Leak(table=table, column=name, detector=detector, count=count, because=because)


def _repeated(con: "DuckDBPyConnection", key: Key) -> int:
    rows = _rows(key.table, key.columns)
    return sum(
        row_count(con, f"(SELECT 1 FROM {rows} WHERE {part} GROUP BY key HAVING count(*) > 1)")  # noqa: S608
        for part in parts(con, rows)
    )


def _orphans(con: "DuckDBPyConnection", reference: Reference) -> int:
    rows = _rows(reference.table, reference.columns)
    keys = _rows(reference.key.table, reference.key.columns)
    return sum(
        row_count(
            con,
            f"(SELECT key FROM {rows} WHERE {part} AND key NOT IN "  # noqa: S608
            f"(SELECT key FROM {keys} WHERE {part}))",
        )
        for part in parts(con, keys)
    )


def _rows(table: str, columns: tuple[str, ...]) -> str:
    """Return the SQL of a table's keys, each as one text; one with an empty part is none."""
    parts = [f"CAST({quoted(column)} AS VARCHAR)" for column in columns]
    key = parts[0] if len(parts) == 1 else f"CAST([{', '.join(parts)}] AS VARCHAR)"
    there = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
    where = quoted(GATED, "main", table)
    return f"(SELECT {key} AS key FROM {where} WHERE {there})"  # noqa: S608


def parts(con: "DuckDBPyConnection", rows: str) -> Iterator[str]:
    """Return conditions on `key` that take rows (SQL) apart, so that each part fits into memory."""
    number = row_count(con, rows) // _AT_ONCE + 1
    return (f"hash(key) % {number} = {part}" for part in range(number))
