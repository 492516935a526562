"""Files as the tables of a source: one view for each, in a database in memory."""

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.drift import LiveTypes
from sandbox.core.errors import InvalidInput, SandboxError, Unavailable
from sandbox.core.source import Column, Source
from sandbox.core.text import clean
from sandbox.core.typed import TEXT, WHOLE, file_type
from sandbox.drivers.sources.connection import SOURCE, literal, quoted
from sandbox.drivers.sources.files import WatchedDialect, found, watched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What DuckDB is told to say of a value that does not fit; the quoted column follows.
_NO_VALUE = "no value of its type in column "
_DAMAGED = re.compile("no magic bytes|too small to be", re.IGNORECASE)
_COLUMN = re.compile(f'{_NO_VALUE}"(.*)"')


class FilesDialect(WatchedDialect):
    """Reads files, each opened read-only. A kind says which SELECT reads each table."""

    def __init__(self, source: Source, home: Path, files: Iterable[str]) -> None:
        super().__init__(source, home)
        self._files = tuple(dict.fromkeys(files))

    @abstractmethod
    def _selects(self, con: "DuckDBPyConnection", files: Mapping[str, Path]) -> dict[str, str]:
        """Return for each table the SQL that reads it; `files` are those given, found."""

    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Make the views; raises Unavailable or InvalidInput for a file that cannot be read."""
        import duckdb

        there = {file: found(self._name, self._home, file) for file in self._files}
        self._watched = watched(self._name, there.values())
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

    def columns(self, con: "DuckDBPyConnection") -> LiveTypes:
        """Return the columns of every file; a type that the source file states is as it says."""
        return {
            table: {c: self._written(table, c) or type_ for c, type_ in columns.items()}
            for table, columns in super().columns(con).items()
        }

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error of DuckDB means."""
        cause = {"cause": type(error).__name__}
        said = str(error)
        column = _COLUMN.search(said)
        if column:
            name = clean(column[1].replace('""', '"'))
            return InvalidInput(
                f"A value of column {name} does not fit the type that the source file gives it.",
                subject=self._subject,
                hint=f"In sources/{self._name}.yaml take the type away, so that the column "
                "is read as text, or have the file corrected.",
                details=cause,
            )
        if isinstance(error, OSError | ValueError) or _DAMAGED.search(said):
            return Unavailable(
                "A file of the source is damaged, or not of the kind that its source file says.",
                subject=self._subject,
                hint="Open it with the program that wrote it, and have it written again.",
                details=cause,
            )
        return super().failure(error)

    def _rules(self, table: str) -> Mapping[str, Column]:
        """Return the rules of a table's columns, none where the source file does not list it."""
        return self._source.tables[table].columns if table in self._source.tables else {}

    def _written(self, table: str, column: str) -> str:
        """Return the type that the source file states for a column, "" for none."""
        rules = self._rules(table)
        return rules[column].type if column in rules else ""

    def _type(self, table: str, column: str) -> str:
        """Return DuckDB's name of the type that a column of texts is given."""
        written = self._written(table, column)
        type_ = file_type(written)
        if not type_:
            raise InvalidInput(
                f"There is no type {clean(written)} that a column of a file can be given.",
                subject=clean(f"sources/{self._name}.yaml: {table}.{column}"),
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
