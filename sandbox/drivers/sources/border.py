"""Files that cross a sandbox's border, looked at and masked in memory; no byte reaches a disk."""

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.core.asks import Sighted
from sandbox.core.crossing import (
    Masked,
    Seen,
    counts_people,
    groups_by,
    named_column,
    singles_out,
)
from sandbox.core.detecting import sure_of, suspicions
from sandbox.core.detectors import BY_ID, DETECTORS
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.source import Column
from sandbox.core.text import clean, spreadsheet_safe
from sandbox.drivers.sources.connection import in_memory, literal, quoted, row_count, types_of
from sandbox.drivers.sources.masks import expression, set_key
from sandbox.drivers.sources.parsing import (
    LONGEST_ROW,
    PARQUET,
    Cell,
    Grid,
    Parsed,
    as_csv,
    different,
    parsed,
    write_csv,
)
from sandbox.drivers.sources.scan import readable, scanned

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NAMES = "(names of columns)"
_TABLE, _SHOWN = "crossing", "shown"
_UNKNOWN = Seen(format="unknown", tabular=False, rows=0, columns=(), smallest_group=0, found=())
# What holds longer cells (in characters) is a document, not a table: rows say nothing of it.
_LONGEST_CELL = 2000
# As many as a table of PostgreSQL holds; each takes a tenth of a second to look at.
_MOST_COLUMNS = 1600
_PLAIN_TYPE = re.compile(r"[A-Z][A-Z ]*(\(\d+(, ?\d+)?\))?")
_TEXTS = ("", "VARCHAR", "ENUM", "JSON")


def crossed(order: dict[str, Any]) -> str:
    """Do one order, and return what came of it as JSON.

    {"look", "content", "forms", "leaving"} or {"mask", "content", "rule", "type", "key"}. Raises
    Unavailable without a word of the file if anything goes wrong.
    """
    content = base64.b64decode(order["content"])
    try:
        if "look" in order:
            leaving = bool(order["leaving"])
            seen = looked(order["look"], content, order["forms"], leaving=leaving)
            return seen.model_dump_json()
        rule, key = Column.model_validate(order["rule"]), bytes.fromhex(order["key"])
        return masked(content, order["mask"], rule, order["type"], key).model_dump_json()
    except SandboxError:
        raise
    except Exception as error:  # its text may hold values
        raise Unavailable(
            "The file could not be read to its end.",
            subject=clean(order.get("look") or order["mask"]),
            hint="Take fewer rows or columns, and try again.",
            details={"cause": type(error).__name__},
        ) from None


def looked(name: str, content: bytes, forms: Sequence[str], *, leaving: bool = False) -> Seen:
    """Return what a file is, and what the detectors see in it (`FileReader.look`)."""
    import duckdb

    found = None if content.startswith(PARQUET) else parsed(name, content)
    try:
        seen = _looked(in_memory(), found, forms) if found else _parquet(content, forms)
    except duckdb.Error:
        # A Parquet file that is none, or a row that is too long: nobody can say what it holds.
        return _UNKNOWN
    return seen.model_copy(update={"leaves": _leaves(found, content)}) if leaving else seen


def _leaves(found: Parsed | None, content: bytes) -> bytes:
    """Return a file as it may leave: made anew from what was read; None is read as Parquet."""
    if found is None:
        with _in_memory(content) as path:
            return _rewritten(in_memory(), path)
    if found.format != "csv" or found.grid is None:
        return content
    rows = chain([found.grid.columns], found.grid.rows)
    return as_csv([_safe(cell) for cell in row] for row in rows)


def _looked(con: "DuckDBPyConnection", found: Parsed, forms: Sequence[str]) -> Seen:
    if found.grid is not None:
        if len(found.grid.columns) > _MOST_COLUMNS:
            return _UNKNOWN
        _load(con, found.grid)
        return Seen(format=found.format, **_of_table(con, found.grid.columns, forms))
    sighted: list[Sighted] = []
    for place, texts in found.texts.items():
        _load(con, Grid((place,), [(text,) for text in texts]))
        sighted += _sighted(con, _kinds(con, (place,)), forms)
    return Seen(
        format=found.format,
        tabular=False,
        rows=sum(map(len, found.texts.values())),
        columns=(),
        smallest_group=0,
        found=tuple(sighted),
    )


def masked(content: bytes, column: str, rule: Column, type_: str, key: bytes) -> Masked:
    """Return a CSV file with one column masked (`FileReader.mask`)."""
    grid = parsed("matched.csv", content).grid
    if grid is None:
        raise InvalidInput(
            "This is no CSV file with a name for each column and as many cells in every line.",
            subject=clean(column),
            hint="Save it as CSV UTF-8, then import it again.",
        )
    named_column(column, grid.columns, column)
    con = in_memory()
    _load(con, grid)
    _retype(con, column, type_)
    set_key(con, key)
    made = expression("the file", column, {column: type_ or "VARCHAR"}, {column: rule})
    others = ", ".join(made if c == column else quoted(c) for c in grid.columns)
    at = grid.columns.index(column)
    # In the file's own order it would be told which token is whose.
    order = f"ORDER BY {at + 1} NULLS LAST"
    rows = con.execute(f"SELECT {others} FROM {_TABLE} {order}").fetchall()  # noqa: S608
    return Masked(
        content=as_csv(chain([grid.columns], rows)),
        rows=len(rows),
        identities=len({row[at] for row in rows if row[at] is not None}),
    )


