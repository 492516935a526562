"""Surveys of live sources as tests of drafts need them."""

from sandbox.core.detecting import Suspicion
from sandbox.core.relations import Key, Reference
from sandbox.core.survey import ColumnSurvey, Survey, TableSurvey

VALUES = 1000


def column(
    name: str, type_: str = "VARCHAR", *, values: int = VALUES, different: int = 7, **found: int
) -> ColumnSurvey:
    """Return a column in which detectors (`phone_jp=10`) found so many values."""
    return ColumnSurvey(
        name=name,
        type=type_,
        values=values,
        different=different,
        suspicions=tuple(
            Suspicion(detector=d.replace("_", "-"), version=1, count=n, because="values")
            for d, n in found.items()
        ),
    )


def survey(
    *tables: tuple[str, tuple[ColumnSurvey, ...]],
    unique: tuple[str, ...] = (),
    references: tuple[tuple[str, str], ...] = (),
) -> Survey:
    """Return a survey; keys and references are written `table.column`, of several `t.a+b`."""
    return Survey(
        tables=tuple(TableSurvey(name=n, rows=VALUES, columns=c) for n, c in tables),
        unique=tuple(map(_key, unique)),
        references=tuple(
            Reference(table=_key(own).table, columns=_key(own).columns, key=_key(there))
            for own, there in references
        ),
    )


def _key(written: str) -> Key:
    table, _, columns = written.partition(".")
    return Key(table=table, columns=tuple(columns.split("+")))
