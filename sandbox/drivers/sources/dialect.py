"""What differs between kinds of core systems. Everything else of the path is the same for all."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.core.connection import place_of
from sandbox.core.drift import LiveTypes
from sandbox.core.errors import SandboxError
from sandbox.core.relations import Key, Reference
from sandbox.core.source import Source
from sandbox.drivers.sources.connection import SOURCE, live_types, quoted, row_count
from sandbox.drivers.sources.failures import reading_error
from sandbox.drivers.sources.login import refuse_hidden

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Dialect(ABC):
    """One source as its kind is read; made for one reading. A kind says only what differs.

    Its tables stand in the attached database SOURCE, in the schema `schema`.
    """

    def __init__(self, source: Source, schema: str = "main") -> None:
        self._source, self._name, self.schema = source, source.name, schema

    @property
    def _subject(self) -> str:
        """The source and its place, as errors name them."""
        return f"{self._name} ({self.place()})"

    def place(self) -> str:
        """Return where the source is, as people read it: `core_reader@db.example:5432/core`."""
        return place_of(self._source.connection)

    @abstractmethod
    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Attach it read-only as SOURCE; raises Unavailable, never naming the password."""

    @abstractmethod
    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open the one transaction of a reading; return the moment that its rows are of."""

    @abstractmethod
    def check_login(self, con: "DuckDBPyConnection") -> None:
        """Raise Denied, with how to take it back, if the login could write."""

    def columns(self, con: "DuckDBPyConnection") -> LiveTypes:
        """Return the columns of every table, in order, with the types in which they arrive.

        A type is "" where it cannot be told.
        """
        types = live_types(con, self.schema)
        listed = self._listed(con)
        there: LiveTypes = {}
        for table, column in types if listed is None else listed:
            there.setdefault(table, {})[column] = types.get((table, column), "")
        return there

    def _listed(self, con: "DuckDBPyConnection") -> Iterable[tuple[str, str]] | None:
        """Return (table, column) of all that the source lists; None for what DuckDB knows of it."""
        return None

    def readable(self, con: "DuckDBPyConnection") -> set[tuple[str, str]] | None:
        """Return (table, column) of what the login may read; None where that is all there is."""
        return None

    def refuse_hidden(self, con: "DuckDBPyConnection", live: LiveTypes) -> None:
        """Raise Unavailable if something listed is there, but the login may not read it."""
        may = self.readable(con)
        if may is not None:
            there = {(table, column) for table, columns in live.items() for column in columns}
            refuse_hidden(self._source, self._subject, self.schema, there - may)

    def parts(self, con: "DuckDBPyConnection") -> set[str]:
        """Return the tables that are parts of others, and are read with them."""
        return set()

    def spread(
        self, con: "DuckDBPyConnection", table: str, columns: Sequence[str], most: int
    ) -> str:
        """Return the SQL of at most so many rows from all over a table, what follows FROM.

        "" where the first rows must do.
        """
        return ""

    def rounded(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return (table, column) of exact numbers, which arrive rounded if they do as DOUBLE."""
        return set()

    def rows(self, con: "DuckDBPyConnection", table: str, condition: str) -> int:
        """Return how many rows of a table hold a condition that source and DuckDB understand.

        Raises InvalidInput where a value among them would not arrive as it is.
        """
        return row_count(con, f"{quoted(SOURCE, self.schema, table)} WHERE {condition}")

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return the keys and references that the source itself declares."""
        return (), ()

    def check_unchanged(self) -> None:  # noqa: B027 (a server's transaction sees to that)
        """Raise Unavailable if the source is not what it was at `begin`."""

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error met while reading means, without a value of the source."""
        return reading_error(self._name, self.place(), error)
