"""k, counted on what stands in a snapshot's file: the groups of rows that agree in some columns."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sandbox.core.anonymity import FEW, Anonymity, quasi_columns
from sandbox.core.gate import TOO_FEW
from sandbox.core.leaks import Leak
from sandbox.core.source import Table
from sandbox.drivers.sources.connection import GATED, quoted
from sandbox.drivers.sources.relations import parts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def counted(con: "DuckDBPyConnection", tables: Mapping[str, Table]) -> tuple[Anonymity, ...]:
    """Return k of each table that has quasi-identifiers, in the file GATED."""
    return tuple(
        _counted(con, name, table) for name, table in tables.items() if quasi_columns(table)
    )


def too_small(found: tuple[Anonymity, ...], tables: Mapping[str, Table]) -> Iterator[Leak]:
    """Yield a leak for each table whose smallest group is smaller than its source file wants."""
    for each in found:
        wanted = tables[each.table].k
        if wanted and each.groups and each.k < wanted:
            columns = f"({', '.join(each.columns)})"
            because = f"the smallest group has {each.k}, not {wanted}"
            yield Leak(table=each.table, column=columns, detector=TOO_FEW, count=1, because=because)


def people_in(table: Table) -> str:
    """Return the SQL that counts a group: each `person`, or its rows where nothing tells people."""
    return "count(DISTINCT person)" if table.subject else "count(*)"


def _counted(con: "DuckDBPyConnection", name: str, table: Table) -> Anonymity:
    columns = quasi_columns(table)
    there = quoted(GATED, "main", name)
    # One text for all, in which an empty value differs from every other.
    texts = ", ".join(f"CAST({quoted(column)} AS VARCHAR)" for column in columns)
    person = quoted(table.subject) if table.subject else "true"
    people = people_in(table)
    rows = f"(SELECT CAST(to_json([{texts}]) AS VARCHAR) AS key, {person} AS person FROM {there})"  # noqa: S608
    smallest, groups, few = [], 0, 0
    for part in parts(con, rows):
        least, number, exposed = con.execute(
            f"SELECT min(people), count(*), coalesce(sum(n) FILTER (people < {FEW}), 0) FROM "  # noqa: S608
            f"(SELECT {people} AS people, count(*) AS n FROM {rows} WHERE {part} GROUP BY key)"
        ).fetchall()[0]
        smallest += [int(least)] if number else []
        groups, few = groups + int(number), few + int(exposed)
    return Anonymity(
        table=name,
        columns=columns,
        subject=table.subject,
        k=min(smallest, default=0),
        groups=groups,
        few=few,
    )
