"""The stream from a source into a snapshot: masks as SQL, every row counted."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.core.detecting import folded
from sandbox.core.errors import Unavailable
from sandbox.core.lease import spoken
from sandbox.core.masking import described
from sandbox.core.places import places
from sandbox.core.relations import relations
from sandbox.core.rows import rows_described
from sandbox.core.snapshot import ColumnCopy, TableCopy
from sandbox.core.source import KEPT, Mask, Source, Table
from sandbox.core.text import clean
from sandbox.drivers.sources.choosing import AT_ONCE, Chosen, Live, chosen_rows, forget_choice
from sandbox.drivers.sources.connection import SNAPSHOT, SOURCE, fill, quoted, row_count, types_of
from sandbox.drivers.sources.dialect import Dialect
from sandbox.drivers.sources.gate import Known
from sandbox.drivers.sources.masks import expression, set_key
from sandbox.drivers.sources.proof import Proof, proved_select
from sandbox.drivers.sources.real import real_values
from sandbox.drivers.sources.subset import check_rows, plain_condition, sampled_condition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROUNDED = "rounded from numeric"


@dataclass(frozen=True)
class _Pull:
    """One table on its way: the SELECTs that yield it masked, and the rows that must arrive.

    `real` are values of its hidden columns, as they are in the source.
    """

    selects: tuple[str, ...]
    rows: int
    real: tuple[str, ...]


def copy_tables(
    con: "DuckDBPyConnection",
    dialect: Dialect,
    source: Source,
    key: bytes,
    as_of: datetime,
    meter: "Meter",
    at_once: int = AT_ONCE,
) -> tuple[tuple[TableCopy, ...], Known]:
    """Copy every listed table into the attached snapshot and close it.

    Returns what the snapshot holds, and what the gate must know of the source. Expects an open
    transaction, whose moment is `as_of`, and ends it. Raises Unavailable when the rows that
    arrived are not the rows that were counted in the same transaction. What leads to more than
    `at_once` rows is read in parts.
    """
    set_key(con, key)
    proof = Proof(con)
    numerics, wanted = dialect.rounded(con), relations(source, *dialect.relations(con))
    lives = {name: _live(con, dialect, source, name, as_of) for name in source.tables}
    chosen = chosen_rows(con, lives, wanted.followed, at_once)
    may = dialect.readable(con)
    pulls = {name: _pull(con, name, lives[name], chosen[name], proof, may) for name in lives}
    _store(con, pulls, meter)
    copies = tuple(
        _copied(con, name, table, numerics, rows_described(table, as_of), chosen[name])
        for name, table in source.tables.items()
    )
    con.execute(f"DETACH {SNAPSHOT}")
    _check_counts(source, pulls, copies)
    real = [value for pull in pulls.values() for value in pull.real]
    canaries = [folded(value) for value in source.canaries]
    return copies, Known(proof.equals(), tuple(dict.fromkeys(real)), canaries, wanted)


def _live(
    con: "DuckDBPyConnection", dialect: Dialect, source: Source, name: str, as_of: datetime
) -> Live:
    """Return a listed table of the source, with the rows that its file asks for."""
    table = source.tables[name]
    live = quoted(SOURCE, dialect.schema, name)
    types = types_of(con, live)
    check_rows(name, table, types)
    condition = plain_condition(table, as_of)
    counted = dialect.rows(con, name, condition)
    if table.sample is None:
        return Live(table, live, types, condition, counted)
    drawn, rows = sampled_condition(con, live, table.sample, condition)
    return Live(table, live, types, f"{condition} AND {drawn}", rows)


def _pull(
    con: "DuckDBPyConnection",
    name: str,
    live: Live,
    chosen: Chosen,
    proof: Proof,
    may: set[tuple[str, str]] | None,
) -> _Pull:
    """Return how a live table is pulled: only what the snapshot may hold.

    What is dropped need not be in `may`, the columns that the login can read.
    """
    there = list(places(name, live.table))
    columns = {
        column: (
            expression(name, column, live.types, live.table.columns),
            tuple(place for place in there if place.column == column),
        )
        for column, rule in live.table.columns.items()
        if rule.mask.method != "drop"
    }
    types = {c: type_ for c, type_ in live.types.items() if may is None or (name, c) in may}
    real = real_values(con, live.sql, chosen.conditions[0], live.table, types)
    rows = (f"{live.sql} WHERE {condition}" for condition in chosen.conditions)
    selects = tuple(proved_select(proof, each, columns) for each in rows)
    return _Pull(selects, chosen.rows, tuple(real))


def _store(con: "DuckDBPyConnection", pulls: Mapping[str, _Pull], meter: "Meter") -> None:
    """Pull every table into the snapshot, and end the transaction."""
    meter.total = sum(pull.rows for pull in pulls.values())
    for name, pull in pulls.items():
        meter.begin(name, pull.rows)
        fill(con, quoted(SNAPSHOT, "main", name), pull.selects)
        meter.finish()
    con.execute("COMMIT")
    forget_choice(con)
    # What a checkpoint moves out of the write-ahead log was masked before it came there.
    con.execute(f"CHECKPOINT {SNAPSHOT}")


def _copied(
    con: "DuckDBPyConnection",
    name: str,
    table: Table,
    numerics: set[tuple[str, str]],
    described_rows: str,
    chosen: Chosen,
) -> TableCopy:
    stored = quoted(SNAPSHOT, "main", name)
    columns = tuple(
        ColumnCopy(
            name=column,
            type=_type_of(kind, table.columns[column].mask, (name, column) in numerics),
            data_class=table.columns[column].data_class,
            mask=described(table.columns[column].mask),
        )
        for column, kind in types_of(con, stored).items()
    )
    return TableCopy(
        name=name,
        rows=row_count(con, stored),
        columns=columns,
        chosen=described_rows,
        left_out=chosen.left_out,
        suppressed=chosen.suppressed,
    )


def _type_of(kind: str, mask: Mask, numeric: bool) -> str:
    # DuckDB's reader makes DOUBLE of a numeric without precision, or with more than 38 digits.
    rounded = numeric and mask.method in KEPT and kind.startswith("DOUBLE")
    return f"{kind}, {_ROUNDED}" if rounded else kind


def _check_counts(
    source: Source, pulls: Mapping[str, _Pull], copies: tuple[TableCopy, ...]
) -> None:
    for copy in copies:
        if copy.rows != pulls[copy.name].rows:
            raise Unavailable(
                f"The source counted {pulls[copy.name].rows:,} rows, but {copy.rows:,} arrived.",
                subject=clean(f"{source.name}: {copy.name}"),
                hint="Nothing was kept. Build again; if it happens again, report it.",
            )


@dataclass
class Meter:
    """Rows done and time left, over all tables. One thread copies and counts, another shows."""

    say: Callable[[str, int | None, int | None], None]
    total: int | None = None
    done: int = 0
    table: str = ""
    rows: int = 0
    shown: int = 0
    started: float = field(default_factory=time.monotonic)

    def begin(self, table: str, rows: int) -> None:
        """Note that `table` of `rows` rows is being copied now."""
        self.table, self.rows = table, rows

    def finish(self) -> None:
        """Count the whole table as done."""
        self.done, self.rows = self.done + self.rows, 0

    def show(self, percent: float) -> None:
        """Say how far the current table is; `percent` is -1 while DuckDB cannot tell."""
        if self.total is None:
            self.say("reading the source's columns and counting its rows", None, None)
            return
        now = self.done + int(self.rows * min(max(percent, 0.0), 100.0) / 100)
        # DuckDB's estimates fall now and then; people should not see rows come back.
        self.shown = max(self.shown, now)
        left = None
        if self.shown:
            spent = time.monotonic() - self.started
            left = spent * (self.total - self.shown) / self.shown
        text = f"{clean(self.table)}: {self.shown:,} of {self.total:,} rows{_time_left(left)}"
        self.say(text, self.shown, self.total)

    def end(self) -> None:
        """Say that all rows are copied."""
        text = f"{self.done:,} of {self.total:,} rows"
        self.say(text, self.done, self.total)


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    span = f"{seconds:.0f} s" if seconds < 120 else spoken(timedelta(seconds=seconds))
    return f", {span} left"
