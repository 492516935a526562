"""A look at a live source for whoever drafts its file: detectors over some rows of each table.

The rows stay in the memory of the reading process; what leaves it are types and counts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sandbox.core.detecting import kind_of, suspicions
from sandbox.core.detectors import DETECTORS
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import InvalidInput
from sandbox.core.survey import ColumnSurvey, Survey, TableSurvey
from sandbox.core.text import clean, closest
from sandbox.drivers.sources.connection import SOURCE, quoted, row_count
from sandbox.drivers.sources.dialect import Dialect
from sandbox.drivers.sources.scan import readable, scanned

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Rows of a table that are looked at, and the characters of each text: together they bound memory.
MOST_ROWS = 20_000
_LONGEST = 2000
_AT_ONCE = 8
_HIDDEN = "the login may not read it"
_WIDE = "its values are too wide to be looked at"


def surveyed(
    con: "DuckDBPyConnection",
    dialect: Dialect,
    wanted: Sequence[str],
    say: Callable[[str, int, int], None],
) -> Survey:
    """Return what the tables of an attached source look like, of those `wanted` if any.

    Expects an open transaction. Raises InvalidInput for a table that is not there.
    """
    # Each thread would need as much memory again.
    con.execute("SET threads = 1")
    live = dialect.columns(con)
    _refuse_unknown(wanted, live)
    parts = dialect.parts(con)
    whole = {name: columns for name, columns in live.items() if name not in parts}
    tables = _readable(dialect.readable(con), live if wanted else whole, wanted)
    found = []
    for number, (table, columns) in enumerate(tables.items()):
        say(f"Looking at {clean(table)}", number, len(tables))
        found.append(_table(con, dialect, table, live[table], columns))
    say(f"Looked at {len(tables)} table{'' if len(tables) == 1 else 's'}", len(tables), len(tables))
    unique, references = dialect.relations(con)
    return Survey(tables=tuple(found), unique=unique, references=references)


def _refuse_unknown(wanted: Sequence[str], live: LiveTypes) -> None:
    for name in wanted:
        if name not in live:
            raise InvalidInput(
                "There is no such table in the source." + closest(name, live),
                subject=clean(name),
                hint=f"There are: {clean(', '.join(live)) or 'none'}",
            )


def _readable(
    may: set[tuple[str, str]] | None, live: LiveTypes, wanted: Sequence[str]
) -> LiveTypes:
    """Return the columns that the login may read; a table of which it may read none is left out."""
    seen = {
        table: {c: type_ for c, type_ in columns.items() if may is None or (table, c) in may}
        for table, columns in live.items()
        if not wanted or table in wanted
    }
    return {table: columns for table, columns in seen.items() if columns or table in wanted}


def _table(
    con: "DuckDBPyConnection",
    dialect: Dialect,
    table: str,
    listed: Mapping[str, str],
    columns: Mapping[str, str],
) -> TableSurvey:
    """Return one table, looked at few columns at a time, so that it fits into memory."""
    names, rows = list(columns), 0
    seen: dict[str, ColumnSurvey] = {}
    for start in range(0, len(names), _AT_ONCE):
        some = {name: columns[name] for name in names[start : start + _AT_ONCE]}
        found, rows = _looked(con, dialect, table, some)
        seen |= {column.name: column for column in found}
    return TableSurvey(
        name=table,
        rows=rows,
        columns=tuple(seen.get(n) or _unseen(n, type_, _HIDDEN) for n, type_ in listed.items()),
    )


def _looked(
    con: "DuckDBPyConnection", dialect: Dialect, table: str, columns: Mapping[str, str]
) -> tuple[list[ColumnSurvey], int]:
    """Return some columns and the rows looked at; where memory gives out, one column at a time."""
    import duckdb

    try:
        shown = _taken(con, dialect, table, columns)
    except duckdb.OutOfMemoryException:
        # What failed has ended the transaction.
        con.execute("ROLLBACK")
        dialect.begin(con)
        if len(columns) == 1:
            return [_unseen(name, type_, _WIDE) for name, type_ in columns.items()], 0
        alone = [_looked(con, dialect, table, {n: type_}) for n, type_ in columns.items()]
        return [column for found, _ in alone for column in found], max(r for _, r in alone)
    found = [
        _column(con, number, name, columns[name], type_)
        for number, (name, type_) in enumerate(shown.items())
    ]
    return found, row_count(con, "looked_at")


def _taken(
    con: "DuckDBPyConnection", dialect: Dialect, table: str, columns: Mapping[str, str]
) -> dict[str, str]:
    """Take some rows of some columns into the table `looked_at`; return the types they have there.

    The n-th column's values as detectors read them are `cN`, digests of what they are `hN`.
    """
    shown = {name: _shown(name, type_) for name, type_ in columns.items()}
    cells = [
        f"{sql} AS c{number}, CASE WHEN {quoted(name)} IS NOT NULL THEN hash({quoted(name)}) END "
        f"AS h{number}"
        for number, (name, (sql, _)) in enumerate(shown.items())
    ]
    rows = dialect.spread(con, table, list(columns), MOST_ROWS) or (
        f"{quoted(SOURCE, dialect.schema, table)} LIMIT {MOST_ROWS}"
    )
    con.execute(
        f"CREATE OR REPLACE TEMPORARY TABLE looked_at AS SELECT {', '.join(cells)} FROM {rows}"  # noqa: S608
    )
    return {name: type_ for name, (_, type_) in shown.items()}


def _unseen(name: str, type_: str, why: str) -> ColumnSurvey:
    return ColumnSurvey(name=name, type=type_, values=0, different=0, unseen=why)


def _shown(name: str, type_: str) -> tuple[str, str]:
    """Return the SQL of a column as detectors read it, texts cut, and the type it then has."""
    value, shown = readable(quoted(name), type_)
    if kind_of(shown) != "text":
        return value, shown
    return f"left(CAST({value} AS VARCHAR), {_LONGEST})", "VARCHAR"


def _column(
    con: "DuckDBPyConnection", number: int, name: str, type_: str, shown: str
) -> ColumnSurvey:
    cell = f"SELECT c{number} AS {quoted(name)} FROM looked_at"  # noqa: S608
    con.execute(f"CREATE OR REPLACE TEMPORARY VIEW place AS {cell}")
    seen, counts = scanned(con, "place", {name: shown}).get(name, (0, {}))
    there = con.execute(f"SELECT count(h{number}), count(DISTINCT h{number}) FROM looked_at")  # noqa: S608
    values, different = there.fetchone() or (0, 0)
    return ColumnSurvey(
        name=name,
        type=type_,
        values=values,
        different=different,
        suspicions=suspicions(DETECTORS, name, seen, counts),
    )
