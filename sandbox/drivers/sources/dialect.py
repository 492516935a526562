"""What differs between kinds of core systems. Everything else of the path is the same for all."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from sandbox.core.drift import LiveTypes
from sandbox.core.errors import SandboxError
from sandbox.core.relations import Key, Reference

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Dialect(Protocol):
    """One source as its kind is read; made for one reading.

    Its tables stand in the attached database SOURCE, in the schema `schema`.
    """

    @property
    def schema(self) -> str:
        """The schema of SOURCE in which the source's tables stand."""

    def place(self) -> str:
        """Return where the source is, as people read it: `core_reader@db.example:5432/core`."""

    def attach(self, con: "DuckDBPyConnection", password: str) -> None:
        """Attach it read-only as SOURCE; raises Unavailable, never naming the password."""

    def begin(self, con: "DuckDBPyConnection") -> datetime:
        """Open the one transaction of a reading; return the moment that its rows are of."""

    def check_login(self, con: "DuckDBPyConnection") -> None:
        """Raise Denied, with how to take it back, if the login could write."""

    def columns(self, con: "DuckDBPyConnection") -> LiveTypes:
        """Return the columns of every table, in order, with the types in which they arrive.

        A type is "" where it cannot be told.
        """

    def readable(self, con: "DuckDBPyConnection") -> set[tuple[str, str]] | None:
        """Return (table, column) of what the login may read; None where that is all there is."""

    def parts(self, con: "DuckDBPyConnection") -> set[str]:
        """Return the tables that are parts of others, and are read with them."""

    def spread(
        self, con: "DuckDBPyConnection", table: str, columns: Sequence[str], most: int
    ) -> str:
        """Return the SQL of at most so many rows from all over a table, what follows FROM.

        "" where the first rows must do.
        """

    def rounded(self, con: "DuckDBPyConnection") -> set[tuple[str, str]]:
        """Return (table, column) of exact numbers, which arrive rounded if they do as DOUBLE."""

    def rows(self, con: "DuckDBPyConnection", table: str, condition: str) -> int:
        """Return how many rows of a table hold a condition that source and DuckDB understand.

        Raises InvalidInput where a value among them would not arrive as it is.
        """

    def relations(self, con: "DuckDBPyConnection") -> tuple[tuple[Key, ...], tuple[Reference, ...]]:
        """Return the keys and references that the source itself declares."""

    def check_unchanged(self) -> None:
        """Raise Unavailable if the source is not what it was at `begin`; servers see to that."""

    def failure(self, error: Exception) -> SandboxError:
        """Return what an error met while reading means, without a value of the source."""
