"""The door to the core systems, and what comes out of it. Part of `ports`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sandbox.core.drift import LiveTypes
from sandbox.core.leaks import GateReport
from sandbox.core.relations import Relations
from sandbox.core.snapshot import TableCopy
from sandbox.core.source import Source, Table

# Late: what a survey is made of takes a while to load, and few commands ask for one.
if TYPE_CHECKING:
    from sandbox.core.ports import Progress
    from sandbox.core.survey import Survey


@dataclass(frozen=True)
class Built:
    """A snapshot file on our disk, masked and checked, before it goes into its volume."""

    path: Path
    tables: tuple[TableCopy, ...]
    data_as_of: datetime
    bytes: int
    file_digest: str
    gate: GateReport


class SourceReader(Protocol):
    """Reads core systems. Raises Unavailable without ever naming the password."""

    def columns(self, source: Source, password: str) -> LiveTypes:
        """Return the columns of every table in the source's schema, with the types they arrive in.

        A type is DuckDB's, without the labels of an ENUM; "" where it cannot be told. Raises Denied
        when the login could write anything there.
        """

    def survey(
        self, source: Source, password: str, tables: Sequence[str], progress: "Progress"
    ) -> "Survey":
        """Return what a bounded sample of each table looks like, of those in `tables` if any.

        The source may list no table yet. Counts and types leave the reading process, no value.
        Raises InvalidInput for a table that is not there, Denied when the login could write.
        """

    def copy(
        self, source: Source, password: str, key: bytes, target: Path, progress: "Progress"
    ) -> Built:
        """Stream the listed columns, masked with `key`, into a new file `target`.

        One consistent state of the source. Masked plain text never reaches the disk. On any
        failure the file is gone. Raises Conflict when the file exists, InvalidInput when masks or
        columns do not fit the live source, Denied when the login could write anything, or when the
        leak gate found something (then `details["gate"]` is its report).
        """

    def judge(
        self,
        tables: Mapping[str, Table],
        canaries: Sequence[str],
        relations: Relations,
        file: Path,
        progress: "Progress",
    ) -> GateReport:
        """Judge a snapshot's file again by the rules it was built with, without the source.

        Raises Unavailable when the file cannot be read.
        """
