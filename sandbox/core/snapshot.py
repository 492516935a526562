"""Snapshots: frozen, masked copies of a source, immutable and versioned `core@2026-11-23.1`."""

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from sandbox.core.attestation import Envelope, Label
from sandbox.core.errors import InvalidInput
from sandbox.core.leaks import GateReport
from sandbox.core.text import clean
from sandbox.core.values import Value

_ID = re.compile(r"([a-z0-9][a-z0-9-]*)@(\d{4}-\d{2}-\d{2})\.([1-9]\d{0,5})", re.ASCII)


class SnapshotState(StrEnum):
    """A snapshot is `building` until its volume is complete, `removed` after `snapshot rm`."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    REMOVED = "removed"


class ColumnCopy(Value):
    """A column as it stands in the snapshot; `mask` in the words of `masking.described`."""

    name: str
    type: str
    data_class: str
    mask: str

    @property
    def plain(self) -> bool:
        """Whether values were copied as they are: kept, or preserved with a reason."""
        return self.mask.split(" ")[0] in ("", "keep", "preserve")


class TableCopy(Value):
    """A table as it stands in the snapshot; `chosen` says which rows, "" for all there were."""

    name: str
    rows: int
    columns: tuple[ColumnCopy, ...]
    chosen: str = ""


class Manifest(Value):
    """What a snapshot is: enough to judge it without opening it. Times are UTC.

    `rules` are the tables of the source file that it was built by; `label` says what the law makes
    of it, "" for one built before there was a gate.
    """

    source: str
    data_as_of: AwareDatetime
    built_at: AwareDatetime
    tool_version: str
    rules_digest: str
    key_id: str
    tables: tuple[TableCopy, ...]
    bytes: int
    file_digest: str
    label: Label | Literal[""] = ""
    gate: GateReport | None = None
    rules: dict[str, Any] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        """The rows of all tables together."""
        return sum(t.rows for t in self.tables)


class Snapshot(Value):
    """The registry's record of one snapshot. Its file lives in `volume` only.

    `refused` is what the leak gate found in one that it stopped; `attestation` the signed envelope.
    """

    id: str
    source: str
    state: SnapshotState
    volume: str
    created: AwareDatetime
    built_by: str
    manifest: Manifest | None = None
    refused: GateReport | None = None
    attestation: Envelope | None = None


def next_id(source: str, day: date, taken: Iterable[str]) -> str:
    """Return the next free version of `source` on `day`; numbers are never used twice."""
    prefix = f"{source}@{day.isoformat()}."
    numbers = [int(i.removeprefix(prefix)) for i in taken if i.startswith(prefix)]
    return f"{prefix}{max(numbers, default=0) + 1}"


def check_id(text: str) -> str:
    """Return `text` if it has the form of a snapshot's version, else raise InvalidInput."""
    if not _ID.fullmatch(text):
        raise InvalidInput(
            "This is not a snapshot's version.",
            subject=clean(text),
            hint="Versions look like core@2026-11-23.1; see: sandbox snapshot list",
        )
    return text
