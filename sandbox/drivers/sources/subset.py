"""Which rows come over, as SQL: what the source can judge, and the sample, which needs the key.

Values and days are written as plain literals, which PostgreSQL and DuckDB read alike.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.core.masking import DATES
from sandbox.core.rows import first_day
from sandbox.core.source import Sample, Table, Wanted
from sandbox.drivers.sources.connection import literal, quoted, row_count
from sandbox.drivers.sources.masks import check_exact, refuse_type

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# How finely subjects are told apart: 60 bits of a keyed digest.
_DRAWS = 2**60


def plain_condition(table: Table, as_of: datetime) -> str:
    """Return the condition on a table's rows that source and DuckDB understand; `true` for all."""
    parts = [_wanted(column, wanted) for column, wanted in table.where.items()]
    if table.since is not None:
        day = literal(first_day(table.since, as_of).isoformat())
        parts.append(f"{quoted(table.since.column)} >= {day}")
    return " AND ".join(parts) or "true"


def sampled_condition(
    con: "DuckDBPyConnection", live: str, sample: Sample, condition: str
) -> tuple[str, int]:
    """Return the condition that chooses the sample of those under `condition`, and its rows.

    `live` is the quoted table. Subjects stay whole, so there may be fewer rows than `most`.
    """
    draw = (
        f"CAST('0x' || left(labelled('sample {sample.seed}', "
        f"CAST({quoted(sample.by)} AS VARCHAR)), 15) AS BIGINT)"
    )
    limit = round(_DRAWS * (sample.percent or 100) / 100)
    drawn = f"(SELECT {draw} AS draw FROM {live} WHERE {condition}) WHERE draw < "  # noqa: S608
    if sample.most is not None:
        above = con.execute(
            f"SELECT draw FROM {drawn} {limit} ORDER BY draw LIMIT 1 OFFSET {sample.most}"  # noqa: S608
        ).fetchone()
        limit = above[0] if above else limit
    return f"{draw} < {limit}", row_count(con, f"{drawn} {limit}")


def check_rows(name: str, table: Table, types: Mapping[str, str]) -> None:
    """Raise InvalidInput where a window or a sample does not fit its column's type."""
    if table.since is not None and types[table.since.column] not in DATES:
        kind = types[table.since.column]
        refuse_type(f"{name}.{table.since.column}", "window since", "a date", kind, "Use where")
    if table.sample is not None:
        check_exact(f"{name}.{table.sample.by}", "sample", types[table.sample.by])


def _wanted(column: str, wanted: tuple[Wanted, ...]) -> str:
    some = ", ".join(literal(_text(value)) for value in wanted if value is not None)
    parts = [f"{quoted(column)} IN ({some})"] if some else []
    parts += [f"{quoted(column)} IS NULL"] if None in wanted else []
    return f"({' OR '.join(parts)})"


def _text(value: bool | int | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
