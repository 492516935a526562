"""Rows in no order: in that of the source the n-th row is the n-th customer, whatever the mask.

Two snapshots under different keys would join by the numbers of their rows, too. What is mixed is
masked already, so it may lie in a file meanwhile.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.errors import Unavailable
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import (
    MIXED,
    ROUGH,
    bound,
    fill,
    literal,
    quoted,
    row_count,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What is in memory to be mixed: so many rows, of so many bytes at most, from so many places.
_ROWS, _BYTES, _PLACES = 245_760, 16 << 20, 8
# DuckDB holds all that it read and wrote until it has no more room; less is no slower. It comes on
# top of what copying left in the process.
_MEMORY = "240MB"
# Rows of which the width of all is judged, from each of three places.
_PROBED = 500


def mixed(
    con: "DuckDBPyConnection",
    rough: Path,
    target: Path,
    tables: Iterable[str],
    options: str,
    say: Callable[[str], None],
) -> None:
    """Write the tables of the closed file `rough` into the new file `target`, rows in no order.

    Removes `rough`. `options` are those of the new file. Raises Unavailable if a row is missing.
    """
    con.execute(f"ATTACH {literal(str(rough))} AS {ROUGH} (READ_ONLY)")
    con.execute(f"ATTACH {literal(str(target))} AS {MIXED} ({options})")
    target.chmod(0o600)
    for name in tables:
        say(f"mixing rows: {name}")
        whole, made = quoted(ROUGH, "main", name), quoted(MIXED, "main", name)
        rows = row_count(con, whole)
        _fill(con, whole, made, rows)
        if row_count(con, made) != rows:
            raise Unavailable(
                "Rows were lost while they were mixed.",
                subject=clean(name),
                hint="Nothing was kept. Build again; if it happens again, report it.",
            )
    bound(con)
    con.execute(f"CHECKPOINT {MIXED}")
    con.execute(f"DETACH {MIXED}")
    con.execute(f"DETACH {ROUGH}")
    rough.unlink()


def _fill(con: "DuckDBPyConnection", whole: str, made: str, rows: int) -> None:
    at_once = _at_once(con, whole, rows)
    # Each thread has buffers for every column that it writes; wide rows are no slower with one.
    bound(con, _MEMORY, threads=1 if at_once < _ROWS else None)
    # In one transaction, full groups of rows go to the file as they are; each for itself, the
    # mixtures would go through its log and be written time and again.
    con.execute("BEGIN")
    fill(con, made, mixtures(whole, rows, at_once))
    con.execute("COMMIT")


def rough_of(target: Path) -> Path:
    """Return the file in which a snapshot's rows are until they are mixed."""
    return target.with_name(f"{target.name}.rough")


def half_made(target: Path) -> tuple[Path, ...]:
    """Return every file that there can be while a snapshot is built."""
    files = (target, rough_of(target))
    return (*files, *(file.with_name(f"{file.name}.wal") for file in files))


def mixtures(whole: str, rows: int, at_once: int) -> Iterator[str]:
    """Yield SELECTs of a few places each, drawn from all over the table, their rows mixed."""
    step = max(at_once // _PLACES, 1)
    starts = list(range(0, max(rows, 1), step))
    random.SystemRandom().shuffle(starts)
    for first in range(0, len(starts), _PLACES):
        parts = _rows_at(whole, starts[first : first + _PLACES], step)
        yield f"SELECT * FROM ({parts}) ORDER BY random()"  # noqa: S608


def _at_once(con: "DuckDBPyConnection", whole: str, rows: int) -> int:
    """Return how many rows of a table may be in memory together, by the width of some."""
    some = _rows_at(whole, [0, rows // 2, max(rows - _PROBED, 0)], _PROBED)
    found = con.execute(
        f"SELECT avg(strlen(CAST(one AS VARCHAR))) FROM ({some}) AS one"  # noqa: S608
    ).fetchone()
    width = found[0] if found and found[0] else 1
    return max(min(_ROWS, int(_BYTES / width)), _PLACES)


def _rows_at(whole: str, starts: Iterable[int], step: int) -> str:
    return " UNION ALL ".join(
        f"SELECT * FROM {whole} WHERE rowid >= {start} AND rowid < {start + step}"  # noqa: S608
        for start in starts
    )
