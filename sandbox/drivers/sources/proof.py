"""The proof of masked columns, row by row while they stream: how many values equal their source.

Both values are in one row of the stream and nowhere else, so this is where they are compared: a
sequence of this connection counts each equal pair. It costs a comparison; to read the source again
and mask it again would cost as much as the build.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sandbox.core.masking import steps
from sandbox.core.places import Place
from sandbox.drivers.sources.connection import literal, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# By table and place: how many stored values equal the value that they were made of.
Equals = Mapping[tuple[str, str], int]


class Proof:
    """Counts equal pairs in the stream of one connection; one sequence for each place."""

    def __init__(self, con: "DuckDBPyConnection") -> None:
        self._con = con
        self._counters: dict[Place, str] = {}

    def counting(self, places: Iterable[Place], made: str, value: str) -> str:
        """Return the SQL of `made`, a column that masks `value`, which also counts equal pairs."""
        counts = []
        for place in places:
            if place.way in ("made", "coarse"):
                name = self._counter(place)
                same = _same(place, made, value)
                counts.append(f"CASE WHEN {same} THEN nextval('temp.{name}') END")
        if not counts:
            return made
        # The sequences count because the column needs their outcome; it is never '-'.
        return f"CASE WHEN concat({', '.join(counts)}) = '-' THEN NULL ELSE {made} END"

    def _counter(self, place: Place) -> str:
        """Return the sequence that counts a place; one that is read in parts has one for all."""
        if place not in self._counters:
            name = self._counters[place] = f"equal_{len(self._counters)}"
            self._con.execute(f"CREATE TEMPORARY SEQUENCE {name}")
        return self._counters[place]

    def equals(self) -> Equals:
        """Return what was counted so far."""
        found = self._con.execute(
            "SELECT sequence_name, last_value FROM duckdb_sequences() WHERE temporary"
        ).fetchall()
        last = dict(found)
        return {(p.table, p.name): int(last[name] or 0) for p, name in self._counters.items()}


def at_path(document: str, path: str) -> str:
    """Return the SQL of the texts at a path of a JSON document; a list where the path has `[*]`."""
    keys = "".join("[*]" if step is None else f'."{step}"' for step in steps(path))
    return f"json_extract_string({document}, {literal('$' + keys)})"


def many(path: str) -> bool:
    """Say whether a path leads to several values."""
    return None in steps(path)


def _same(place: Place, made: str, value: str) -> str:
    if not place.path:
        text = f"CAST({value} AS VARCHAR)"
        # Narrower letters alone are no change.
        same = f"CAST({made} AS VARCHAR) = {f'narrow({text})' if place.mask.first else text}"
        # What lies at no end of time stays there.
        return f"isfinite({value}) AND {same}" if place.mask.method == "shift-dates" else same
    text = f"CAST({value} AS VARCHAR)"
    there, here = at_path(text, place.path), at_path(made, place.path)
    if many(place.path):
        pairs = f"list_zip({here}, {there})"
        same = f"len(list_filter({pairs}, lambda pair: pair[1] = pair[2])) > 0"
    else:
        same = f"{here} = {there}"
    return f"CASE WHEN json_valid({text}) THEN {same} END"


def proved_select(
    proof: Proof,
    source: str,
    columns: Mapping[str, tuple[str, tuple[Place, ...]]],
) -> str:
    """Return a SELECT of masked columns from `source` (table and condition) that counts.

    `columns` has for each name its masked expression and its places.
    """
    inner = ", ".join(
        f"{made} AS made_{n}, {quoted(name)} AS value_{n}"
        for n, (name, (made, _)) in enumerate(columns.items())
    )
    outer = ", ".join(
        f"{proof.counting(places, f'made_{n}', f'value_{n}')} AS {quoted(name)}"
        for n, (name, (_, places)) in enumerate(columns.items())
    )
    return f"SELECT {outer} FROM (SELECT {inner} FROM {source})"  # noqa: S608
