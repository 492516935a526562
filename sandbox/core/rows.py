"""Which rows of a table are copied: by value, by window, by subject. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sandbox.core.source import Table, Wanted, Window


def row_problems(table: Table) -> Iterator[str]:
    """Yield what is wrong with how a table's rows are chosen."""
    since, sample = table.since, table.sample
    named = [("where", column) for column in table.where]
    named += [("since", since.column)] if since else []
    named += [("sample", sample.by)] if sample else []
    for part, column in named:
        if column not in table.columns:
            yield f"{part} names {column}, which is no listed column (drop lists it, too)"
    for column, wanted in table.where.items():
        if not wanted:
            yield f"where says nothing of {column}; name a value or several"
    if since and (since.days is None) == (since.day is None):
        yield "since takes either days (before the data's moment) or day (a date)"
    if sample and sample.percent is None and sample.most is None:
        yield "sample takes percent (of the subjects), most (rows), or both"


def first_day(window: Window, as_of: datetime) -> date:
    """Return the first day of a window; `as_of` is the data's moment (UTC)."""
    return window.day or as_of.date() - timedelta(days=window.days or 0)


def rows_described(table: Table, as_of: datetime) -> str:
    """Return which rows were copied, as one reads it in a manifest; "" for all."""
    words = [f"{column} is {_listed(wanted)}" for column, wanted in table.where.items()]
    if table.since is not None:
        words.append(f"{table.since.column} from {first_day(table.since, as_of).isoformat()}")
    sample = table.sample
    if sample is not None:
        words += [f"{sample.percent:g} % of {sample.by}"] if sample.percent else []
        words += [f"at most {sample.most:,} rows by {sample.by}"] if sample.most else []
        words += [f"seed {sample.seed}"] if sample.seed else []
    return "; ".join(words)


def _listed(wanted: tuple[Wanted, ...]) -> str:
    return " or ".join("empty" if value is None else str(value) for value in wanted)
