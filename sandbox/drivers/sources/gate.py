"""The leak gate over a snapshot's file: its decoded values, its catalogue, its raw bytes."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.detecting import folded, sure_of
from sandbox.core.detectors import DETECTORS
from sandbox.core.forms import chance, form, most_equal
from sandbox.core.gate import (
    CANARY,
    EQUAL,
    FORM,
    REAL,
    VERSIONS,
    sorted_out,
    suspected,
    tolerated,
    unchanged,
)
from sandbox.core.leaks import GateReport, Leak
from sandbox.core.places import Place, places
from sandbox.core.relations import Relations
from sandbox.core.source import Table
from sandbox.drivers.sources.anonymity import counted, too_small
from sandbox.drivers.sources.connection import GATED, literal, quoted, row_count, types_of
from sandbox.drivers.sources.masks import listed_only
from sandbox.drivers.sources.proof import Equals, at_path, many
from sandbox.drivers.sources.real import sought, telling
from sandbox.drivers.sources.relations import broken
from sandbox.drivers.sources.scan import FEW, different_values, plainer, readable, scanned

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# One pattern of this many values is read in one pass of RE2 within its memory.
_CHUNK = 100
# Values looked for in the raw bytes, and the bytes that may be read for them.
_RAW_VALUES, _RAW_BYTES = 40, 4 * 2**30
_BLOCK = 4 << 20
_CATALOGUE = """
SELECT table_name AS relation, '' AS attribute, 'comment' AS part, comment AS said
FROM duckdb_tables() WHERE database_name = $1
UNION ALL SELECT table_name, column_name, 'comment', comment
FROM duckdb_columns() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT table_name, column_name, 'type', data_type
FROM duckdb_columns() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT table_name, column_name, 'default', column_default
FROM duckdb_columns() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT table_name, column_name, 'name', concat(table_name, ' ', column_name)
FROM duckdb_columns() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT view_name, '', 'view', concat(sql, ' ', comment)
FROM duckdb_views() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT table_name, index_name, 'index', concat(sql, ' ', comment)
FROM duckdb_indexes() WHERE database_name = $1
UNION ALL SELECT sequence_name, '', 'sequence', concat(sequence_name, ' ', comment)
FROM duckdb_sequences() WHERE database_name = $1
UNION ALL SELECT function_name, '', 'macro', concat(macro_definition, ' ', comment)
FROM duckdb_functions() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT type_name, '', 'type', concat(labels::VARCHAR, ' ', comment)
FROM duckdb_types() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT schema_name, '', 'schema', concat(schema_name, ' ', comment)
FROM duckdb_schemas() WHERE database_name = $1 AND NOT internal
UNION ALL SELECT '', '', 'database', comment
FROM duckdb_databases() WHERE database_name = $1
"""


@dataclass(frozen=True)
class Known:
    """What only the process that reads the source knows: nothing of it is ever written."""

    equals: Equals = field(default_factory=dict)
    real: Sequence[str] = ()
    canaries: Sequence[str] = ()
    relations: Relations = field(default_factory=Relations)


def judge(
    con: "DuckDBPyConnection",
    target: Path,
    tables: Mapping[str, Table],
    known: Known,
    say: Callable[[str], None],
) -> GateReport:
    """Judge a closed snapshot file as its tables' rules want it.

    Attaches it read-only as GATED and leaves it attached.
    """
    began = time.monotonic()
    con.execute(f"ATTACH {literal(str(target))} AS {GATED} (READ_ONLY)")
    leaks: list[Leak] = []
    for name, table in tables.items():
        say(f"leak gate: {name}")
        leaks += _in_table(con, name, table, known)
    leaks += _catalogue(con, tables, known)
    leaks += _raw(target, tables, known)
    leaks += broken(con, known.relations)
    anonymity = counted(con, tables)
    leaks += too_small(anonymity, tables)
    stand, accepted = sorted_out(
        leaks, {(t, c): r.accept for t, table in tables.items() for c, r in table.columns.items()}
    )
    return GateReport(
        places=sum(1 for name, table in tables.items() for _ in places(name, table)),
        detectors=VERSIONS,
        real_values=len(known.real),
        canaries=len(known.canaries),
        leaks=stand,
        accepted=accepted,
        relations=known.relations,
        anonymity=anonymity,
        seconds=round(time.monotonic() - began, 2),
    )


def _in_table(con: "DuckDBPyConnection", name: str, table: Table, known: Known) -> Iterator[Leak]:
    types = types_of(con, quoted(GATED, "main", name))
    yield from _documents(con, name, table)
    for place in places(name, table):
        yield from _judged(con, place, types[place.column], known)


def _judged(con: "DuckDBPyConnection", place: Place, type_: str, known: Known) -> Iterator[Leak]:
    """Yield the leaks of one place, whose values stand in the view `place` meanwhile."""
    column = quoted(place.word)
    shown = _shown(con, place, type_)
    if place.way in ("made", "fixed"):
        yield from _misformed(con, place, column)
    if place.way != "fixed":
        yield from _equal(con, place, type_, column, known.equals.get((place.table, place.name), 0))
    if place.way in ("plain", "coarse"):
        found = scanned(con, "place", {place.word: shown})
        for values, counts in found.values():
            yield from suspected(place, values, counts)
        yield from _looked_for(con, place, shown, {REAL: known.real, CANARY: known.canaries})
    else:
        yield from _looked_for(con, place, shown, {CANARY: known.canaries})


def _shown(con: "DuckDBPyConnection", place: Place, type_: str) -> str:
    """Make the view of a place's values as detectors can read them; return their type."""
    table, column = quoted(GATED, "main", place.table), quoted(place.column)
    value, shown = readable(column, type_)
    if place.path:
        value, shown = at_path(column, place.path), "VARCHAR"
        value = f"unnest({value})" if many(place.path) else value
    con.execute(
        f"CREATE OR REPLACE TEMPORARY VIEW place AS "  # noqa: S608
        f"SELECT {value} AS {quoted(place.word)} FROM {table}"
    )
    return shown


