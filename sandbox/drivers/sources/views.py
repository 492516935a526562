"""Files as the tables of a source: one view for each, in a database in memory."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.connection import place_of
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.relations import Key, Reference
from sandbox.core.source import Source
from sandbox.core.text import clean
from sandbox.core.typed import TEXT, WHOLE, file_type
from sandbox.drivers.sources.connection import SOURCE, literal, live_types, quoted, row_count
from sandbox.drivers.sources.failures import reading_error
from sandbox.drivers.sources.files import found, watched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What DuckDB is told to say of a value that does not fit; the quoted column follows.
_NO_VALUE = "no value of its type in column "
_DAMAGED = re.compile("no magic bytes|too small to be", re.IGNORECASE)
_COLUMN = re.compile(f'{_NO_VALUE}"(.*)"')


class FilesDialect(ABC):
    """Reads files, each opened read-only; none may change from `attach` to the end.

    A kind says which SELECT reads each table.
    """

    schema = "main"

    def __init__(self, source: Source, home: Path, files: dict[str, str]) -> None:
        self._source, self._home, self._files = source, home, files
        self._watched = watched(source.name, ())

    @abstractmethod
    def _selects(self, con: "DuckDBPyConnection", files: dict[str, Path]) -> dict[str, str]:
        """Return for each table the SQL that reads it; `files` are those given, found."""

    def place(self) -> str:
        """Return the files' paths in the home, the first of many."""
        return place_of(self._source.connection)

    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Make the views; raises Unavailable or InvalidInput for a file that cannot be read."""
        import duckdb

        there = {t: found(self._source.name, self._home, f) for t, f in self._files.items()}
        self._watched = watched(self._source.name, there.values())
        con.execute(f"ATTACH ':memory:' AS {SOURCE}")
        try:
            for table, select in self._selects(con, there).items():
                con.execute(f"CREATE VIEW {quoted(SOURCE, self.schema, table)} AS {select}")
        except (duckdb.Error, OSError, ValueError) as error:
            raise self.failure(error) from None

    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open DuckDB's transaction; return when the file that is oldest was written."""
        con.execute("BEGIN")
        return min(self._watched.changes())

    def check_login(self, con: "DuckDBPyConnection") -> None:  # noqa: B027 (nothing to ask)
        """Do nothing: there is no login, and files are opened read-only."""

    def columns(self, con: "DuckDBPyConnection") -> LiveTypes:
        """Return the columns of every file; a type that the source file states is as it says."""
        there: LiveTypes = {}
        for (table, column), type_ in live_types(con, self.schema).items():
            there.setdefault(table, {})[column] = self._written(table, column) or type_
        return there

    def readable(self, con: "DuckDBPyConnection") -> set[tuple[str, str]] | None:
        """Return None: whoever can open it can read all of it."""
        return None

    def parts(self, con: "DuckDBPyConnection") -> set[str]:
        """Return nothing: no table is part of another."""
        return set()

    def spread(
        self, con: "DuckDBPyConnection", table: str, columns: Sequence[str], most: int
    ) -> str:
        """Return "": the first rows must do."""
        return ""

    def rounded(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return nothing: what a file holds arrives as it is."""
        return set()

    def rows(self, con: "DuckDBPyConnection", table: str, condition: str) -> int:
        """Count what DuckDB reads."""
        return row_count(con, f"{quoted(SOURCE, self.schema, table)} WHERE {condition}")

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return nothing: files declare no keys."""
        return (), ()

    def check_unchanged(self) -> None:
        """Raise Unavailable if somebody wrote to a file since `attach`."""
        self._watched.check()

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB means."""
        cause = {"cause": type(error).__name__}
        subject = f"{self._source.name} ({self.place()})"
        said = str(error)
        column = _COLUMN.search(said)
        if column:
            name = clean(column[1].replace('""', '"'))
            return InvalidInput(
                f"A value of column {name} does not fit the type that the source file gives it.",
                subject=subject,
                hint=f"In sources/{self._source.name}.yaml take the type away, so that the column "
                "is read as text, or have the file corrected.",
                details=cause,
            )
        if isinstance(error, OSError | ValueError) or _DAMAGED.search(said):
            return Unavailable(
                "A file of the source is damaged, or not of the kind that its source file says.",
                subject=subject,
                hint="Open it with the program that wrote it, and have it written again.",
                details=cause,
            )
        return reading_error(self._source.name, self.place(), error)

    def _written(self, table: str, column: str) -> str:
        """Return the type that the source file states for a column, "" for none."""
        rules = self._source.tables[table].columns if table in self._source.tables else {}
        return rules[column].type if column in rules else ""

    def _type(self, table: str, column: str) -> str:
        """Return DuckDB's name of the type that a column of texts is given."""
        written = self._written(table, column)
        type_ = file_type(written)
        if not type_:
            raise InvalidInput(
                f"There is no type {clean(written)} that a column of a file can be given.",
                subject=clean(f"sources/{self._source.name}.yaml: {table}.{column}"),
                hint="docs/sources.md lists the types; without one it is read as text.",
            )
        return type_


def converted(column: str, type_: str) -> str:
    """Return the SQL that makes `type_` of a quoted column of texts; blank is empty.

    A value that is none stops the reading and names the column.
    """
    if type_ == TEXT:
        return column
    there = f"nullif(trim({column}), '')"
    made = f"TRY_CAST({there} AS {type_})"
    if type_ in WHOLE:
        # DuckDB makes 2 of 1.5.
        number = f"TRY_CAST({there} AS DOUBLE)"
        made = f"CASE WHEN {number} = trunc({number}) THEN {made} END"
    stop = f"CASE WHEN {there} IS NOT NULL THEN error({literal(_NO_VALUE + column)}) END"
    return f"coalesce({made}, {stop})"
