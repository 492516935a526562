"""Which rows stay behind: those that lead to a row that is not copied, those of too small groups.

What decides stands in temporary tables of the process that reads, as digests of 64 bits: of the
keys of each table that others lead to, and of the groups in which people hide. Two digests that
are equal by chance would keep a row too many, which the gate finds.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from sandbox.core.anonymity import quasi_columns
from sandbox.core.errors import InvalidInput
from sandbox.core.relations import Reference, keys_first
from sandbox.core.snapshot import LeftOut
from sandbox.core.source import Table
from sandbox.core.text import clean
from sandbox.drivers.sources.anonymity import people_in
from sandbox.drivers.sources.connection import fill, quoted, row_count
from sandbox.drivers.sources.masks import expression

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# One row leads to another, that to a third: so many in a row are followed.
_LONGEST_CHAIN = 1_000
# Keys that are compared at once, which takes some 250 MB; what leads to more is read in parts.
AT_ONCE = 4_000_000
_KEPT = "kept "


@dataclass(frozen=True)
class Live:
    """A listed table in the source: its quoted name, types by column, and the rows asked for."""

    table: Table
    sql: str
    types: Mapping[str, str]
    condition: str
    rows: int


@dataclass(frozen=True)
class Chosen:
    """The rows of a table that come over, and how many of those asked for stay behind, and why.

    Each row fulfils one of `conditions`, which are to be read one after the other.
    """

    conditions: tuple[str, ...]
    rows: int
    left_out: tuple[LeftOut, ...] = ()
    suppressed: int = 0


def chosen_rows(
    con: "DuckDBPyConnection",
    lives: Mapping[str, Live],
    followed: Sequence[Reference],
    at_once: int = AT_ONCE,
) -> dict[str, Chosen]:
    """Return for each table which of the rows asked for are copied.

    No row is copied that leads, by one of `followed`, to a row that is not; nor, where the table
    asks for k, one whose group has fewer people. Raises InvalidInput where rows lead to rows
    without an end.
    """
    choosing = _Choosing(con, lives, followed, at_once)
    for name in keys_first(followed):
        choosing.load(name)
    choosing.settle(", ".join(keys_first(followed)))
    return {name: choosing.chosen(name) for name in lives}


def forget_choice(con: "DuckDBPyConnection") -> None:
    """Give back the memory of what `chosen_rows` decided by: its conditions hold no longer."""
    found = con.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    for (name,) in found:
        if name.startswith(_KEPT):
            con.execute(f"DROP TABLE temp.{quoted(name)}")


class _Part(NamedTuple):
    """The rows whose digest of what `reference` leads to leaves `rest` when divided by `number`."""

    reference: Reference
    number: int
    rest: int


class _Choosing:
    """What is kept of each table that others lead to, thinned until nothing leads elsewhere."""

    def __init__(
        self,
        con: "DuckDBPyConnection",
        lives: Mapping[str, Live],
        followed: Sequence[Reference],
        at_once: int,
    ) -> None:
        self._con, self._lives, self._followed = con, lives, followed
        self._at_once = at_once
        # The tables that were read, with their rows then.
        self._loaded: dict[str, int] = {}

    def load(self, name: str) -> None:
        """Read the digests of a table's keys, of where its rows lead, and of its groups."""
        live, kept = self._lives[name], self._kept(name)
        made = [f"{_digest(columns)} AS key_{n}" for n, columns in enumerate(self._keys(name))]
        made += [f"{_digest(r.columns)} AS leads_{n}" for n, r in enumerate(self._leads(name))]
        made += _people(name, live)
        there = [r for r in self._leads(name) if r.key.table in self._loaded]
        conditions = (
            " AND ".join([live.condition, *_within(part), *(self._found(r, part) for r in there)])
            for part in self._parts(there)
        )
        rows = f"SELECT {', '.join(made)} FROM {live.sql} WHERE"  # noqa: S608
        fill(self._con, kept, (f"{rows} {each}" for each in conditions), temporary=True)
        self._loaded[name] = row_count(self._con, kept)

    def settle(self, tables: str) -> None:
        """Take rows away until all that is left leads to what is left, in groups large enough."""
        for _ in range(_LONGEST_CHAIN):
            if not sum(self._thinned(name) for name in self._loaded):
                return
        raise InvalidInput(
            f"More than {_LONGEST_CHAIN:,} rows lead to each other, one after the other.",
            subject=clean(tables),
            hint="Name the column that does in `orphans`: its rows are then copied all the same.",
        )

    def chosen(self, name: str) -> Chosen:
        """Return the rows of one table; everything that others lead to must have settled."""
        live, leads = self._lives[name], self._leads(name)
        if not leads and not live.table.k:
            return Chosen((live.condition,), live.rows)
        in_group = self._in_group(name)
        conditions, lost = [], Counter[int]()
        for part in self._parts(leads):
            rows = " AND ".join([live.condition, *_within(part)])
            tests = [*(self._found(r, part) for r in leads), *in_group]
            lost += self._lost(live, rows, tests)
            conditions.append(" AND ".join([rows, *tests]))
        return Chosen(
            conditions=tuple(conditions),
            rows=live.rows - lost.total(),
            left_out=tuple(LeftOut(because=str(r), rows=lost[n]) for n, r in enumerate(leads)),
            suppressed=lost[len(leads)],
        )

    def _keys(self, name: str) -> list[tuple[str, ...]]:
        found = (r.key.columns for r in self._followed if r.key.table == name)
        return list(dict.fromkeys(found))

    def _leads(self, name: str) -> list[Reference]:
        return [r for r in self._followed if r.table == name]

    def _kept(self, name: str) -> str:
        return f"temp.{quoted(_KEPT + name)}"

    def _parts(self, leads: Sequence[Reference]) -> list[_Part | None]:
        """Return the parts in which rows that lead to very many are to be read; None is all."""
        if not leads:
            return [None]
        widest = max(leads, key=lambda r: self._loaded[r.key.table])
        number = self._loaded[widest.key.table] // self._at_once + 1
        return [_Part(widest, number, n) for n in range(number)] if number > 1 else [None]

    def _key(self, reference: Reference, part: _Part | None) -> str:
        """Return the SQL of the digests that a reference of rows of `part` may lead to."""
        there = self._kept(reference.key.table)
        key = f"key_{self._keys(reference.key.table).index(reference.key.columns)}"
        some = f" AND {key} % {part.number} = {part.rest}" if _of(part, reference) else ""
        return f"(SELECT {key} FROM {there} WHERE {key} IS NOT NULL{some})"  # noqa: S608

    def _found(self, reference: Reference, part: _Part | None) -> str:
        """Return the condition that a live row leads to a row that is kept, or to none."""
        digest = _digest(reference.columns)
        return f"({_empty(reference)} OR {digest} IN {self._key(reference, part)})"

    def _thinned(self, name: str) -> int:
        """Take away what leads to nothing or has too small a group; return how many rows."""
        kept, k = self._kept(name), self._lives[name].table.k
        gone = 0
        for n, reference in enumerate(self._leads(name)):
            for part in self._parts([reference]):
                some = f" AND leads_{n} % {part.number} = {part.rest}" if part else ""
                lost = f"leads_{n} NOT IN {self._key(reference, part)}"
                gone += self._deleted(f"{kept} WHERE leads_{n} IS NOT NULL{some} AND {lost}")
        if k:
            small = f"GROUP BY people HAVING {people_in(self._lives[name].table)} < {k}"
            gone += self._deleted(f"{kept} WHERE people IN (SELECT people FROM {kept} {small})")  # noqa: S608
        return gone

    def _deleted(self, rows: str) -> int:
        found = self._con.execute(f"DELETE FROM {rows}").fetchone()  # noqa: S608
        return int(found[0]) if found else 0

    def _in_group(self, name: str) -> list[str]:
        """Return the condition that a live row's group is large enough, if the table asks for k."""
        live, kept = self._lives[name], self._kept(name)
        if not live.table.k:
            return []
        if name not in self._loaded:
            leads = [live.condition, *(self._found(r, None) for r in self._leads(name))]
            rows = f"SELECT {', '.join(_people(name, live))} FROM {live.sql} "  # noqa: S608
            large = (
                f"SELECT people FROM ({rows} WHERE {' AND '.join(leads)}) "  # noqa: S608
                f"GROUP BY people HAVING {people_in(live.table)} >= {live.table.k}"
            )
            fill(self._con, kept, [large], temporary=True)
        return [f"{_group_digest(name, live)} IN (SELECT people FROM {kept})"]  # noqa: S608

    def _lost(self, live: Live, rows: str, tests: Sequence[str]) -> Counter[int]:
        """Return how many of `rows` fail each test, each row counted at the first."""
        cases = " ".join(f"WHEN NOT {test} THEN {n}" for n, test in enumerate(tests))
        found = self._con.execute(
            f"SELECT why, count(*) FROM (SELECT CASE {cases} END AS why FROM {live.sql} "  # noqa: S608
            f"WHERE {rows}) WHERE why IS NOT NULL GROUP BY why"
        ).fetchall()
        return Counter({int(why): int(count) for why, count in found})