def _retype(con: "DuckDBPyConnection", column: str, type_: str) -> None:
    """Give a column the type that it has in its source, so that equal values are equal texts."""
    name = quoted(column)
    con.execute(f"UPDATE {_TABLE} SET {name} = nullif(trim({name}), '')")  # noqa: S608
    if type_ in _TEXTS:
        return
    if not _PLAIN_TYPE.fullmatch(type_):
        raise InvalidInput(
            f"Identities of type {clean(type_)} cannot be matched.",
            subject=clean(column),
            hint="Match a column of texts or whole numbers.",
        )
    wrong = row_count(
        con, f"{_TABLE} WHERE {name} IS NOT NULL AND TRY_CAST({name} AS {type_}) IS NULL"
    )
    if wrong:
        raise InvalidInput(
            f"{wrong:,} values are not {type_}, as those of the core are.",
            subject=clean(column),
            hint="Correct the file, or name another column.",
        )
    con.execute(f"ALTER TABLE {_TABLE} ALTER {name} TYPE {type_}")


def _parquet(content: bytes, forms: Sequence[str]) -> Seen:
    con = in_memory()
    with _in_memory(content) as path:
        # Bytes are read as texts; those that are none make the file one that nobody can read.
        file = f"read_parquet({literal(path)}, binary_as_string = true)"
        types = types_of(con, f"FROM {file}")
        if len(types) > _MOST_COLUMNS or any("BLOB" in type_ for type_ in types.values()):
            return _UNKNOWN
        names = list(types)
        columns = different(names)
        texts = ", ".join(
            f"CAST({quoted(old)} AS VARCHAR) AS {quoted(new)}"
            for old, new in zip(names, columns, strict=True)
        )
        con.execute(f"CREATE TABLE {_TABLE} AS SELECT {texts} FROM {file}")  # noqa: S608
    return Seen(format="parquet", **_of_table(con, columns, forms))


def _rewritten(con: "DuckDBPyConnection", file: str) -> bytes:
    """Return a Parquet file anew: notes of whoever wrote the first one stay behind."""
    with _in_memory() as path:
        to = f"{literal(path)} (FORMAT parquet, USE_TMP_FILE false)"
        con.execute(f"COPY (FROM read_parquet({literal(file)})) TO {to}")
        return Path(path).read_bytes()


def _load(con: "DuckDBPyConnection", grid: Grid) -> None:
    """Make a table of texts of a grid. By CSV: DuckDB takes no rows of Python's nearly as fast."""
    names = [f"c{number}" for number in range(len(grid.columns))]
    types = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    renamed = ", ".join(
        f"{name} AS {quoted(column)}" for name, column in zip(names, grid.columns, strict=True)
    )
    with _in_memory() as path:
        with Path(path).open("wb") as file:
            write_csv(chain([names], grid.rows), file)
        con.execute(
            f"CREATE OR REPLACE TABLE {_TABLE} AS SELECT {renamed} FROM read_csv("  # noqa: S608
            f"{literal(path)}, columns = {{{types}}}, header = true, auto_detect = false, "
            f"delim = ',', quote = '\"', escape = '\"', max_line_size = {LONGEST_ROW}, "
            f"buffer_size = {LONGEST_ROW}, parallel = false)"
        )


@contextmanager
def _in_memory(content: bytes = b"") -> Iterator[str]:
    """Give the path of a file that is in this process's memory only."""
    descriptor = os.memfd_create("crossing")
    try:
        path = f"/proc/self/fd/{descriptor}"
        Path(path).write_bytes(content)
        yield path
    finally:
        os.close(descriptor)


def _safe(cell: Cell) -> str:
    return spreadsheet_safe(clean(cell or "", keep_newlines=True))


def _of_table(
    con: "DuckDBPyConnection", columns: tuple[str, ...], forms: Sequence[str]
) -> dict[str, object]:
    kinds = _kinds(con, columns)
    return {
        "tabular": _longest(con, columns) <= _LONGEST_CELL,
        "rows": row_count(con, _TABLE),
        "columns": columns,
        "smallest_group": _smallest_group(con, kinds, forms),
        "found": (*_sighted(con, kinds, forms), *_in_names(columns)),
    }


def _longest(con: "DuckDBPyConnection", columns: Sequence[str]) -> int:
    lengths = ", ".join(f"max(length({quoted(c)}))" for c in columns)
    found = con.execute(f"SELECT greatest({lengths}) FROM {_TABLE}").fetchone()  # noqa: S608
    return int(found[0] or 0) if found else 0


