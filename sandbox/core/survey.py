"""What a live source looks like to whoever drafts its file: counts and types, no values. Pure."""

from sandbox.core.detecting import Suspicion
from sandbox.core.relations import Key, Reference
from sandbox.core.values import Value


class ColumnSurvey(Value):
    """A column of the rows looked at: its type as it arrives, and what the detectors suspect.

    `values` are those that are not empty, `different` how many of them differ. `unseen` says why
    none was looked at, "" if they were.
    """

    name: str
    type: str
    values: int
    different: int
    unseen: str = ""
    suspicions: tuple[Suspicion, ...] = ()


class TableSurvey(Value):
    """A table, of which so many `rows` were looked at."""

    name: str
    rows: int
    columns: tuple[ColumnSurvey, ...]


class Survey(Value):
    """The tables of a live source, and the keys and references that it declares."""

    tables: tuple[TableSurvey, ...]
    unique: tuple[Key, ...] = ()
    references: tuple[Reference, ...] = ()

    def columns(self) -> dict[tuple[str, str], ColumnSurvey]:
        """Return all columns by (table, column)."""
        return {(t.name, c.name): c for t in self.tables for c in t.columns}
