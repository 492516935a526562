"""A few values of a judged snapshot, for people who ask what a column looks like.

Only what the gate has passed, as it stands there; never of free text that is preserved.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sandbox.core.snapshot import TableCopy
from sandbox.core.source import BLANK, Mask, Table
from sandbox.core.text import clean, shortened
from sandbox.drivers.sources.connection import GATED, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MOST, _LONGEST = 3, 40
# Enough to tell what is common; what is common tells least of one person.
_ROWS = 2000


def with_examples(
    con: "DuckDBPyConnection", tables: Iterable[TableCopy], rules: Mapping[str, Table]
) -> tuple[TableCopy, ...]:
    """Return the tables with the commonest values of their columns; expects the file as GATED."""
    return tuple(_filled(con, table, rules[table.name]) for table in tables)


def _filled(con: "DuckDBPyConnection", table: TableCopy, rules: Table) -> TableCopy:
    columns = tuple(
        column.model_copy(update={"examples": _values(con, table.name, column.name)})
        if _shown(rules.columns[column.name].mask)
        else column
        for column in table.columns
    )
    return table.model_copy(update={"columns": columns})


def _values(con: "DuckDBPyConnection", table: str, column: str) -> tuple[str, ...]:
    value = quoted(column)
    rows = f"(SELECT {value} FROM {quoted(GATED, 'main', table)} LIMIT {_ROWS})"  # noqa: S608
    found = con.execute(
        f"SELECT CAST({value} AS VARCHAR) AS value FROM {rows} WHERE {value} IS NOT NULL "  # noqa: S608
        f"GROUP BY ALL ORDER BY count(*) DESC, value LIMIT {_MOST}"
    ).fetchall()
    return tuple(shortened(clean(value), _LONGEST) for (value,) in found)


def _shown(mask: Mask) -> bool:
    methods = {mask.method, *(part.mask.method for part in mask.paths)}
    return mask.method not in BLANK and "preserve" not in methods