def _misformed(con: "DuckDBPyConnection", place: Place, column: str) -> Iterator[Leak]:
    pattern = form(place.mask)
    if place.mask.method == "null":
        count = _count(con, f"{column} IS NOT NULL")
        because = "the mask leaves nothing"
    elif pattern is not None:
        full = f"regexp_full_match(CAST({column} AS VARCHAR), {literal(pattern)})"
        count, because = _count(con, f"NOT {full}"), f"not what {place.mask.method} makes"
    else:
        return
    if count:
        yield place.leak(FORM, count, because)


def _equal(
    con: "DuckDBPyConnection", place: Place, type_: str, column: str, equal: int
) -> Iterator[Leak]:
    if not equal:
        return
    values = _count(con, f"{column} IS NOT NULL")
    if place.way == "coarse":
        yield from unchanged(place, values, equal)
        return
    odds = chance(place.mask, type_)
    squares = _squares(con, column, values) if odds else 0
    if equal > most_equal(odds, values, squares):
        yield place.leak(EQUAL, equal, "equal to their source")


def _squares(con: "DuckDBPyConnection", column: str, values: int) -> int:
    """Return the sum of the squares of how often each value is there; roughly, if they are many."""
    different = different_values(con, "place", column)
    if different > FEW:
        return 2 * values * values // different
    there = con.execute(
        f"SELECT sum(n * n) FROM (SELECT {column} AS v, count(*) AS n FROM place "  # noqa: S608
        f"WHERE {column} IS NOT NULL GROUP BY ALL)"
    ).fetchone()
    return int(there[0] or 0) if there else 0


def _count(con: "DuckDBPyConnection", condition: str) -> int:
    return row_count(con, f"place WHERE {condition}")


def _documents(con: "DuckDBPyConnection", name: str, table: Table) -> Iterator[Leak]:
    """Yield a leak where JSON documents hold more than the listed paths."""
    for column, rule in table.columns.items():
        if rule.mask.method == "json":
            stored = f"CAST({quoted(column)} AS JSON)"
            count = row_count(
                con,
                f"{quoted(GATED, 'main', name)} WHERE CAST({stored} AS VARCHAR) <> "
                f"CAST({listed_only(rule.mask, stored)} AS VARCHAR)",
            )
            if count:
                because = "more than the listed paths"
                yield Leak(table=name, column=column, detector=FORM, count=count, because=because)


