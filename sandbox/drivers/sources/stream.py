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
from sandbox.core.rows import rows_described
from sandbox.core.snapshot import ColumnCopy, TableCopy
from sandbox.core.source import Mask, Source, Table
from sandbox.core.text import clean
from sandbox.drivers.sources.connection import SNAPSHOT, SOURCE, ask, literal, quoted, row_count
from sandbox.drivers.sources.gate import Known
from sandbox.drivers.sources.masks import KEPT, expression, set_key
from sandbox.drivers.sources.proof import Proof, proved_select
from sandbox.drivers.sources.real import real_values
from sandbox.drivers.sources.relations import live_relations
from sandbox.drivers.sources.subset import check_rows, plain_condition, sampled_condition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROUNDED = "rounded from numeric"
_NUMERICS = """
SELECT relname::text AS relation, attname::text AS attribute
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = {schema}::regnamespace AND attnum > 0 AND NOT attisdropped
  AND atttypid IN ('numeric'::regtype, 'numeric[]'::regtype)
"""


@dataclass(frozen=True)
class _Pull:
    """One table on its way: the SELECT that yields it masked, and the rows that must arrive.

    `real` are values of its hidden columns, as they are in the source.
    """

    select: str
    rows: int
    real: tuple[str, ...]


def copy_tables(
    con: "DuckDBPyConnection", source: Source, key: bytes, as_of: datetime, meter: "Meter"
) -> tuple[tuple[TableCopy, ...], Known]:
    """Copy every listed table into the attached snapshot and close it.

    Returns what the snapshot holds, and what the gate must know of the source. Expects an open
    transaction, whose moment is `as_of`, and ends it. Raises Unavailable when the rows that
    arrived are not the rows that were counted in the same transaction.
    """
    set_key(con, key)
    proof = Proof(con)
    pulls = {name: _pull(con, source, name, as_of, proof) for name in source.tables}
    numerics, wanted = _numerics(con, source), live_relations(con, source)
    meter.total = sum(pull.rows for pull in pulls.values())
    for name, pull in pulls.items():
        meter.begin(name, pull.rows)
        con.execute(f"CREATE TABLE {quoted(SNAPSHOT, 'main', name)} AS {pull.select}")
        meter.finish()
    con.execute("COMMIT")
    # What a checkpoint moves out of the write-ahead log was masked before it came there.
    con.execute(f"CHECKPOINT {SNAPSHOT}")
    copies = tuple(
        _copied(con, name, table, numerics, rows_described(table, as_of))
        for name, table in source.tables.items()
    )
    con.execute(f"DETACH {SNAPSHOT}")
    _check_counts(source, pulls, copies)
    real = [value for pull in pulls.values() for value in pull.real]
    canaries = [folded(value) for value in source.canaries]
    return copies, Known(proof.equals(), tuple(dict.fromkeys(real)), canaries, wanted)


def _pull(
    con: "DuckDBPyConnection", source: Source, name: str, as_of: datetime, proof: Proof
) -> _Pull:
    """Return how a live table is pulled: only what the snapshot may hold."""
    table, schema = source.tables[name], source.connection.db_schema
    live = quoted(SOURCE, schema, name)
    types = {row[0]: row[1] for row in con.execute(f"DESCRIBE {live}").fetchall()}
    check_rows(name, table, types)
    there = list(places(name, table))
    columns = {
        column: (
            expression(name, column, types, table.columns),
            tuple(place for place in there if place.column == column),
        )
        for column, rule in table.columns.items()
        if rule.mask.method != "drop"
    }
    condition = plain_condition(table, as_of)
    if table.sample is None:
        plain = quoted(schema, name)
        found = ask(con, f"SELECT count(*) AS rows FROM {plain} WHERE {condition}")  # noqa: S608
        rows = int(found[0][0])
    else:
        chosen, rows = sampled_condition(con, live, table.sample, condition)
        condition = f"{condition} AND {chosen}"
    real = real_values(con, live, condition, table, types)
    return _Pull(proved_select(proof, f"{live} WHERE {condition}", columns), rows, tuple(real))


def _numerics(con: "DuckDBPyConnection", source: Source) -> set[tuple[str, str]]:
    """Return (table, column) of everything that is `numeric` in the source."""
    schema = literal(quoted(source.connection.db_schema))
    return {(row[0], row[1]) for row in ask(con, _NUMERICS.format(schema=schema))}


def _copied(
    con: "DuckDBPyConnection",
    name: str,
    table: Table,
    numerics: set[tuple[str, str]],
    chosen: str,
) -> TableCopy:
    stored = quoted(SNAPSHOT, "main", name)
    columns = tuple(
        ColumnCopy(
            name=column,
            type=_type_of(kind, table.columns[column].mask, (name, column) in numerics),
            data_class=table.columns[column].data_class,
            mask=described(table.columns[column].mask),
        )
        for column, kind, *_ in con.execute(f"DESCRIBE {stored}").fetchall()
    )
    return TableCopy(name=name, rows=row_count(con, stored), columns=columns, chosen=chosen)


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