def _kinds(con: "DuckDBPyConnection", columns: Sequence[str]) -> dict[str, str]:
    """Return the type that all values of each column fit: whole number, number, day or text."""
    tests = [
        f"count(*) FILTER ({quoted(c)} IS NOT NULL AND {test})"
        for c in columns
        for test in ("true", *_fits(quoted(c)).values())
    ]
    counts = con.execute(f"SELECT {', '.join(tests)} FROM {_TABLE}").fetchone()  # noqa: S608
    assert counts is not None
    size = 1 + len(_fits(""))
    return {
        column: _kind(counts[number * size : (number + 1) * size])
        for number, column in enumerate(columns)
    }


def _fits(column: str) -> dict[str, str]:
    whole = f"TRY_CAST({column} AS BIGINT)"
    return {
        # A number that begins with a zero is the number of something, not so many of it.
        "BIGINT": f"CAST({whole} AS VARCHAR) = {column}",
        "DOUBLE": f"TRY_CAST({column} AS DOUBLE) IS NOT NULL AND NOT regexp_matches({column}, "
        "'^0[0-9]')",
        "DATE": f"TRY_CAST({column} AS TIMESTAMP) IS NOT NULL",
    }


def _kind(counts: Sequence[int]) -> str:
    values, *fitting = counts
    found = (kind for kind, n in zip(_fits(""), fitting, strict=True) if values and n == values)
    return next(found, "VARCHAR")


def _sighted(
    con: "DuckDBPyConnection", kinds: Mapping[str, str], forms: Sequence[str]
) -> list[Sighted]:
    """Return what the detectors see in the table, but for values that are keyed tokens."""
    shown = {column: _shown(column, kind, forms) for column, kind in kinds.items()}
    cells = ", ".join(f"{sql} AS {quoted(column)}" for column, (sql, _) in shown.items())
    con.execute(f"CREATE OR REPLACE TEMPORARY VIEW {_SHOWN} AS SELECT {cells} FROM {_TABLE}")  # noqa: S608
    types = {column: type_ for column, (_, type_) in shown.items()}
    return [
        _sight(column, s.detector, s.count)
        for column, (values, found) in scanned(con, _SHOWN, types).items()
        for s in suspicions(DETECTORS, column, values, found)
    ]


def _sight(column: str, detector: str, count: int) -> Sighted:
    found = BY_ID[detector].data_class
    return Sighted(column=column, detector=detector, data_class=found, count=count)


def _shown(column: str, kind: str, forms: Sequence[str]) -> tuple[str, str]:
    """Return the SQL of a column as the detectors read it, and the type that it then has."""
    value = quoted(column)
    if kind in ("BIGINT", "DOUBLE"):
        return readable(f"TRY_CAST({value} AS {kind})", kind)
    return f"CASE WHEN NOT ({_token(value, forms)}) THEN {value} END" if forms else value, kind


def _token(value: str, forms: Sequence[str]) -> str:
    return f"regexp_full_match({value}, {literal('|'.join(f'(?:{form})' for form in forms))})"


def _in_names(columns: Sequence[str]) -> Iterator[Sighted]:
    for name, count in sure_of(DETECTORS, columns).items():
        yield _sight(_NAMES, name, count)


def _smallest_group(
    con: "DuckDBPyConnection", kinds: Mapping[str, str], forms: Sequence[str]
) -> int:
    """Return how many people the rarest row tells of, as far as the table says so itself."""
    if not row_count(con, _TABLE):
        return 0
    counting = [c for c, kind in kinds.items() if kind == "BIGINT" and counts_people(c)]
    if counting and not _tells_of_one(con, kinds, forms):
        counts = (f"CAST({quoted(c)} AS BIGINT)" for c in counting)
        least = ", ".join(f"min({count}) FILTER ({count} > 0)" for count in counts)
        found = con.execute(f"SELECT least({least}) FROM {_TABLE}").fetchone()  # noqa: S608
        return int(found[0] or 0) if found else 0
    numbers = ("BIGINT", "DOUBLE")
    by = [quoted(c) for c, kind in kinds.items() if groups_by(c, numeric=kind in numbers)]
    if not by:
        return 1
    groups = f"SELECT count(*) AS n FROM {_TABLE} GROUP BY {', '.join(by)}"  # noqa: S608
    found = con.execute(f"SELECT min(n) FROM ({groups})").fetchone()  # noqa: S608
    return int(found[0]) if found else 0


def _tells_of_one(
    con: "DuckDBPyConnection", kinds: Mapping[str, str], forms: Sequence[str]
) -> bool:
    """Say whether rows have a person's key or a keyed token: then each tells of one person."""
    if any(map(singles_out, kinds)):
        return True
    tokens = [_token(quoted(c), forms) for c, kind in kinds.items() if forms and kind == "VARCHAR"]
    return bool(tokens) and row_count(con, f"{_TABLE} WHERE {' OR '.join(tokens)}") > 0