def _looked_for(
    con: "DuckDBPyConnection", place: Place, type_: str, wanted: Mapping[str, Sequence[str]]
) -> Iterator[Leak]:
    """Yield a leak where some of the values that are wanted stand in a place, by their detector."""
    kind = sought(type_)
    if kind is None:
        return
    there = {d: [v for v in vs if kind == "text" or v.isdigit()] for d, vs in wanted.items()}
    tests = {detector: _test(detector, values) for detector, values in there.items() if values}
    if not tests:
        return
    counts = ", ".join(f"count(CASE WHEN {test} THEN 1 END)" for test in tests.values())
    texts = f"(SELECT CAST({quoted(place.word)} AS VARCHAR) AS v FROM place)"  # noqa: S608
    # A filter would have the text made plain anew for each of its tests.
    found = con.execute(f"SELECT {counts} FROM (SELECT {plainer()} AS v FROM {texts})").fetchall()  # noqa: S608
    for detector, count in zip(tests, found[0], strict=True):
        if count:
            yield place.leak(detector, count, "of the source's own values")


def _test(detector: str, values: Sequence[str]) -> str:
    """Return the condition that some of `values` stand in the text `v`, whole or inside it."""
    inside = [v for v in values if detector == CANARY or telling(v)]
    whole = [v for v in values if v not in set(inside)]
    tests = [
        f"regexp_matches(v, {literal('|'.join(map(re.escape, inside[n : n + _CHUNK])))})"
        for n in range(0, len(inside), _CHUNK)
    ]
    if whole:
        tests.append(f"v IN ({', '.join(literal(v) for v in whole)})")
    return " OR ".join(tests)


def _catalogue(
    con: "DuckDBPyConnection", tables: Mapping[str, Table], known: Known
) -> Iterator[Leak]:
    """Yield leaks in names, types with their labels, comments, defaults and definitions."""
    listed = {(p.table, p.column): p for name, t in tables.items() for p in places(name, t)}
    for table, column, part, said in con.execute(_CATALOGUE, [GATED]).fetchall():
        if not said:
            continue
        place = listed.get((table, column))
        found = sure_of(DETECTORS, [said])
        names = [n for n in found if place is None or not tolerated(place, n)]
        plain = folded(said)
        names += [REAL] if any(v in plain for v in known.real if telling(v)) else []
        names += [CANARY] if any(folded(v) in plain for v in known.canaries) else []
        for name in names:
            yield Leak(table=table, column=column, detector=name, count=1, because=f"its {part}")


def _raw(target: Path, tables: Mapping[str, Table], known: Known) -> Iterator[Leak]:
    """Yield a leak if real values stand in the file's bytes, where nothing decodes them."""
    size = max(target.stat().st_size, 1)
    room = min(_RAW_VALUES, max(4, _RAW_BYTES // size))
    # Somebody may well be called what is invented for another.
    forms = {form(p.mask) for name, table in tables.items() for p in places(name, table)}
    made = re.compile("|".join(f"(?:{each})" for each in forms if each) or "(?!)")
    told = (v for v in known.real if telling(v) and not made.fullmatch(v))
    values = [*known.canaries, *told][:room]
    if not values:
        return
    count = standing_in(target, (value.encode() for value in values))
    if count:
        because = "in the file's bytes"
        yield Leak(table="", column="", detector=REAL, count=count, because=because)


def standing_in(file: Path, wanted: Iterable[bytes]) -> int:
    """Return how many of `wanted` stand in a file's bytes."""
    there = list(wanted)
    left, end, longest = there, b"", max(map(len, there), default=0)
    # Not by mmap: pages that are mapped count as this process's memory, which would be the file.
    with file.open("rb") as opened:
        while left and (block := opened.read(_BLOCK)):
            content = end + block
            left = [each for each in left if each not in content]
            end = content[max(len(content) - longest + 1, 0) :]
    return len(there) - len(left)