def _of(part: _Part | None, reference: Reference) -> TypeGuard[_Part]:
    return part is not None and part.reference == reference


def _within(part: _Part | None) -> Iterator[str]:
    """Yield the condition that a live row is in a part; what leads nowhere is in the first."""
    if part:
        inside = f"{_digest(part.reference.columns)} % {part.number} = {part.rest}"
        yield inside if part.rest else f"({_empty(part.reference)} OR {inside})"


def _empty(reference: Reference) -> str:
    return " OR ".join(f"{quoted(column)} IS NULL" for column in reference.columns)


def _people(name: str, live: Live) -> Iterator[str]:
    """Yield, where k is asked for, the SQL of a row's group, and of who of it the row is."""
    if live.table.k:
        yield f"{_group_digest(name, live)} AS people"
        if live.table.subject:
            yield f"{_digest((live.table.subject,))} AS person"


def _group_digest(name: str, live: Live) -> str:
    """Return the SQL of the digest of what a row's group has in common, masked; empty is a value.

    The same columns that are counted in the snapshot (`anonymity.py`).
    """
    made = (expression(name, c, live.types, live.table.columns) for c in quasi_columns(live.table))
    return f"hash({', '.join(f'CAST({each} AS VARCHAR)' for each in made)})"


def _digest(columns: tuple[str, ...]) -> str:
    """Return the SQL of the digest of a row's key, NULL where a part of it is empty."""
    there = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
    texts = ", ".join(f"CAST({quoted(column)} AS VARCHAR)" for column in columns)
    return f"CASE WHEN {there} THEN hash({texts}) END"
